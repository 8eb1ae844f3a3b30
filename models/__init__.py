"""The laboratory: corpora, training, evaluation, export, and the store of models. Never installed with the server."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as streamer/__init__.py, which may be imported later than the runtime
