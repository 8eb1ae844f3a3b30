"""From a verdict to the broker, without losing one."""
