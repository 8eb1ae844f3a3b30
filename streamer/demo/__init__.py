"""The demo: an embedded broker and a call that we made ourselves."""
