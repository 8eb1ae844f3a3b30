"""Archives: recordings analysed without a server or a broker, by the same call, legs, batcher and model.

The way of a recording: `ways` says what decides its verdicts, `analysis` makes its events, `pool` does so on every
core, `journal` keeps what is done, `results` adds the alerts, `report` and what it stands on write pages and tables,
`command` joins them. Nothing here may open a socket.
"""
