"""Which path of the WebSocket listener speaks which dialect.

This file must never look at a message: it only names who reads them.
"""

from __future__ import annotations

from typing import Final

from streamer.wire.native import Native
from streamer.wire.twilio import Twilio

PATHS: Final[dict[str, type[Native | Twilio]]] = {"/v1/stream": Native, "/twilio": Twilio}
"""Path, without query or trailing slash, to dialect."""
