"""Compliance alerts: rules over a call's utterances, evaluated on the call's own media clock.

`rules` reads them, `trackers` and `engine` are pure and decide, `runner` connects them to the broker. Nothing but
`runner` in this folder may know a socket or a clock.
"""
