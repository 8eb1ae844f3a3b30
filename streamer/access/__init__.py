"""Who gets in, and over what: doors, certificates, and what must not stand open."""
