"""A real Mosquitto with the very configuration, rights, passwords and certificates of compose.yaml.

Each user may do what docs/mqtt.md says it needs, and nothing else; nobody is not a user.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.docker.composed import Composed, health_check
from tests.docker.containers import Running
from tests.docker.reading import DOCKER, service

BASE = "emotion/v1"
UTTERANCE = f"{BASE}/default/calls/CA1/customer/utterance"
STATE = f"{BASE}/default/calls/CA1/state"
STATUS = f"{BASE}/nodes/node-1/status"
ALERT = f"{BASE}/default/alerts/warning"
DONE = f"{BASE}/default/acknowledgements"
FENCE = f"{BASE}/services/emotion-alerts-compose/fence"
ALL = (UTTERANCE, STATE, STATUS, ALERT, DONE, FENCE)

WRITE = {
    "streamer": {UTTERANCE, STATE, STATUS},
    "alerts": {ALERT, FENCE},
    "dashboard": {DONE},
    "viewer": set(),
    "health": set(),
}
READ = {
    "streamer": set(),
    "alerts": {UTTERANCE, STATE, STATUS, ALERT, DONE, FENCE},
    "dashboard": {UTTERANCE, STATE, STATUS, ALERT, DONE},
    "viewer": set(ALL),
    "health": set(),
}


@pytest.fixture
def broker(composed: Composed) -> Iterator[Running]:
    running = composed.machine.start(composed.process("mosquitto"))
    running.until_healthy(health_check("mosquitto"))
    yield running
    assert running.stop() == 0


Asked = subprocess.CompletedProcess[str]


def ask(broker: Running, program: str, *words: str) -> Asked:
    """Run a client of Mosquitto's own beside the broker, over TLS."""
    trust = ["-h", "mosquitto", "-p", "8883", "--cafile", "/run/secrets/authority.pem", "-V", "mqttv5"]
    return broker.run([program, *trust, *words])


def as_user(composed: Composed, user: str) -> list[str]:
    return ["-u", user, "-P", composed.secret(f"mqtt-{user}")]


def users() -> set[str]:
    lines = (DOCKER / "mosquitto.acl").read_text(encoding="utf-8").splitlines()
    return {line.split()[1] for line in lines if line.startswith("user ")}


def test_every_user_with_rights_has_a_row_here() -> None:
    assert users() == set(WRITE) == set(READ)


def test_a_user_may_publish_what_it_has_to_and_nothing_else(broker: Running, composed: Composed) -> None:
    for user, allowed in WRITE.items():
        for topic in ALL:
            done = ask(broker, "mosquitto_pub", *as_user(composed, user), "-t", topic, "-q", "1", "-m", "x")
            refused = "Not authorized" in done.stderr + done.stdout
            assert refused == (topic not in allowed), (user, topic, done)


def test_a_user_hears_what_it_has_to_and_nothing_else(broker: Running, composed: Composed) -> None:
    # Retained, so that a subscriber hears it at once; each topic is written by one who may.
    writers = {topic: next(user for user, topics in WRITE.items() if topic in topics) for topic in ALL}
    for topic, user in writers.items():
        done = ask(broker, "mosquitto_pub", *as_user(composed, user), "-t", topic, "-q", "1", "-r", "-m", topic)
        assert done.returncode == 0, done
    for user, allowed in READ.items():
        heard = broker.run(["/opt/streamer/bin/python", "-c", LISTEN, user, composed.secret(f"mqtt-{user}")])
        assert heard.returncode == 0, heard.stderr
        assert set(heard.stdout.split()) == allowed, user


LISTEN = """
import sys
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

def subscribed(client, *_):
    # What is retained comes before the answer to the subscription after it: no need to wait and see.
    rounds.append(1)
    client.subscribe("emotion/v1/none") if len(rounds) == 1 else client.disconnect()

rounds = []
client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
client.username_pw_set(*sys.argv[1:])
client.tls_set("/run/secrets/authority.pem")
client.on_message = lambda _client, _data, message: print(message.topic, flush=True)
client.on_subscribe = subscribed
client.on_connect = lambda client, *_: client.subscribe("emotion/v1/#")
client.connect("mosquitto", 8883)
client.loop_forever()
"""


@pytest.mark.parametrize("words", [[], ["-u", "streamer"], ["-u", "streamer", "-P", "guessed"], ["-u", "x", "-P", "x"]])
def test_nobody_gets_in_without_the_right_password(broker: Running, words: list[str]) -> None:
    done = ask(broker, "mosquitto_pub", *words, "-t", UTTERANCE, "-m", "x")
    assert done.returncode != 0
    assert "not authorised" in (done.stderr + done.stdout).lower().replace("authorized", "authorised")


def test_nobody_gets_in_without_tls(broker: Running) -> None:
    done = broker.run(["mosquitto_pub", "-h", "mosquitto", "-p", "8883", "-t", UTTERANCE, "-m", "x"])
    assert done.returncode != 0


def test_sessions_and_retained_messages_survive_a_restart(composed: Composed) -> None:
    process = composed.process("mosquitto")
    first = composed.machine.start(process)
    first.until_healthy(health_check("mosquitto"))
    viewer = [*as_user(composed, "viewer"), "-t", UTTERANCE, "-q", "1", "-c", "-i", "desk"]
    assert ask(first, "mosquitto_sub", *viewer, "-E", "-x", "3600").returncode == 0
    streamer = as_user(composed, "streamer")
    assert ask(first, "mosquitto_pub", *streamer, "-t", UTTERANCE, "-q", "1", "-m", "kept").returncode == 0
    assert first.stop() == 0
    second = composed.machine.start(process)
    second.until_healthy(health_check("mosquitto"))
    assert ask(second, "mosquitto_sub", *viewer, "-x", "3600", "-C", "1", "-W", "30").stdout == "kept\n"


def test_the_published_port_is_the_one_that_it_listens_on() -> None:
    lines = (DOCKER / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    (port,) = (line.split()[1] for line in lines if line.startswith("listener "))
    assert service("mosquitto")["ports"] == [f"127.0.0.1:{port}:{port}"]
