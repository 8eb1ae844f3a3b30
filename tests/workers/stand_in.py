"""A worker without a model: speaks to its supervisor as a real one, and does what a connection tells it in a word.

Run as a program by the tests of the supervisor's side. The name of the model says how it begins.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from types import SimpleNamespace

import msgspec
from prometheus_client import CollectorRegistry, Counter

from streamer.workers.assignment import Assignment, Order
from streamer.workers.channel import Reports, read_order
from streamer.workers.figures import packed


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    orders, channel = (socket.socket(fileno=int(text)) for text in sys.argv[1:3])
    reports = Reports(channel)
    assignment = msgspec.convert(reports.ask("assignment"), Assignment)
    model = assignment.settings.emotion.model
    if model == "none":
        reports.tell("failed", "model 'none': there is no such model")
        sys.exit(1)
    if model == "broken":
        sys.exit(3)
    registry = CollectorRegistry()
    it = SimpleNamespace(
        assignment=assignment,
        reports=reports,
        registry=registry,
        heard=Counter("streamer_heard", "Words.", registry=registry),
        retired=False,
        open=[],
    )
    reports.tell("listening")
    reports.tell("beat", "ready")
    while not (it.retired and not it.open):
        order, connection = read_order(orders)
        if connection is not None:
            connection.settimeout(None)
            it.open.append(connection)
            obey(it, connection, connection.recv(100).decode())
            connection.close()
            it.open.remove(connection)
            reports.tell("gone")
        elif order == Order.FIGURES:
            reports.tell("figures", packed(registry))
        elif order in (Order.RETIRE, Order.DRAIN, b""):
            it.retired = True
    reports.tell("figures", packed(registry))


def obey(it: SimpleNamespace, connection: socket.socket, word: str) -> None:
    it.heard.inc()
    match word.split():
        case ["who"]:
            connection.sendall(f"{it.assignment.number} {it.assignment.outbox}".encode())
        case ["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["hang"]:
            connection.sendall(b"hanging")
            time.sleep(600)
        case ["nonsense"]:
            it.reports.tell("nonsense")
        case ["say", readiness]:
            it.reports.tell("beat", readiness)
            connection.sendall(b"said")
        case ["ask", *question]:
            verb, *what = question
            said = [[["calls", 1]]] if verb == "take" else what
            connection.sendall(repr(it.reports.ask(verb, *said)).encode())
        case ["tell", verb, *what]:
            it.reports.tell(verb, *([["calls"]] if verb == "give" else what))
            connection.sendall(b"told")


if __name__ == "__main__":
    main()
