"""Where recordings come from: files, folders, patterns, pairs of files, and what a table says of them.

`finding` names the calls there are, `formats` what can be read, `pair` joins two files into one call, `names` keeps
telephone numbers out of call ids, `metadata` reads a table of calls, `progress` remembers what a replay has done. All
of it serves `streamer replay` and `streamer analyse` alike; nothing here knows a server or a model.
"""
