"""The machine's own sound as a call: the microphone is the agent, what the loudspeaker plays is the customer.

Needs the extra ``tap``. This folder must never write sound to a disk.
"""
