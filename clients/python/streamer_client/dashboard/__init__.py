"""The dashboard: what the bus says, on one page, for the supervisor on the floor.

`model` takes in what happens, `floor` holds it, `picture` is how the page sees it (all three pure); `store` keeps it
over a restart, `feed` brings it from the broker, `server` shows it; `api` is the JSON between server and page. This
folder must never show what no event carries.
"""
