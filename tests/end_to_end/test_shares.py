"""Three consumers that share the calls, as processes, on a real broker behind a real server."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, closing
from pathlib import Path

from tests.conftest import Broker
from tests.docs.running import Background
from tests.end_to_end.conftest import StartNode
from tests.end_to_end.running import STREAMER
from tests.end_to_end.sounds import Samples
from tests.end_to_end.speaking import Json, native_call

CALLS = 9
MEMBERS = ("1/3", "2/3", "3/3")


def watch(broker: Broker, share: str, folder: Path) -> Background:
    """Return a consumer that hears: it is sent first that the node is online, in the last of its subscriptions."""
    command = [str(STREAMER), "watch", "--json", "--share", share, "--mqtt", broker.url]
    watcher = Background(command, folder)
    watcher.until('of-shares.*"status":"online"')
    return watcher


def of_calls(watcher: Background) -> list[Json]:
    """Return what a consumer had of this test's calls; others have left states at the broker."""
    events = (event for event in map(json.loads, watcher.said) if "call" in event["data"])
    return [event for event in events if event["data"]["call"]["id"].startswith("shared-")]


async def test_each_event_has_one_consumer_and_each_call_the_same_one(
    start_node: StartNode, broker: Broker, sentence: Samples, tmp_path: Path
) -> None:
    node = await start_node(broker.url, name="of-shares")
    await node.connected()
    calls = [f"shared-{number}" for number in range(CALLS)]
    with ExitStack() as stack:
        watchers = [stack.enter_context(closing(watch(broker, share, tmp_path))) for share in MEMBERS]
        outcomes = await asyncio.gather(*(native_call(node.url, sentence, call_id=call) for call in calls))
        node.terminate()
        await node.ended()
        for watcher in watchers:
            watcher.until('of-shares.*"status":"offline"')  # everybody's, and behind all that it said of calls
        had = [of_calls(watcher) for watcher in watchers]
    promised = [event["id"] for outcome in outcomes for event in outcome.events]
    ids = [event["id"] for events in had for event in events]
    owned = [{event["data"]["call"]["id"] for event in events} for events in had]
    assert len(ids) == len(set(ids))
    assert len(promised) == CALLS
    assert set(promised) <= set(ids)
    assert sorted(call for calls_of_one in owned for call in calls_of_one) == calls
    assert len(ids) == 3 * CALLS  # state, utterance and summary of each
