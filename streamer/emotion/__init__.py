"""From features to a calibrated verdict."""
