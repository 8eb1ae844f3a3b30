"""Emotion events inside other people's pipelines; each module imports its framework, so import the one you use."""
