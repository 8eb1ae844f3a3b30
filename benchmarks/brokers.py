"""Brokers other than Mosquitto under the real server and the real client: what works on each, tried, not read.

    python -m benchmarks.brokers                    # those that are installed: Debian's nats-server, rabbitmq-server

Method. The broker is started with the settings of docs/brokers.md, a node publishes on it, and calls are made: one
while all is well, one while the broker is down, one whose id has a dot in it. Our own client subscribes with a session
that the broker keeps; the alert service runs on made-up outbursts; at the end the node is killed with -9. This file
must never leave a broker behind, nor use a port that it did not find free.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import aiomqtt
import msgspec
from streamer_client.alerts.rules import default_rules
from streamer_client.alerts.runner import run_alerts
from streamer_client.broker import Broker as Address
from streamer_client.events import AlertEvent, EndedEvent, Event, StateEvent, StatusEvent, UtteranceEvent, encode
from streamer_client.stream import stream_call
from streamer_client.subscribe import subscribe

from benchmarks.calls import RATE_HZ, demo_call
from benchmarks.hearing import hearing_finals
from benchmarks.programs import LOOPBACK, Node, Program, ProgramError, command_line, found, free_port, machine, until

WAIT_S: Final = 60.0
"""How long what works may take."""
IN_VAIN_S: Final = 10.0
"""How long is waited for what some brokers do not do."""
SPEECH_S: Final = 12
"""Of the shipped call, from its beginning."""


class OtherBroker(Program):
    """A broker of MQTT 3.1.1 on a free port of this machine, with files that outlive its process."""

    name: ClassVar[str]

    def __init__(self, command: Sequence[str | Path], folder: Path, port: int, environment: dict[str, str]) -> None:
        super().__init__(command, folder / "broker.log", environment)
        self.port = port
        self.url = f"mqtt://{LOOPBACK}:{port}"

    async def start(self) -> None:
        """Start; returns when it takes MQTT clients."""
        self.spawn()
        await until(self._answers, f"{self.name} took clients", timeout_s=180)

    async def stop(self) -> None:
        """End it as an operator would."""
        self.terminate()
        await self.ended()

    async def _answers(self) -> bool:
        self.must_run()
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client(LOOPBACK, self.port, timeout=5):
                return True
        return False


class Nats(OtherBroker):
    """NATS with JetStream, which is where its MQTT side keeps sessions and retained messages."""

    name = "NATS"

    def __init__(self, folder: Path) -> None:
        port = free_port()
        config = folder / "nats.conf"
        config.write_text(
            f"server_name: broker-1\nlisten: {LOOPBACK}:{free_port()}\n"
            f'jetstream {{ store_dir: "{folder}/data" }}\nmqtt {{ listen: {LOOPBACK}:{port} }}\n',
            encoding="utf-8",
        )
        super().__init__([found("nats-server"), "-c", config], folder, port, dict(os.environ))


class Rabbit(OtherBroker):
    """RabbitMQ with its MQTT plugin."""

    name = "RabbitMQ"

    def __init__(self, folder: Path) -> None:
        port, amqp, self._epmd = free_port(), free_port(), free_port()
        scripts = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
        if not scripts:
            raise ProgramError("needs RabbitMQ; Debian: apt-get install rabbitmq-server")
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n", encoding="utf-8")
        (folder / "none").touch()
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = {LOOPBACK}:{amqp}\nmqtt.listeners.tcp.default = {LOOPBACK}:{port}\n"
            "mqtt.allow_anonymous = true\nmqtt.default_user = guest\nmqtt.default_pass = guest\n"
            "mqtt.subscription_ttl = 604800000\n",
            encoding="utf-8",
        )
        own = {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"broker{port}@localhost",
            "RABBITMQ_DIST_PORT": free_port(),
            "ERL_EPMD_PORT": self._epmd,
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_RELAXED_COMMAND_CHECK": "1",
            "RABBITMQ_MNESIA_BASE": folder / "data",
            "RABBITMQ_LOG_BASE": folder / "log",
            "RABBITMQ_LOGS": folder / "rabbit.log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "enabled_plugins",
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": folder / "none",
            "RABBITMQ_PID_FILE": folder / "pid",
        }
        environment = dict(os.environ) | {name: str(value) for name, value in own.items()}
        super().__init__([scripts[-1]], folder, port, environment)

    def close(self) -> None:
        """End it, and the name server of Erlang that it starts beside itself."""
        # What was started is a script, which ends the broker when it is told to, and not when it is killed.
        if self.is_running:
            self.terminate()
            assert self._process is not None
            self._process.wait(WAIT_S)
        super().close()
        told = dict(os.environ) | {"ERL_EPMD_PORT": str(self._epmd), "ERL_EPMD_RELAXED_COMMAND_CHECK": "1"}
        subprocess.run([found("epmd"), "-kill"], env=told, capture_output=True, check=False, timeout=30)


KINDS: Final[dict[str, Callable[[Path], OtherBroker]]] = {"nats": Nats, "rabbitmq": Rabbit}


class Trial:
    """What is tried on one broker.

    Parameters
    ----------
    broker
        It runs.
    folder
        For a node's files; empty.
    """

    def __init__(self, broker: OtherBroker, folder: Path) -> None:
        self.broker = broker
        self.outcome: dict[str, bool] = {}
        """What was tried, in words, and whether it works."""
        self._node = Node(folder, broker.url, config='[mqtt]\nversion = "3.1.1"\n', name="tried")
        self._heard: dict[str, Event] = {}

    async def run(self, *, dots: bool = True) -> None:
        """Try everything; the call id with a dot, which some brokers take a minute not to do, if asked to."""
        try:
            async with hearing_finals(self.broker.url, self._came, version="3.1.1"):
                await self._node.start()
                await self._try("utterances and summaries arrive", self._call("plain-1", look=True))
                await self._try("what happens while the broker is down arrives later", self._while_down())
                await self._try("alert service: an outburst becomes one alert", self._alert())
                await self._try("killed server: its last will says offline", self._will())
                if not dots:
                    return
                await self._node.start()
                await self._try("call id with a dot (Asterisk's own)", self._call("1795328721.5"))
        finally:
            self._node.close()

    async def _try(self, what: str, doing: Any) -> None:  # noqa: ANN401 - a coroutine of any of them
        try:
            async with asyncio.timeout(WAIT_S):
                await doing
        except (TimeoutError, ProgramError) as problem:
            print(f"{self.broker.name}: {what}: no ({problem or 'not in time'})", file=sys.stderr)
            self.outcome[what] = False
        else:
            self.outcome.setdefault(what, True)

    async def _call(self, call: str, *, look: bool = False) -> None:
        """Make a call and wait until all that its caller was told of, and its summary, has come."""
        told: list[str] = []
        samples = demo_call()[: SPEECH_S * RATE_HZ]
        roles = ["customer", "agent"]
        async with stream_call(self._node.url, call_id=call, roles=roles, rate_hz=RATE_HZ, speed=None) as stream:
            if look:
                await self._look(call)
            await stream.send(samples)
            await stream.stop()
            told += [event.id async for event in stream if isinstance(event, UtteranceEvent)]
        if not told:
            raise ProgramError("the caller was told of no utterance")
        await until(lambda: self._has_all(told, call), f"all of {call} came")

    async def _has_all(self, told: Sequence[str], call: str) -> bool:
        ended = {event.data.call.id for event in self._heard.values() if isinstance(event, EndedEvent)}
        return call in ended and all(one in self._heard for one in told)

    async def _look(self, call: str) -> None:
        """Who comes later asks for the state of the live call: of all calls, and of this one."""
        for what, asked in (
            ("retained state for who comes later, by wildcard", {}),
            ("the same by the exact topic", {"call": call}),
        ):
            found = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IN_VAIN_S):
                    async for event in subscribe(self.broker.url, kinds=["state"], version="3.1.1", **asked):  # type: ignore[arg-type]
                        found = isinstance(event, StateEvent) and event.data.call.id == call
                        if found:
                            break
            self.outcome[what] = found

    async def _while_down(self) -> None:
        await self.broker.stop()
        calling = asyncio.create_task(self._call("away-1"))
        await asyncio.sleep(2)
        await self.broker.start()
        await calling

    async def _alert(self) -> None:
        alerts: list[AlertEvent] = []
        listens, came = asyncio.Event(), asyncio.Event()

        def found_one(alert: AlertEvent) -> None:
            alerts.append(alert)
            came.set()

        service = asyncio.create_task(
            run_alerts(
                default_rules(),
                broker=Address(self.broker.url, "3.1.1"),
                state=self._node.folder / "alerts.sqlite",
                on_alert=found_one,
                on_status=lambda *_: listens.set(),
            )
        )
        waiting = asyncio.create_task(listens.wait())
        try:
            await asyncio.wait({service, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if service.done():
                service.result()
            async with aiomqtt.Client(LOOPBACK, self.broker.port) as client:
                for topic, event in self._outburst():
                    await client.publish(topic, encode(event), qos=1)
            await asyncio.wait_for(came.wait(), WAIT_S)
        finally:
            for task in (service, waiting):
                task.cancel()
            await asyncio.wait([service, waiting])
        if len(alerts) != 1:
            raise ProgramError(f"{len(alerts)} alerts instead of one")

    def _outburst(self) -> list[tuple[str, UtteranceEvent]]:
        """Return two angry utterances, made from one that was heard."""
        model = next(event for event in self._heard.values() if isinstance(event, UtteranceEvent))
        replace = msgspec.structs.replace
        call = replace(model.data.call, id="outburst-1")
        emotion = replace(model.data.emotion, top="angry", confidence=0.9, uncertain=False)
        topic = f"emotion/v1/{call.tenant}/calls/{call.id}/customer/utterance"
        return [
            (
                topic,
                replace(
                    model,
                    id=f"outburst-{n}",
                    data=replace(
                        model.data,
                        call=call,
                        emotion=emotion,
                        utterance=replace(model.data.utterance, n=n, start_ms=5000 * n, end_ms=5000 * n + 2000),
                    ),
                ),
            )
            for n in (1, 2)
        ]

    async def _will(self) -> None:
        async with subscribe(self.broker.url, kinds=["status"], version="3.1.1") as events:
            await self._node.kill()
            async for event in events:
                if isinstance(event, StatusEvent) and event.data.status == "offline":
                    return

    def _came(self, event: Event) -> None:
        self._heard[event.id] = event


async def tried(kind: str, folder: Path, *, dots: bool = True) -> dict[str, bool]:
    """Return what works on a broker of a kind, one of `KINDS`; `dots` as in :meth:`Trial.run`.

    Raises
    ------
    ProgramError
        It is not installed, or does not start.
    """
    (folder / "broker").mkdir()
    broker = KINDS[kind](folder / "broker")
    trial = Trial(broker, folder / "node")
    try:
        await broker.start()
        await trial.run(dots=dots)
    finally:
        broker.close()
    return trial.outcome


def main(arguments: Sequence[str]) -> int:
    """Try all that are installed; 0 where what docs/brokers.md promises works."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.brokers", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=list(KINDS), help="this one alone")
    parser.add_argument("--result", type=Path, help="write the report there, too")
    given = parser.parse_args(arguments)
    outcomes: dict[str, dict[str, bool]] = {}
    for kind in [given.only] if given.only else KINDS:
        with tempfile.TemporaryDirectory(prefix="brokers-") as folder:
            try:
                outcomes[kind] = asyncio.run(tried(kind, Path(folder)))
            except ProgramError as problem:
                print(f"{kind}: {problem}", file=sys.stderr)
                return 1
    trials = list(next(iter(outcomes.values())))
    lines = [
        "# Other brokers",
        "",
        f"`{command_line('benchmarks.brokers', arguments)}` on {machine()}; MQTT 3.1.1, QoS 1.",
        "",
        f"| | {' | '.join(outcomes)} |",
        f"|---|{'---|' * len(outcomes)}",
        *(
            f"| {what} | {' | '.join('yes' if each[what] else '**no**' for each in outcomes.values())} |"
            for what in trials
        ),
    ]
    page = "\n".join(lines)
    print(page)
    if given.result:
        given.result.write_text(f"{page}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
