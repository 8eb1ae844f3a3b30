"""Emotion Streamer: live telephone calls in, emotion events on MQTT out."""

import os

__version__ = "0.1.0"

# ONNX Runtime's official builds report their use to its maker, from 1.29 on Linux as well: the name of the model, how
# often it ran, a device id that it keeps in the user's folder (https://github.com/microsoft/onnxruntime/pull/27379).
# Only this, set before it is imported, keeps it from doing so; nothing leaves this server but what its user sends.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
