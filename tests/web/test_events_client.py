"""The JavaScript client of the events, in Node and in a page, on a real broker's WebSocket listener."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
import soundfile
from playwright.async_api import Page
from streamer_client import events
from streamer_client.replay import replay
from streamer_client.subscribe import KINDS, topics

from tests.browser import chromium, needs_chromium
from tests.conftest import Broker, MakeBroker
from tests.nodes import serve, url
from tests.web.following import PAGES, ROOT, WEB, following, node, plain_site, project, with_websocket
from tools.schemas import examples

CALLS = "emotion/v1/default/calls"
HERE = f"{CALLS}/CA1/customer/utterance"


def numbered(n: int, **data: Any) -> dict[str, Any]:
    """Return an utterance event like the example, of another id."""
    event = copy.deepcopy(examples.of("event/utterance.json"))
    event["id"] = f"id-{n}"
    event["data"]["utterance"]["n"] = n
    event["data"] |= data
    return event


async def publish(broker: Broker, *messages: tuple[str, Any], retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for topic, payload in messages:
            text = payload if isinstance(payload, bytes) else json.dumps(payload)
            await client.publish(topic, text, qos=1, retain=retain)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_events_come_each_once_and_in_order(mosquitto_with: MakeBroker, tmp_path: Path, version: str) -> None:
    broker, at = with_websocket(mosquitto_with)
    async with following(tmp_path, url=at, version=version) as program:
        assert (await program.status("connected"))["detail"] == at
        await publish(broker, *((HERE, numbered(n)) for n in (1, 1, 2, 1, 2, 3)))
        assert await program.count(3) == [numbered(1), numbered(2), numbered(3)]
        assert await program.end() == {"duplicates": 3, "unreadable": 0, "stale": 0, "unknown": 0, "dropped": 0}


async def test_they_can_be_iterated_and_the_loop_ends_when_it_is_closed(
    mosquitto_with: MakeBroker, tmp_path: Path
) -> None:
    broker, at = with_websocket(mosquitto_with)
    async with following(tmp_path, url=at, iterate=True) as program:
        await program.status("connected")
        await publish(broker, (HERE, numbered(1)), (HERE, numbered(2)))
        assert await program.count(2) == [numbered(1), numbered(2)]
        await program.end()
        assert {"iterated": True} in program.lines


async def test_what_is_no_event_is_counted_told_and_passed_over(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    broker, at = with_websocket(mosquitto_with)
    async with following(tmp_path, url=at) as program:
        await program.status("connected")
        junk = [(HERE, b"hello")] * 12
        newer = (HERE, {"type": "emotion-streamer.utterance.v9", "id": "2"})
        await publish(broker, *junk, (HERE, b"\xff"), newer, (HERE, b""), (HERE, numbered(1)))
        await program.count(1)
        counters = await program.end()
    assert (counters["unreadable"], counters["unknown"]) == (13, 1)
    told = [line["warning"] for line in program.lines if "warning" in line]
    assert [line.rpartition("(")[2] for line in told] == [f"{count} so far)" for count in (1, 2, 3, 10)]
    assert HERE in told[0]
    assert {"cleared": HERE} in program.lines


async def test_what_somebody_had_the_broker_keep_is_not_taken_for_new(
    mosquitto_with: MakeBroker, tmp_path: Path
) -> None:
    broker, at = with_websocket(mosquitto_with)
    state = examples.of("event/state.json")
    await publish(broker, (HERE, numbered(1)), (f"{CALLS}/CA1/state", state), retain=True)
    async with following(tmp_path, url=at, kinds=["utterance", "state"]) as program:
        await program.status("connected")
        await publish(broker, (HERE, numbered(2)))
        assert sorted((event["type"], event["id"]) for event in await program.count(2)) == sorted(
            [(state["type"], state["id"]), (numbered(2)["type"], "id-2")]
        )
        # What is retained anew while somebody listens has just been said.
        await publish(broker, (HERE, numbered(3)), retain=True)
        await program.count(3)
        assert (await program.end())["stale"] == 1


async def test_it_comes_back_to_a_broker_that_was_away(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    broker, at = with_websocket(mosquitto_with)
    async with following(tmp_path, url=at) as program:
        await program.status("connected")
        await publish(broker, (HERE, numbered(1)))
        await program.count(1)
        broker.stop()
        assert at in (await program.status("lost"))["detail"]
        broker.start()
        await program.status("connected")
        await publish(broker, (HERE, numbered(1)), (HERE, numbered(2)))
        assert await program.count(2) == [numbered(1), numbered(2)]
        assert (await program.end())["duplicates"] == 1


async def test_a_broker_that_is_not_there_at_first_is_an_error(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    broker, at = with_websocket(mosquitto_with)
    broker.stop()
    async with following(tmp_path, url=at, iterate=True) as program:
        line = await program.until(lambda line: "thrown" in line)
    assert line["thrown"] == "BrokerError"
    assert at in line["message"]
    assert program.lines[0]["status"] == "failed"


async def test_a_wrong_password_is_told_and_never_repeated(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    _, at = with_websocket(mosquitto_with, "allow_anonymous false")
    async with following(tmp_path, url=at, username="desk", password="secret-of-desk") as program:
        line = await program.status("failed")
    assert line["detail"] == f"the MQTT broker at {at} does not let us in; check username and password"
    assert "secret-of-desk" not in json.dumps(program.lines)


async def test_only_what_was_asked_for_comes(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    broker, at = with_websocket(mosquitto_with)
    alert = examples.of("event/alert.json")
    other = copy.deepcopy(alert) | {"id": "of another call"}
    other["data"]["call"]["id"] = "CA2"
    async with following(tmp_path, url=at, kinds=["utterance", "alert"], call="CA1", role="customer") as program:
        await program.status("connected")
        desk = "emotion/v1/default/alerts/warning"
        elsewhere = [(HERE.replace("CA1", "CA2"), numbered(1)), (HERE.replace("customer", "agent"), numbered(2))]
        await publish(broker, *elsewhere, (desk, other), (desk, alert), (HERE, numbered(3)))
        assert await program.count(2) == [alert, numbered(3)]


async def test_the_events_of_a_real_call_come_as_python_reads_them(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    broker, at = with_websocket(mosquitto_with)
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", frames=10 * 8000, dtype="int16")
    soundfile.write(tmp_path / "call.wav", samples, rate_hz)
    kinds = ["utterance", "state", "ended", "status"]
    filters = topics(kinds)
    async with (
        aiomqtt.Client("127.0.0.1", broker.port) as plain,
        following(tmp_path / "program", url=at, kinds=kinds) as program,
    ):
        for one in filters:
            await plain.subscribe(one, qos=1)
        await program.status("connected")
        async with serve(tmp_path, mqtt__url=broker.url) as server:
            await replay([tmp_path / "call.wav"], to=url(server), speed=None)
            await program.until(lambda line: line.get("event", {}).get("type") == "emotion-streamer.ended.v1")
        heard: dict[str, events.Event] = {}
        async for message in plain.messages:
            if message.payload:
                event = events.decode(bytes(message.payload))
                assert not isinstance(event, events.UnknownEvent)
                heard[event.id] = event
            if set(heard) >= {event["id"] for event in program.events}:
                break
    assert len(program.events) >= 4
    for event in program.events:
        assert event == json.loads(events.encode(heard[event["id"]]))


def mutations() -> list[str]:
    """Return messages that are right, and each with one part missing or of another type."""
    made: list[str] = []
    for kind in KINDS:
        message = examples.of(f"event/{kind}.json")
        made.append(json.dumps(message))
        for where in _paths(message):
            for value in (..., None, "x", 7, -0.5, True, [], {}, ["x"], {"x": 1}):
                changed = copy.deepcopy(message)
                parent = changed
                for key in where[:-1]:
                    parent = parent[key]
                if value is ...:
                    del parent[where[-1]]
                else:
                    parent[where[-1]] = value
                made.append(json.dumps(changed))
    return [*made, "[]", "7", "null", "{}", "", "{", '{"type":7,"id":"1"}', '{"type":"new","id":7}', '{"type":"new"}']


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [found for key, part in pairs for found in _paths(part, (*path, key))]
    return [path, *below] if path else below


def test_it_takes_and_refuses_what_python_takes_and_refuses(tmp_path: Path) -> None:
    def in_python(text: str) -> Any:
        try:
            event = events.decode(text)
        except events.EventError:
            return None
        return {"type": event.type, "id": event.id} if isinstance(event, events.UnknownEvent) else _plain(event)

    messages = mutations()
    project(tmp_path / "program")
    (tmp_path / "program/messages.json").write_text(json.dumps(messages), encoding="utf-8")
    code = """
        import { readFileSync } from "node:fs";
        import { EventError, isKnown, readEvent } from "./events/index.js";
        const verdicts = JSON.parse(readFileSync("messages.json", "utf8")).map((text) => {
          try {
            const event = readEvent(new TextEncoder().encode(text));
            return isKnown(event) ? event : { type: event.type, id: event.id };
          } catch (problem) {
            if (!(problem instanceof EventError)) throw problem;
            return null;
          }
        });
        console.log(JSON.stringify(verdicts));
    """
    (tmp_path / "program/read.mjs").write_text(code, encoding="utf-8")
    run = subprocess.run(
        [node(), "read.mjs"], cwd=tmp_path / "program", capture_output=True, text=True, check=True, timeout=60
    )
    in_javascript = json.loads(run.stdout)
    expected = list(map(in_python, messages))
    assert len(messages) > 1000
    assert sum(found is None for found in expected) > 500
    differ = [(text, one, two) for text, one, two in zip(messages, expected, in_javascript, strict=True) if one != two]
    assert differ == []


def _plain(event: events.Event) -> Any:
    return json.loads(msgspec.json.encode(event))


@pytest.mark.parametrize(
    ("change", "is_right"), [({}, True), ({"confidence": "high"}, False), ({"top": "bored"}, False)]
)
def test_the_types_take_real_messages_and_no_others(tmp_path: Path, change: dict[str, Any], is_right: bool) -> None:
    node()
    shown = [examples.of(f"event/{kind}.json") for kind in KINDS]
    shown[0]["data"]["emotion"] |= change
    shutil.copytree(WEB / "src/events", tmp_path / "events")
    said = f"export const all: EmotionEvent[] = {json.dumps(shown)};"
    program = f'import type {{ EmotionEvent }} from "./events/index.js";\n{said}\n'
    (tmp_path / "program.ts").write_text(program, encoding="utf-8")
    strict = ["--noEmit", "--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"]
    run = subprocess.run(
        [node(), WEB / "node_modules/typescript/bin/tsc", *strict, "--types", "", "program.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ("program.ts" in run.stdout) is not is_right, run.stdout


@needs_chromium
async def test_a_page_without_a_bundler_follows_events(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    node()
    broker, at = with_websocket(mosquitto_with)
    vendored = tmp_path / "vendor"
    vendored.mkdir()
    shutil.copy(WEB / "node_modules/mqtt/dist/mqtt.esm.js", vendored)
    shutil.copytree(PAGES / "events", tmp_path / "events")
    (tmp_path / "wall.html").write_text(_example("html").replace("ws://127.0.0.1:9001", at), encoding="utf-8")
    with plain_site(tmp_path) as origin:
        async with chromium() as browser:
            page: Page = await browser.new_page()
            problems: list[str] = []
            page.on("pageerror", lambda problem: problems.append(str(problem)))
            await page.goto(f"{origin}/wall.html")
            await page.wait_for_function("document.querySelector('#status')?.textContent === 'connected'")
            await publish(broker, (HERE, numbered(1)))
            await page.wait_for_function("document.querySelectorAll('li').length === 1")
            assert await page.inner_text("li") == "CA1: angry, 81 %"
            await page.close()
    assert problems == []


def _example(language: str) -> str:
    text = (ROOT / "docs/javascript-client.md").read_text(encoding="utf-8")
    return text.partition(f"```{language}\n")[2].partition("\n```")[0]


async def test_the_first_program_of_the_guide_runs(mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    broker, at = with_websocket(mosquitto_with)
    folder = project(tmp_path / "program")
    module = _example("js").replace("emotion-streamer-web/events", "./events/index.js")
    (folder / "follow.mjs").write_text(module.replace("ws://127.0.0.1:9001", at), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        node(), "follow.mjs", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == f"connected {at}\n".encode()
            await publish(broker, (HERE, numbered(1)))
            assert await process.stdout.readline() == b"CA1 angry 0.81\n"
    finally:
        process.kill()
        await process.communicate()
