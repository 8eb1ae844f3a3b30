"""A server as a process: started, asked, ended, and never left behind."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from streamer.bench.place import Place
from streamer.bench.served import LOOPBACK, BenchError, Variant, served, streamer_variant, tidy

HERE = Place(frozenset(os.sched_getaffinity(0)), frozenset(os.sched_getaffinity(0)), is_preferred=False)
PLAIN = Variant("plain", (sys.executable, "-m", "http.server", "{port}", "--bind", LOOPBACK, "--directory", "{folder}"))


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_program_without_an_admin_port_is_up_when_it_takes_connections() -> None:
    with served(PLAIN, 1883, HERE) as one:
        (pid,) = one.pids
        one.must_run()
        assert one.metrics() == ""
        assert one.port
    assert not is_there(pid)


def test_a_program_is_told_ports_broker_and_folder() -> None:
    code = "import os, sys; sys.exit(os.environ['TOLD'] + ' ' + ' '.join(sys.argv[1:]))"
    told = Variant("told", (sys.executable, "-c", code, "{port}", "{admin}", "{mqtt}", "{folder}"), {"TOLD": "{mqtt}"})
    with pytest.raises(BenchError, match=rf"told ended by itself with 1: mqtt://{LOOPBACK}:7 \d+ \d+ mqtt://.*:7 /"):
        served(told, 7, HERE).__enter__()


def test_the_server_of_this_installation_comes_up_and_is_asked_for_its_figures() -> None:
    with served(streamer_variant("ours", STREAMER_NODE="of-a-test"), 1, HERE) as one:
        assert one.page("/readyz")[0] == 200
        assert "streamer_calls_active" in one.metrics()
        pids = one.pids
    assert not any(map(is_there, pids))


def test_one_that_does_not_end_when_asked_is_killed() -> None:
    code = """
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listening.accept()
"""
    with served(Variant("deaf", (sys.executable, "-c", code, "{port}")), 1, HERE) as one:
        (pid,) = one.pids
    assert not is_there(pid)


def test_a_measurement_that_is_told_to_go_takes_its_server_with_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    pids: list[int] = []

    def measure() -> None:
        with tidy(), served(PLAIN, 1883, HERE) as one:
            pids.extend(one.pids)
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert pids
    assert not any(map(is_there, pids))
    assert signal.getsignal(signal.SIGTERM) == before
