"""From encoded bytes on some clock to 8 kHz samples on the media clock."""
