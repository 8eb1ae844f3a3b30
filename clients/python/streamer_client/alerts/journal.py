"""From events to what is stored of them: the engine and the state, kept in step.

The engine knows the calls in memory, the state has them on the disk; each batch of events goes through the one and into
the other as one transaction, so that they agree whenever the process dies. This file must never know the broker.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from streamer_client.alerts.disk import Disk
from streamer_client.alerts.engine import WITHDRAWN, Engine, Key
from streamer_client.alerts.memory import Cleared, NodeMemory
from streamer_client.alerts.outputs.words import one_line
from streamer_client.alerts.rules import BUS, Rule, fingerprint
from streamer_client.alerts.state import Effect, State, pack
from streamer_client.events import (
    AcknowledgementEvent,
    AlertEvent,
    EndedEvent,
    Event,
    StateEvent,
    StatusEvent,
    UtteranceEvent,
)

log = logging.getLogger(__name__)
_RULES: Final = "rules"
_NODES: Final = "nodes"
_LONGEST_ID: Final = 128


class Journal:
    """Takes events, finds alerts, stores both.

    Parameters
    ----------
    rules : sequence of Rule
    outputs : sequence of str
        Names of all outputs, the bus included.
    disk : Disk
    now_s : callable
        How long the service has listened in this run, in seconds. Only that counts towards forgetting a call: what
        waits at the broker while nobody listens is not late.
    on_bus : callable
        Called with each alert of ours that is known to be on the bus, once.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        outputs: Sequence[str],
        disk: Disk,
        *,
        now_s: Callable[[], float],
        on_bus: Callable[[AlertEvent], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._outputs = tuple(outputs)
        self._disk = disk
        self._engine = Engine(rules)
        self._before_s = 0.0
        self._now_s = now_s
        self._on_bus = on_bus
        self._clock = clock
        self._unheard: set[str] = set()
        self._unknown = 0

    async def restore(self) -> None:
        """Put back what an earlier run knew; what a rule knew that has changed since is dropped, and said so."""
        calls, alerted = await self._disk(State.load)
        self._before_s = float(await self._disk(lambda state: state.get("clock_s") or "0"))
        before = json.loads(await self._disk(lambda state: state.get(_RULES) or "{}"))
        now = {name: fingerprint(rule) for name, rule in self._rules.items()}
        changed = [name for name in before if before[name] != now.get(name)]
        for call in calls:
            for name in changed:
                call.memory.trackers.pop(name, None)
                call.memory.silent_until_ms.pop(name, None)
            self._engine.restore(call.key, call.memory, call.seen)
        self._engine.restore_alerted(alerted)
        nodes = await self._disk(lambda state: state.get(_NODES) or "{}")
        self._engine.nodes.update(msgspec.json.decode(nodes, type=dict[str, NodeMemory]))
        under_way = self._engine.calls
        if under_way:
            for name in changed:
                what = "has changed" if name in now else "is gone"
                log.warning("rule %s %s: what it knew of the %d calls under way is dropped", name, what, under_way)
        calls_now = {call.key: pack(call.memory) for call in calls} if changed else {}
        await self._disk(lambda state: state.apply(Effect(calls=calls_now, clock_s=self._before_s), self._clock()))
        # Behind the calls: killed in between, this is done again.
        await self._disk(lambda state: state.put(_RULES, json.dumps(now)))
        for output, count in (await self._disk(lambda state: state.abandon(self._outputs, self._clock()))).items():
            log.warning("output %s is gone: the %d alerts that waited for it are kept as failed", output, count)

    async def take(self, events: Iterable[Event | Cleared]) -> set[str]:
        """Take events and store what they do; return the names of the outputs that have something new."""
        woken: set[str] = set()
        part: list[Event | Cleared] = []
        for event in events:
            part.append(event)
            # An objection takes effect before anything that comes behind it.
            if isinstance(event, Cleared) or (isinstance(event, EndedEvent) and event.data.reason == WITHDRAWN):
                woken |= await self._store(part)
                part = []
        return woken | await self._store(part)

    async def forget_idle(self) -> None:
        """Forget the calls whose end was missed."""
        self._engine.forget_idle(self._clock_s())
        await self._store([])

    async def sent(self, alerts: Sequence[str]) -> None:
        """Note that the bus has these alerts."""
        for alert in await self._disk(lambda state: state.delivered(alerts, BUS, self._clock())):
            self._on_bus(alert)

    def _clock_s(self) -> float:
        return self._before_s + self._now_s()

    async def _store(self, events: Sequence[Event | Cleared]) -> set[str]:
        """Run events through the engine and store the outcome; nothing else may run between the two."""
        found: list[tuple[AlertEvent, tuple[str, ...]]] = []
        withdrawn: list[Key] = []
        for event in events:
            if isinstance(event, Cleared):
                if self._engine.cleared((event.tenant, event.call)):
                    withdrawn.append((event.tenant, event.call))
                continue
            found += [
                (alert, self._rules[alert.data.rule].outputs or self._outputs)
                for alert in self._engine.receive(event, now_s=self._clock_s())
            ]
            if isinstance(event, EndedEvent) and event.data.reason == WITHDRAWN:
                withdrawn.append((event.data.call.tenant, event.data.call.id))
            if isinstance(event, StateEvent):
                self._warn_of_silence(event)
        effect = Effect(
            seen=[
                (*key, event.id)
                for event in events
                if isinstance(event, UtteranceEvent | StateEvent | EndedEvent)
                and self._engine.memory(key := (event.data.call.tenant, event.data.call.id)) is not None
            ],
            calls={key: pack(self._engine.memory(key)) for key in self._engine.take_touched()},
            alerts=found,
            acknowledgements=[event for event in events if isinstance(event, AcknowledgementEvent)],
            withdrawn=withdrawn,
            clock_s=self._clock_s(),
        )
        if any(isinstance(event, StatusEvent) for event in events):
            nodes = msgspec.json.encode(self._engine.nodes).decode()
            await self._disk(lambda state: state.put(_NODES, nodes))
        if effect.seen or effect.calls or effect.acknowledgements or effect.withdrawn:
            for one in await self._disk(lambda state: state.apply(effect, self._clock())):
                self._warn_of_unknown(one)
        echoes = [event.id for event in events if isinstance(event, AlertEvent)]
        if echoes:
            await self.sent(echoes)
        return {output for _, outputs in found for output in outputs}

    def _warn_of_unknown(self, event: AcknowledgementEvent) -> None:
        """Say of the 1st, 10th, 100th ... that its alert is not known: whoever may acknowledge must not fill a disk."""
        self._unknown += 1
        if str(self._unknown).strip("0") == "1":
            log.warning(
                "acknowledgement of an alert that is not known here (any more): %s (%d so far)",
                one_line(event.data.alert)[:_LONGEST_ID],
                self._unknown,
            )

    def _warn_of_silence(self, event: StateEvent) -> None:
        """Say once of each rule about silence that it cannot be judged where the other side is not analysed."""
        for rule in self._rules.values():
            other = rule.silence_of
            if other is None or rule.name in self._unheard or other in event.data.analysed:
                continue
            self._unheard.add(rule.name)
            log.warning(
                "rule %s cannot be judged in calls where the %s is not analysed, such as call %s: of that side the bus "
                "carries no utterances",
                rule.name,
                other,
                event.data.call.id,
            )
