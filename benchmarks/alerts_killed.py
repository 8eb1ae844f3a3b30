"""No alert is lost or repeated: the alert service is killed with -9 again and again while a thousand calls go on.

    python -m benchmarks.alerts_killed
    python -m benchmarks.alerts_killed --calls 100 --kills 8 --seed 3

Method. A real Mosquitto and a real `streamer-client alerts` with a state on the disk. A thousand made-up calls, many at
once, are published as the server does (its own topics, payloads and properties, QoS 1): utterances with verdicts out of
a random walk, and a summary at the end of each call. The service is killed at moments that the seed chooses: between
two events; while it starts again, before or after it has the broker; and as soon as an alert of its own is heard, when
the broker has the alert and the service does not know it yet. It is started again at once, and the calls go on
meanwhile.

Heard is what two subscribers hear that are never killed: one counts each message that the broker delivers, one is our
own client's, which de-duplicates. Expected is what the pure engine says to the same events in the same order. A last
call, published when all is over, ends the experiment: its alert is published behind all others.

This file must never wait for luck: it ends when every kill has happened and the last alert is heard.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from streamer_client.alerts.engine import Engine
from streamer_client.alerts.rules import Rule, default_rules, parse_rules
from streamer_client.broker import Broker as Address
from streamer_client.events import (
    AlertEvent,
    CallRef,
    Cut,
    Emotion,
    EndedData,
    EndedEvent,
    Latency,
    ModelRef,
    Quality,
    Speaker,
    Utterance,
    UtteranceData,
    UtteranceEvent,
    decode,
)
from streamer_client.subscribe import subscribe

from benchmarks.programs import Broker, Program, command_line, free_port, machine, until
from streamer.bus.cloudevents import event_id, outgoing, rfc3339
from streamer.bus.topics import Topics

EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "fear", "disgust")
RULES: Final = """
# Often met, so that there is always an alert on its way.
[[rule]]
name = "angry-once"
severity = "info"
message = "The customer sounds angry."
emotions = ["angry"]
min_confidence = 0.6
within_s = 1
cooldown_s = 30
"""
_BEGAN_S: Final = 1_795_000_000.0
"""Seconds since 1970 at which the first call begins; any will do."""
_MOMENTS: Final = ("between events", "while starting", "on an alert")
_LAST: Final = "last"
DELIVERY_S: Final = 600.0
"""How long the rest may take when the last event has been published; only how long a broken experiment hangs."""

Told = UtteranceEvent | EndedEvent


@dataclass(frozen=True)
class Plan:
    """What is done."""

    calls: int = 1000
    at_once: int = 50
    kills: int = 24
    events_per_s: float = 150.0
    seed: int = 1


@dataclass
class Outcome:
    """What was seen."""

    expected: dict[str, AlertEvent]
    events: int
    heard: Counter[str] = field(default_factory=Counter)
    """By id: messages that the broker delivered to a plain subscriber."""
    wrong: set[str] = field(default_factory=set)
    """Ids of alerts that say something else than expected."""
    handed_out: list[str] = field(default_factory=list)
    """Ids, as our own client gave them out."""
    killed: Counter[str] = field(default_factory=Counter)
    in_doubt: int = 0
    """Alerts that had been heard and were not yet known to be published when the service was killed."""
    unseen: int = 0
    """Alerts that stood in the state and had not been heard by then."""
    left: int = 0
    """Alerts that wait in the state at the end."""
    took_s: float = 0.0

    @property
    def lost(self) -> set[str]:
        """Expected and never heard."""
        return set(self.expected) - set(self.heard)

    @property
    def invented(self) -> set[str]:
        """Heard and not expected."""
        return set(self.heard) - set(self.expected)

    @property
    def repeated(self) -> int:
        """Messages too many."""
        return self.heard.total() - len(self.heard)

    @property
    def faultless(self) -> bool:
        """Whether every alert came once, said what it should, and none but these."""
        once = sorted(self.handed_out) == sorted(self.expected)
        return once and not (self.lost or self.invented or self.repeated or self.wrong or self.left)


def rules() -> tuple[Rule, ...]:
    """Return the shipped rules and one that is met often."""
    return (*default_rules(), *parse_rules(RULES, "rules"))


def rules_text() -> str:
    """Return the same as a file."""
    shipped = resources.files("streamer_client.alerts") / "default_rules.toml"
    return shipped.read_text(encoding="utf-8") + RULES


def script(plan: Plan) -> list[Told]:
    """Return the events of all calls, many at once, in the order in which they are published."""
    dice = random.Random(plan.seed)
    waiting = [iter(_call(f"call-{number}", dice)) for number in range(plan.calls)]
    live: list[Iterator[Told]] = []
    told: list[Told] = []
    while waiting or live:
        while waiting and len(live) < plan.at_once:
            live.append(waiting.pop())
        speaking = dice.choice(live)
        event = next(speaking, None)
        if event is None:
            live.remove(speaking)
        else:
            told.append(event)
    return told


def _call(name: str, dice: random.Random) -> list[Told]:
    """Return the events of one call: a mood that wanders."""
    told: list[Told] = []
    mood, at_ms = dice.choice(EMOTIONS), 0
    for n in range(1, dice.randint(6, 20) + 1):
        if dice.random() < 0.35:
            mood = dice.choice(EMOTIONS)
        at_ms += dice.randint(500, 12_000)
        end_ms = at_ms + dice.randint(600, 9_000)
        told.append(utterance(name, n, mood, round(dice.uniform(0.35, 0.95), 2), start_ms=at_ms, end_ms=end_ms))
        at_ms = end_ms
    return [*told, ended(name, len(told), at_ms)]


def utterance(call: str, n: int, top: str, confidence: float, *, start_ms: int, end_ms: int) -> UtteranceEvent:
    """Return an utterance of a customer."""
    rest = round((1 - confidence) / (len(EMOTIONS) - 1), 4)
    return UtteranceEvent(
        id=event_id(call, "utterance", "customer", n, round(1000 * _BEGAN_S) + end_ms),
        source="/nodes/node-1",
        subject=f"{call}/customer/{n}",
        time=rfc3339(_BEGAN_S + end_ms / 1000),
        sequence=f"{n:010}",
        data=UtteranceData(
            call=CallRef(id=call),
            speaker=Speaker(role="customer", channel=0),
            utterance=Utterance(n=n, start_ms=start_ms, end_ms=end_ms, speech_ms=end_ms - start_ms, cut=Cut.SILENCE),
            emotion=Emotion(
                top=top,
                confidence=confidence,
                uncertain=confidence < 0.4,
                scores={one: confidence if one == top else rest for one in EMOTIONS},
            ),
            quality=Quality(snr_db=18.0, clipped=0.0, lost_ms=0),
            model=ModelRef(name="made-up", version="1", sha256="00"),
            latency=Latency(hangover_ms=400, queue_ms=1.0, compute_ms=2.0),
        ),
    )


def ended(call: str, utterances: int, duration_ms: int) -> EndedEvent:
    """Return the summary of a call."""
    return EndedEvent(
        id=event_id(call, "ended", "", 1, round(1000 * _BEGAN_S) + duration_ms),
        source="/nodes/node-1",
        subject=call,
        time=rfc3339(_BEGAN_S + duration_ms / 1000),
        data=EndedData(
            call=CallRef(id=call),
            duration_ms=duration_ms,
            utterances=utterances,
            overlap_ms=0,
            reason="stop",
            speakers=(),
        ),
    )


class Experiment:
    """One run.

    Parameters
    ----------
    plan
        What is done.
    folder
        Where state, rules and log of the service lie.
    url
        A running broker's, such as ``mqtt://127.0.0.1:1883``; it must not limit the messages that it queues.
    """

    def __init__(self, plan: Plan, folder: Path, url: str) -> None:
        self._plan = plan
        self._url = url
        self._state = folder / "alerts.sqlite"
        self._dice = random.Random(plan.seed + 1)
        self._events = script(plan)
        self._last = [utterance(_LAST, 1, "angry", 0.9, start_ms=0, end_ms=1000), ended(_LAST, 1, 1000)]
        engine = Engine(rules())
        found = [alert for event in [*self._events, *self._last] for alert in engine.receive(event, now_s=0.0)]
        self.outcome = Outcome({alert.id: alert for alert in found}, len(self._events) + len(self._last))
        self._last_id = found[-1].id
        self._alert_heard = asyncio.Event()
        self._utterances = sum(isinstance(event, UtteranceEvent) for event in self._events)
        self._seen_at_kill = 0
        (folder / "rules.toml").write_text(rules_text(), encoding="utf-8")
        command = Path(sys.executable).with_name("streamer-client")
        flags = ["--rules", "rules.toml", "--state", self._state.name, "--name", "killed", "--mqtt", url]
        self._service = Program([command, "alerts", *flags], folder / "alerts.log")

    async def run(self) -> Outcome:
        """Run to the end."""
        began_s = time.monotonic()
        listening = asyncio.Event()
        hearing = [
            asyncio.create_task(self._count(listening)),
            asyncio.create_task(self._hand_out()),
        ]
        try:
            await listening.wait()
            self._service.spawn()
            await until(self._is_subscribed, "the service had its session")
            killing = asyncio.create_task(self._kill())
            await self._publish(self._events)
            await killing
            await self._publish(self._last)
            await until(self._is_over, "the last alert was heard and noted", timeout_s=DELIVERY_S)
        finally:
            self._service.close()
            for task in hearing:
                task.cancel()
            await asyncio.wait(hearing)
        self.outcome.left = len(self._waiting())
        self.outcome.took_s = time.monotonic() - began_s
        return self.outcome

    async def _is_subscribed(self) -> bool:
        self._service.must_run()
        return bool(self._ask("SELECT 1 FROM meta WHERE key = 'filters'"))

    async def _is_over(self) -> bool:
        self._service.must_run()
        heard = self._last_id in self.outcome.heard and self._last_id in self.outcome.handed_out
        return heard and not self._waiting()  # the last one is heard a moment before it is noted as published

    async def _publish(self, events: Sequence[Told]) -> None:
        """Publish as the server does, at an even pace."""
        topics = Topics("emotion")
        async with Address(self._url).client("made-up-node") as client:
            began_s = time.monotonic()
            for number, event in enumerate(events):
                early_s = began_s + number / self._plan.events_per_s - time.monotonic()
                if early_s > 0:
                    await asyncio.sleep(early_s)
                message = outgoing(event, topics)
                properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                properties.ContentType = message.content_type
                properties.UserProperty = list(message.properties)
                await client.publish(message.topic, message.payload, qos=message.qos, properties=properties)

    async def _kill(self) -> None:
        """Kill and start again, each time at a moment of another kind."""
        stream_s = len(self._events) / self._plan.events_per_s
        for number in range(self._plan.kills):
            moment = _MOMENTS[number % len(_MOMENTS)]
            if moment == "while starting":
                # From before it has the broker to some time after.
                await asyncio.sleep(self._dice.uniform(0.05, 2.0))
            else:
                await until(self._is_back, "the service worked again")
                await asyncio.sleep(self._dice.uniform(0, stream_s / self._plan.kills))
            if moment == "on an alert":
                self._alert_heard.clear()
                with suppress(TimeoutError):  # none may be left to come
                    await asyncio.wait_for(self._alert_heard.wait(), 10)
            self._service.must_run()
            await self._service.kill()
            self.outcome.killed[moment] += 1
            for alert in self._waiting():
                if alert in self.outcome.heard:
                    self.outcome.in_doubt += 1
                else:
                    self.outcome.unseen += 1
            self._seen_at_kill = self._seen()
            self._service.spawn()

    async def _is_back(self) -> bool:
        self._service.must_run()
        seen = self._seen()
        return seen > self._seen_at_kill or seen == self._utterances  # at the end nothing new comes

    def _seen(self) -> int:
        found = self._ask("SELECT count(*) FROM seen")
        return int(str(found[0][0])) if found else 0

    def _waiting(self) -> list[str]:
        return [str(name) for (name,) in self._ask("SELECT alert FROM deliveries WHERE state = 'pending'")]

    def _ask(self, question: str) -> list[tuple[object, ...]]:
        """Ask the state, as a person with a tool would; the log of a service that was killed is left to the next."""
        if not self._state.exists() or not self._state.stat().st_size:
            return []
        with closing(sqlite3.connect(f"{self._state.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as state:
            try:
                return state.execute(question).fetchall()
            except sqlite3.OperationalError:
                return []  # it is being made

    async def _count(self, listening: asyncio.Event) -> None:
        """Hear what the broker delivers, message by message."""
        async with Address(self._url).client("counting") as client:
            await client.subscribe("emotion/v1/+/alerts/#", qos=1)
            listening.set()
            async for message in client.messages:
                alert = decode(bytes(message.payload))
                assert isinstance(alert, AlertEvent)
                self.outcome.heard[alert.id] += 1
                if alert != self.outcome.expected.get(alert.id):
                    self.outcome.wrong.add(alert.id)
                self._alert_heard.set()

    async def _hand_out(self) -> None:
        """Hear what our own client hands out."""
        events = subscribe(self._url, kinds=("alert",), dedupe=1_000_000)
        async for event in events:
            self.outcome.handed_out.append(event.id)


def table(plan: Plan, outcome: Outcome) -> str:
    """Return what was seen, as Markdown."""
    killed = ", ".join(f"{outcome.killed[moment]} {moment}" for moment in _MOMENTS)
    rows = {
        "calls, at once": f"{plan.calls}, {plan.at_once}",
        "events published": f"{outcome.events}, {plan.events_per_s:g} a second",
        "alert service killed with -9 and started again": f"{outcome.killed.total()}: {killed}",
        "alerts in doubt at its deaths (on the bus, not yet noted as such), added up": f"{outcome.in_doubt}",
        "alerts found and not yet on the bus at its deaths, added up": f"{outcome.unseen}",
        "alerts expected by the pure engine": f"{len(outcome.expected)}",
        "alerts that a counting subscriber heard": f"{outcome.heard.total()}",
        "alerts that a de-duplicating subscriber handed out": f"{len(outcome.handed_out)}",
        "**alerts lost**": f"**{len(outcome.lost)}**",
        "**alerts repeated**": f"**{outcome.repeated}**",
        "**alerts that nobody expected**": f"**{len(outcome.invented)}**",
        "**alerts that say something else**": f"**{len(outcome.wrong)}**",
        "left in the state at the end": f"{outcome.left}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def report(plan: Plan, outcome: Outcome, command: str) -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# Alerts while the alert service is killed",
            "",
            f"Written by `{command}`;",
            "what it does and counts stands at the top of [`alerts_killed.py`](../alerts_killed.py).",
            "",
            f"Seed {plan.seed}; {outcome.took_s:.0f} s on {machine()}.",
            "",
            table(plan, outcome),
            "",
        ]
    )


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=Plan.calls)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--rate", type=float, default=Plan.events_per_s, help="events a second, all calls together")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--result", type=Path, help="write the report there, such as benchmarks/results/NAME.md")
    return parser.parse_args(arguments)


def main() -> None:
    """Run, print, and exit with 1 if an alert was lost, repeated or wrong."""
    given = parsed()
    plan = Plan(calls=given.calls, kills=given.kills, events_per_s=given.rate, seed=given.seed)

    async def run(folder: Path) -> Outcome:
        port = free_port()
        broker = Broker(folder / "broker", port=port)
        try:
            await broker.start()
            return await Experiment(plan, folder, f"mqtt://127.0.0.1:{port}").run()
        finally:
            broker.close()

    with tempfile.TemporaryDirectory(prefix="alerts-killed-") as folder:
        outcome = asyncio.run(run(Path(folder)))
    text = report(plan, outcome, command_line("benchmarks.alerts_killed", sys.argv[1:]))
    print(text)
    if given.result:
        given.result.write_text(text, encoding="utf-8")
    sys.exit(not outcome.faultless)


if __name__ == "__main__":
    main()
