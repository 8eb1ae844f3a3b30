"""How many live calls a machine carries: made-up calls, a generator that keeps time, the real server, and a verdict.

Used by `streamer bench` and by the project's own `benchmarks/`. Nothing here may touch what serves calls: the server
under load is a process of its own, seen only from outside.
"""
