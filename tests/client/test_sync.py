"""The subscription for scripts: a real broker, real threads, a real Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import paho.mqtt.publish
import pytest
from streamer_client.errors import BrokerError, OptionError
from streamer_client.events import encode
from streamer_client.sync import subscribe_sync


def publish(broker: Any, *events: Any) -> None:
    messages = [
        {
            "topic": f"emotion/v1/default/calls/{event.data.call.id}/customer/utterance",
            "payload": encode(event),
            "qos": 1,
        }
        for event in events
    ]
    paho.mqtt.publish.multiple(messages, hostname="127.0.0.1", port=broker.port)


def no_thread_is_left() -> bool:
    return not any(thread.name == "events" for thread in threading.enumerate())


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_events_come_in_a_plain_loop_which_hangs_up_when_it_is_left(mosquitto: Any, make: Any, version: Any) -> None:
    wanted = [make.utterance(n) for n in range(1, 4)]
    with subscribe_sync(mosquitto.url, version=version) as events:
        publish(mosquitto, wanted[0], *wanted)
        found = []
        for event in events:
            found.append(event)
            if len(found) == 3:
                break
        assert found == wanted
        assert events.subscription.duplicates == 1
        publish(mosquitto, make.utterance(4))
        assert next(iter(events)) == make.utterance(4)  # a loop left inside the block goes on
    assert no_thread_is_left()
    assert list(events) == []


def test_a_loop_without_a_block_opens_and_hangs_up_by_itself(mosquitto: Any, make: Any) -> None:
    state = make.state()
    paho.mqtt.publish.single(
        "emotion/v1/default/calls/CA1/state",
        encode(state),
        qos=1,
        retain=True,
        hostname="127.0.0.1",
        port=mosquitto.port,
    )
    for event in subscribe_sync(mosquitto.url, kinds=["state"], client_id="script-3"):
        assert event == state
        break
    mosquitto.wait_logged(r"script-3.*disconnected|Client script-3 disconnected")
    assert no_thread_is_left()


def test_a_silence_ends_the_loop_and_the_block_may_be_iterated_again(mosquitto: Any, make: Any) -> None:
    with subscribe_sync(mosquitto.url, timeout_s=0.05) as events:
        assert list(events) == []
        publish(mosquitto, make.utterance())
        found: list[Any] = []
        while not found:  # the event may take longer than one silence
            found = list(events)
        assert found == [make.utterance()]


def test_close_from_another_thread_ends_the_loop(mosquitto: Any, make: Any) -> None:
    events = subscribe_sync(mosquitto.url)
    begun = threading.Event()

    def listen() -> list[Any]:
        found = []
        for event in events:
            found.append(event)
            begun.set()
        return found

    with ThreadPoolExecutor(1) as pool, events:
        listening = pool.submit(listen)
        publish(mosquitto, make.utterance())
        assert begun.wait(20)
        events.close()
        assert listening.result(20) == [make.utterance()]
        events.close()
    assert no_thread_is_left()


def test_what_goes_wrong_is_raised_where_the_loop_is() -> None:
    with pytest.raises(BrokerError, match="connection refused; is it running there"):
        next(iter(subscribe_sync("mqtt://127.0.0.1:1")))
    with (
        pytest.raises(OptionError, match="cannot read the password file nowhere"),
        subscribe_sync(password_file="nowhere"),
    ):
        pytest.fail("it was opened")
    assert no_thread_is_left()


def test_what_goes_wrong_later_is_raised_in_the_loop_as_well(mosquitto: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with subscribe_sync(mosquitto.url) as events:

        def broken(_message: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(events.subscription, "_read", broken)
        paho.mqtt.publish.single(
            "emotion/v1/default/calls/1/customer/utterance", "x", hostname="127.0.0.1", port=mosquitto.port
        )
        for _ in range(2):  # whoever iterates again is told again
            with pytest.raises(ZeroDivisionError):
                next(iter(events))


def test_an_error_in_the_loop_hangs_up(mosquitto: Any, make: Any) -> None:
    events = subscribe_sync(mosquitto.url)
    with pytest.raises(ZeroDivisionError), events:  # noqa: PT012 - one block, as a script has it
        publish(mosquitto, make.utterance())
        for _ in events:
            raise ZeroDivisionError
    assert no_thread_is_left()


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_time_that_cannot_be_right_is_refused(timeout_s: float) -> None:
    with pytest.raises(OptionError, match="timeout_s"):
        subscribe_sync(timeout_s=timeout_s)


def test_a_subscription_is_opened_once(mosquitto: Any) -> None:
    with subscribe_sync(mosquitto.url) as events, pytest.raises(OptionError, match="opened before"):
        events.__enter__()
    with pytest.raises(OptionError, match="opened before"), events:
        pytest.fail("it was opened again")


SCRIPT = """
import sys, threading
from streamer_client import subscribe_sync
try:
    with subscribe_sync(sys.argv[1]) as events:
        print("listening", flush=True)
        for event in events:
            print(event.data.emotion.top, flush=True)
except KeyboardInterrupt:
    print("interrupted", *sorted(thread.name for thread in threading.enumerate()), flush=True)
"""


def test_ctrl_c_ends_a_script_that_waits(mosquitto: Any, make: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, mosquitto.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as script:
        assert script.stdout is not None
        assert script.stderr is not None
        assert script.stdout.readline() == "listening\n"
        publish(mosquitto, make.utterance())
        assert script.stdout.readline() == "angry\n"
        script.send_signal(signal.SIGINT)
        assert script.stdout.readline() == "interrupted MainThread\n"
        assert script.wait(20) == 0
        assert script.stderr.read() == ""


def test_a_script_that_forgets_to_close_ends_all_the_same(mosquitto: Any) -> None:
    forgetful = "import sys; from streamer_client import subscribe_sync; subscribe_sync(sys.argv[1]).__enter__()"
    done = subprocess.run(
        [sys.executable, "-c", forgetful, mosquitto.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
