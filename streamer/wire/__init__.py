"""Telephony dialects, Sans-I/O: one file per platform, one shared interface.

`events` holds what every dialect says and the interface they share. Nothing in this folder may open a socket, read a
clock or keep a digit that somebody pressed.
"""
