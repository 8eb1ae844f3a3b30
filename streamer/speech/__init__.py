"""Where somebody speaks, and where an utterance begins and ends."""
