"""What a worker is told: the node's settings, but ports and outbox of its own; and whole over the channel."""

from __future__ import annotations

import msgspec

from streamer.config import load
from streamer.workers.assignment import Assignment, Order
from streamer.workers.channel import pack

SETTINGS = load(None, {"STREAMER_NODE": "n", "STREAMER_EMOTION_ANALYSE": "customer"}, {"server.port": 0})
ASSIGNMENT = Assignment(
    number=2,
    settings=SETTINGS,
    ports=(1, 2, 3),
    place=1,
    outbox="outbox-w2.sqlite",
    salt="s",
    folder="/f",
    announces=False,
)


def test_a_workers_own_settings_differ_from_the_nodes_in_ports_and_outbox_alone() -> None:
    own, node = msgspec.to_builtins(ASSIGNMENT.own_settings), msgspec.to_builtins(SETTINGS)
    assert (own["server"].pop("port"), own["server"].pop("admin_port")) == (1, 3)
    assert own["dialects"]["audiosocket"].pop("port") == 2
    assert own["outbox"].pop("path") == "outbox-w2.sqlite"
    node["server"].pop("port"), node["server"].pop("admin_port")
    node["dialects"]["audiosocket"].pop("port"), node["outbox"].pop("path")
    assert own == node


def test_it_comes_over_the_channel_as_it_is() -> None:
    assert msgspec.convert(msgspec.msgpack.decode(pack(ASSIGNMENT)[4:]), Assignment) == ASSIGNMENT


def test_each_order_is_one_byte_of_its_own() -> None:
    assert {len(order) for order in Order} == {1}
    assert len(set(Order)) == 6
