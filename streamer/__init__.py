"""Emotion Streamer: live telephone calls in, emotion events on MQTT out."""

__version__ = "0.1.0"
