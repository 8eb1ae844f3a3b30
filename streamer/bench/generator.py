"""The generator: plays made-up calls at the speed of life, and hears their events on MQTT. A process of its own.

Open loop: every frame has its moment on the clock, whatever the server does; how late frames left is in the result. One
thread, sockets that never block, frames made beforehand. This file must never wait for the server, and never hide that
it was late itself.

Run by `streamer.bench.load`: a `Plan` as JSON on standard input; on standard output a line of JSON at each stage, the
last of which is the `Outcome`.
"""

from __future__ import annotations

import gc
import random
import select
import socket
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from streamer.bench import frames, tape
from streamer.bench.hearing import Ear, HearingError
from streamer.bench.outcome import Outcome, judge
from streamer.bench.plan import Plan, schedule
from streamer.bench.speech import demo_call, talk
from streamer.bench.tape import Tape
from streamer.descriptors import raise_to_the_most

_LOOK_S: Final = 0.001
"""At most between two looks at what servers and broker say, however much is due."""
_GLANCE_S: Final = 0.5
"""Between two looks at whether everything has come, once all is sent."""
_PARTING_S: Final = 0.3
_CHUNK: Final = 1 << 16
_CONNECT_WITHIN_S: Final = 30.0


class GeneratorError(Exception):
    """The load cannot be made; the message says why."""


@dataclass(slots=True)
class Line:
    """One call's socket."""

    socket: socket.socket
    reader: frames.Reader = field(default_factory=frames.Reader)
    unsent: bytearray = field(default_factory=bytearray)
    """What the kernel did not take: the server does not read."""
    is_cut: bool = False
    """The server hung up."""

    def send(self, data: bytes) -> None:
        """Send, or keep what the kernel does not take for the next time; never wait."""
        if self.unsent:
            self.unsent += data
            data = bytes(self.unsent)
            self.unsent.clear()
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.is_cut = True
            return
        if sent < len(data):
            self.unsent += data[sent:]

    def hear(self) -> None:
        """Take what the server says: pings are answered, the rest is read and dropped."""
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_cut = True
            return
        for heard in self.reader.receive(data):
            if heard.opcode == frames.PING:
                self.send(frames.made(frames.PONG, heard.payload))
            elif heard.opcode == frames.CLOSE:
                self.is_cut = True


@dataclass(slots=True)
class Voice:
    """A sender at work."""

    due_s: float
    """Of its first frame, since the beginning."""
    first_round: int
    phase_s: float
    line: Line
    said: Sequence[bytes]
    opening: bytes
    """Sent with the first frame; empty for all but one of a call."""
    sent_s: array[float] = field(default_factory=lambda: array("d"))
    """When each frame left."""


class Generator:
    """One load.

    Parameters
    ----------
    plan
        What is to be done.
    say
        Told of each stage: ``begin`` and ``end`` of the measuring.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._lines: dict[int, Line] = {}
        self._tapes = _tapes(plan)
        self._ear: Ear
        self._poll: select.epoll

    def run(self) -> Outcome:
        """Return what was heard.

        Raises
        ------
        GeneratorError
            No broker, or no server.
        """
        # These two come first: `select` takes none whose number is above 1023.
        self._ear = Ear(self._plan)
        self._poll = select.epoll()
        try:
            lines = [self._connect() for _ in range(self._plan.calls)]
            voices = self._voices(lines)
            began_s = time.monotonic() + 0.1
            self._play(voices, began_s)
            outcome = self._heard_out(voices, lines, began_s)
            for number, line in enumerate(lines):
                line.send(tape.closing(self._plan.dialect, self._plan.call_id(number), self._tape(number).stream_id))
            self._listen_until(time.monotonic() + _PARTING_S)
            return outcome
        finally:
            for line in self._lines.values():
                line.socket.close()
            self._poll.close()
            self._ear.close()

    def _heard_out(self, voices: Sequence[Voice], lines: Sequence[Line], began_s: float) -> Outcome:
        """Wait for what is still to come, as long as something is, and return what it all came to."""
        senders = [(voice.first_round, voice.phase_s, voice.sent_s) for voice in voices]
        until_s = time.monotonic() + self._plan.patience_s
        while True:
            self._listen_until(min(until_s, time.monotonic() + _GLANCE_S))
            cut = sum(line.is_cut for line in lines)
            stuck = sum(bool(line.unsent) for line in lines)
            outcome = judge(self._plan, self._tapes, senders, began_s, self._ear.heard, cut=cut, stuck=stuck)
            if not outcome.lost or time.monotonic() >= until_s:
                return outcome

    def _tape(self, call: int) -> Tape:
        return self._tapes[call % len(self._tapes)]

    def _voices(self, lines: Sequence[Line]) -> list[Voice]:
        plan = self._plan
        voices = []
        for sender in schedule(plan, len(self._tapes[0].senders)):
            played = self._tape(sender.call)
            opens = sender.place == 0
            call_id = plan.call_id(sender.call)
            voices.append(
                Voice(
                    due_s=sender.first_round * plan.period_s + sender.phase_s,
                    first_round=sender.first_round,
                    phase_s=sender.phase_s,
                    line=lines[sender.call],
                    said=played.senders[sender.place],
                    opening=tape.opening(plan.dialect, call_id, played.stream_id) if opens else b"",
                )
            )
        return voices

    def _connect(self) -> Line:
        """Open a WebSocket; one after the other, as the server lets in so many a second."""
        plan = self._plan
        try:
            one = socket.create_connection((plan.host, plan.port), _CONNECT_WITHIN_S)
            line = self._lines[one.fileno()] = Line(one)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.sendall(_upgrade(plan))
            answer = b""
            # One by one: what comes behind the answer is the first frame already.
            while not answer.endswith(b"\r\n\r\n") and (byte := one.recv(1)):
                answer += byte
        except OSError as problem:
            raise GeneratorError(f"no connection to the server: {problem}") from problem
        status = answer.partition(b"\r\n")[0].decode("ascii", "replace")
        if " 101 " not in f"{status} ":
            raise GeneratorError(f"the server did not open a WebSocket: {status or 'it hung up'}")
        one.setblocking(False)  # noqa: FBT003 - the library's signature
        self._poll.register(one.fileno(), select.EPOLLIN)
        return line

    def _play(self, voices: Sequence[Voice], began_s: float) -> None:
        """Send every frame at its moment, or at once where that has passed."""
        plan, clock = self._plan, time.monotonic
        period_s = plan.period_s
        begins, ends = round(plan.begins_s / period_s), round(plan.ends_s / period_s)
        looked_s = now_s = clock()
        for number in range(plan.rounds):
            if number == begins:
                self._listen_until(began_s + number * period_s)
                self._say("begin")
            if number == ends:
                self._listen_until(began_s + number * period_s)
                self._say("end")
            base_s = began_s + number * period_s
            for voice in voices:
                place = number - voice.first_round
                if place < 0:
                    continue
                due_s = base_s + voice.phase_s
                if now_s < due_s:
                    now_s = clock()
                    if now_s < due_s:
                        self._listen_until(due_s)
                        now_s = looked_s = clock()
                if now_s - looked_s > _LOOK_S:
                    self._listen(0.0)
                    looked_s = clock()
                now_s = clock()
                voice.sent_s.append(now_s)
                line = voice.line
                if not line.is_cut:
                    line.send(voice.opening + voice.said[place] if place == 0 else voice.said[place])

    def _listen_until(self, until_s: float) -> None:
        while (left_s := until_s - time.monotonic()) > 0:
            self._listen(left_s)

    def _listen(self, wait_s: float) -> None:
        """Take what has come from broker and servers; wait so long for something to come."""
        ear, poll = self._ear.fileno(), self._poll.fileno()
        readable, _, _ = select.select((ear, poll), (), (), wait_s)
        if ear in readable:
            self._ear.listen()
        if poll in readable:
            for number, _ in self._poll.poll(0):
                line = self._lines[number]
                line.hear()
                if line.is_cut:
                    self._poll.unregister(number)


def _tapes(plan: Plan) -> list[Tape]:
    """Return the different calls that are played, each as long as the load."""
    dice = random.Random(plan.seed)  # noqa: S311 - audio, not keys
    seconds = plan.rounds * plan.period_s
    call = demo_call()
    return [
        tape.tape(plan.dialect, talk(dice, seconds, call), plan.frame_ms, f"{dice.getrandbits(128):032x}")
        for _ in range(min(plan.tapes, plan.calls))
    ]


def _upgrade(plan: Plan) -> bytes:
    lines = (
        f"GET {tape.path(plan.dialect)} HTTP/1.1",
        f"Host: {plan.host}:{plan.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def main() -> None:
    """Do what standard input says."""
    raise_to_the_most()  # a socket for each call
    gc.disable()  # nothing here makes rings that matter, and a collection is a pause
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)

    def say(stage: str) -> None:
        print(f'{{"at":"{stage}"}}', flush=True)  # noqa: T201 - what whoever started this reads

    try:
        outcome = Generator(plan, say).run()
    except (GeneratorError, HearingError) as problem:
        sys.exit(str(problem))
    print(msgspec.json.encode(outcome).decode(), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
