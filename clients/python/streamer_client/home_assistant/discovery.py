"""What Home Assistant is told, once and retained, so that it makes devices and sensors of our topics.

Device discovery as of Home Assistant 2024.11 (https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery): one
message per device under ``<prefix>/device/<object id>/config``; an empty one removes the device. Pure. This file must
never name a caller or a call.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import streamer_client
from streamer_client.errors import OptionError
from streamer_client.events import Status

ONLINE, OFFLINE = "online", "offline"
"""What Home Assistant expects on a topic of availability unless it is told otherwise."""


class Places:
    """The topics and ids of one tenant.

    Raises
    ------
    OptionError
        `tenant` or `prefix` cannot be right.
    """

    def __init__(self, *, base: str, tenant: str, prefix: str) -> None:
        if tenant == "+":
            raise OptionError("got tenant='+'; the sensors are one tenant's: name it, and run one for each")
        if not prefix or set(prefix) & set("+#"):
            raise OptionError(f"got prefix={prefix!r}; give Home Assistant's discovery prefix, without wildcards")
        self.base = base
        self.tenant = tenant
        self.state = f"{base}/home-assistant/{tenant}/state"
        """Beside the events' own topics, not among them: what stands here is no CloudEvent."""
        self.availability = f"{base}/home-assistant/{tenant}/availability"
        self.tenant_id = f"{_slug(base)}-tenant-{_slug(tenant)}"
        self._prefix = prefix

    def node_id(self, node: str) -> str:
        """Return the object id of a server."""
        return f"{_slug(self.base)}-node-{_slug(node)}"

    def config(self, object_id: str) -> str:
        """Return the topic of a device's configuration; ``+`` stands for all devices."""
        return f"{self._prefix}/device/{object_id}/config"

    def is_ours(self, topic: str) -> bool:
        """Return whether a topic holds a configuration that we put there: the tenant's or a server's."""
        object_id = topic.removeprefix(f"{self._prefix}/device/").removesuffix("/config")
        return object_id == self.tenant_id or object_id.startswith(self.node_id(""))


def tenant_config(places: Places) -> dict[str, Any]:
    """Return the configuration of a tenant's device: live calls, open alerts, last alert."""
    return {
        "device": {**_device(places.tenant_id), "name": f"Calls of {places.tenant}", "model": "Tenant"},
        "origin": _origin(),
        "availability_topic": places.availability,
        "state_topic": places.state,
        "qos": 1,
        "components": {
            "live_calls": {
                **_sensor(places.tenant_id, "live_calls", "Live calls", "mdi:phone-in-talk"),
                "state_class": "measurement",
            },
            "open_alerts": {
                **_sensor(places.tenant_id, "open_alerts", "Open alerts", "mdi:bell-alert"),
                "state_class": "measurement",
            },
            "last_alert": {
                **_sensor(places.tenant_id, "last_alert", "Last alert", "mdi:bell-clock"),
                "device_class": "timestamp",
                "json_attributes_topic": places.state,
                "json_attributes_template": "{{ value_json.details | tojson }}",
            },
        },
    }


def node_config(places: Places, node: str) -> dict[str, Any]:
    """Return the configuration of a server's device: its status, straight from the server's own topic.

    Needs no availability: when the server is gone, its last will says ``offline`` there.
    """
    object_id = places.node_id(node)
    return {
        "device": {**_device(object_id), "name": f"Emotion Streamer {node}", "model": "Server"},
        "origin": _origin(),
        "qos": 1,
        "components": {
            "status": {
                **_sensor(object_id, "data.status", "Status", "mdi:server-network"),
                "unique_id": f"{object_id}-status",
                "state_topic": f"{places.base}/v1/nodes/{node}/status",
                "device_class": "enum",
                "options": [status.value for status in Status],
                "entity_category": "diagnostic",
            }
        },
    }


def _sensor(object_id: str, field: str, name: str, icon: str) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "unique_id": f"{object_id}-{field}",
        "name": name,
        "icon": icon,
        "value_template": f"{{{{ value_json.{field} }}}}",
    }


def _device(object_id: str) -> dict[str, Any]:
    return {"identifiers": [object_id], "manufacturer": "Emotion Streamer", "sw_version": streamer_client.__version__}


def _origin() -> dict[str, Any]:
    return {"name": "emotion-streamer-client", "sw_version": streamer_client.__version__}


def _slug(text: str) -> str:
    """Return text of the characters that may stand in an object id; what was changed ends in a short hash."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    return safe if safe == text else f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
