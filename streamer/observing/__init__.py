"""What operators see: figures, traces, the log, and what was in force."""
