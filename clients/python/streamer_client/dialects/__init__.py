"""The platform's side of each telephony dialect, Sans-I/O: a recording's blocks in, WebSocket messages out.

One file per dialect, as in the server's ``wire`` folder, which is the other side of the same table. Nothing in this
folder may open a socket, read a clock or a file: :mod:`streamer_client.replay` does.
"""
