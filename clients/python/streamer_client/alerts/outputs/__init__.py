"""Where alerts go besides the bus: a log, a webhook, a mailbox.

One file per kind of output, all :class:`~streamer_client.alerts.outputs.place.Place`; `load` reads them from a rules
file, `trying` sends each a test alert. Nothing in this folder may remember an alert or try one again: the service does.
"""

from streamer_client.alerts.outputs.load import load_outputs
from streamer_client.alerts.outputs.trying import try_outputs

__all__ = ["load_outputs", "try_outputs"]
