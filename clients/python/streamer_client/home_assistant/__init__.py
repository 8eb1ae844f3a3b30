"""Home Assistant: a few sensors of a tenant and its servers, by MQTT discovery.

For a lamp over the desk or a tile on a panel. This folder must never make a sensor of a caller or a call.
"""
