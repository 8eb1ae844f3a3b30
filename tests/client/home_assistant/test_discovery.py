from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.home_assistant.discovery import Places, node_config, tenant_config

PLACES = Places(base="emotion", tenant="default", prefix="homeassistant")
# https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and .../integrations/sensor.mqtt/
SHARED = {"device", "origin", "components", "availability_topic", "state_topic", "qos"}
DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version"}
SENSOR = {
    "platform",
    "unique_id",
    "name",
    "icon",
    "value_template",
    "state_topic",
    "state_class",
    "device_class",
    "options",
    "entity_category",
    "json_attributes_topic",
    "json_attributes_template",
}


def check(config: dict[str, Any]) -> None:
    """What the documentation asks of a device's configuration."""
    assert set(config) <= SHARED
    assert {"device", "origin", "components"} <= set(config)
    assert set(config["device"]) <= DEVICE
    assert config["device"]["identifiers"]
    assert config["origin"]["name"]
    for component in config["components"].values():
        assert set(component) <= SENSOR
        assert {"platform", "unique_id"} <= set(component)
        assert component["platform"] == "sensor"
        assert "state_topic" in component or "state_topic" in config
        if component.get("device_class") == "enum":
            assert component["options"]
            assert "state_class" not in component
    ids = [component["unique_id"] for component in config["components"].values()]
    assert len(set(ids)) == len(ids)


def test_the_configurations_are_as_documented() -> None:
    check(tenant_config(PLACES))
    check(node_config(PLACES, "node-1"))
    assert node_config(PLACES, "node-1")["components"]["status"]["state_topic"] == "emotion/v1/nodes/node-1/status"
    assert node_config(PLACES, "node-1")["components"]["status"]["options"] == ["online", "draining", "offline"]


NAMES = st.text(st.characters(exclude_characters="/+#", exclude_categories=["Cs"]), min_size=1)


@given(one=NAMES, other=NAMES)
def test_every_name_gives_an_object_id_of_its_own_that_home_assistant_takes(one: str, other: str) -> None:
    ids = [PLACES.node_id(name) for name in (one, other)]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", found) for found in ids)
    assert (ids[0] == ids[1]) is (one == other)
    assert all(PLACES.is_ours(PLACES.config(found)) for found in ids)


def test_others_devices_are_not_ours() -> None:
    for topic in ("homeassistant/device/lamp/config", "homeassistant/device/emotion-tenant-acme/config"):
        assert not PLACES.is_ours(topic)


@pytest.mark.parametrize(
    ("wrong", "words"), [({"tenant": "+"}, "name it, and run one for each"), ({"prefix": "ha/#"}, "got prefix='ha/#'")]
)
def test_what_cannot_be_right_is_refused(wrong: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        Places(**({"base": "emotion", "tenant": "default", "prefix": "homeassistant"} | wrong))
