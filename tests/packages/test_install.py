"""The wheels in empty environments of each Python: installed, and used from any folder, without a checkout.

One environment at a time is on the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.packages.building import PATIENCE_S, PYTHONS, ROOT, Installed, Running, bare, constraints, interpreter

pytestmark = pytest.mark.timeout(PATIENCE_S + 300)

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
LARGE = {"asyncio", "ssl", "sqlite3", "email", "http", "logging", "inspect", "dataclasses", "multiprocessing"}
"""What of the standard library costs too much to be loaded by an import of the client."""


@pytest.fixture(scope="module", params=PYTHONS)
def installed(request: pytest.FixtureRequest, packages: Any, tmp_path_factory: Any) -> Iterator[Installed]:
    """The server's and the client's wheel in an environment of their own."""
    python = interpreter(request.param)
    place = tmp_path_factory.mktemp("installed")
    made = Installed(place / "environment", python)
    made.install(packages.server_wheel, packages.client_wheel, constraint=constraints(place))
    yield made
    made.remove()


@pytest.fixture
def cluttered(tmp_path: Path) -> Path:
    """A folder of a user who has files of the same names as ours."""
    wrong = "raise SystemExit('a file of the user was run')\n"
    for name in ("streamer", "streamer_client", "models", "tests"):
        (tmp_path / f"{name}.py").write_text(wrong, encoding="utf-8")
    for name in ("models", "clients", "docs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(wrong, encoding="utf-8")
    samples, rate_hz = soundfile.read(ROOT / "streamer/demo/call.flac", dtype="int16")
    soundfile.write(tmp_path / "call.wav", samples[: 20 * rate_hz], rate_hz)
    return tmp_path


def unwritable(tmp_path: Path) -> Path:
    """Return a folder in which not even root can make a file."""
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o555)
    if not os.access(folder, os.W_OK):
        return folder
    if sys.platform != "linux":
        pytest.skip("run by a user who may write anywhere, on a system without /proc")
    return Path("/proc")


def test_it_is_installed_from_wheels_alone_and_says_its_version(installed: Installed, tmp_path: Path) -> None:
    assert installed.run("streamer", "--version", folder=tmp_path).stdout == f"streamer {VERSION}\n"
    assert installed.run("streamer-client", "--help", folder=tmp_path).returncode == 0


def test_it_brings_two_top_level_names(installed: Installed, tmp_path: Path) -> None:
    asked = (
        "from importlib.metadata import distribution as d\n"
        "print(*sorted({f.parts[0] for n in ('emotion-streamer', 'emotion-streamer-client') for f in d(n).files}))"
    )
    tops = installed.run("python", "-c", asked, folder=tmp_path).stdout.split()
    assert [top for top in tops if not top.endswith(".dist-info") and top != ".."] == ["streamer", "streamer_client"]


def test_check_finds_everything_right_with_a_broker(installed: Installed, mosquitto: Any, cluttered: Path) -> None:
    done = installed.run("streamer", "check", "--json", folder=cluttered, STREAMER_MQTT_URL=mosquitto.url)
    found = {one["what"]: one for one in json.loads(done.stdout)["checks"]}
    assert found["model"]["level"] == "ok", done.stdout
    assert found["broker"]["level"] == "ok", done.stdout


async def test_a_whole_call_is_served_replayed_and_watched(
    installed: Installed, mosquitto: Any, cluttered: Path
) -> None:
    def start(*arguments: str, **variables: str) -> Running:
        variables = bare() | {"STREAMER_MQTT_URL": mosquitto.url} | variables
        return Running([installed.program("streamer"), *arguments], cluttered, **variables)

    watching = start("watch", "--json")
    serving = start("serve", "--port", "0", "--admin-port", "0", STREAMER_LOG_FORMAT="json")
    try:
        await asyncio.to_thread(mosquitto.wait_logged, "Sending SUBACK")
        listening = json.loads(await asyncio.to_thread(serving.until, '"listening"'))
        replay = ("replay", "call.wav", "--to", listening["url"], "--speed", "max", "--roles", "customer,agent")
        played = await asyncio.to_thread(lambda: installed.run("streamer", *replay, folder=cluttered))
        assert played.returncode == 0, played.stderr
        await asyncio.to_thread(watching.until, "emotion-streamer.ended.v1")
        events = [json.loads(line) for line in watching.said if line.startswith("{")]
        utterances = [event for event in events if event["type"] == "emotion-streamer.utterance.v1"]
        assert utterances
        assert {event["data"]["model"]["name"] for event in utterances} == {"telephone"}
        serving.signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.ended) == 0
    finally:
        watching.close()
        serving.close()


def test_recordings_are_analysed_by_several_processes_from_a_cluttered_folder(
    installed: Installed, cluttered: Path
) -> None:
    (cluttered / "again.wav").write_bytes((cluttered / "call.wav").read_bytes())
    done = installed.run("streamer", "analyse", "call.wav", "again.wav", "--workers", "2", "--json", folder=cluttered)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("emotion-streamer.ended.v1") == 2


@pytest.mark.parametrize(
    ("arguments", "named", "way"),
    [
        (("serve", "--port", "0", "--admin-port", "0"), "outbox.sqlite", "--outbox"),
        (("alerts",), "alerts.sqlite", "alert state"),
        (("dashboard", "--port", "0"), "dashboard.sqlite", "--state"),
    ],
)
def test_where_nothing_may_be_written_one_line_says_which_file_and_what_to_do(
    installed: Installed, tmp_path: Path, arguments: tuple[str, ...], named: str, way: str
) -> None:
    folder = unwritable(tmp_path)
    done = installed.run("streamer", *arguments, folder=folder, STREAMER_MQTT_URL="mqtt://127.0.0.1:1")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("streamer: ")
    assert named in last
    assert way in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("folder", ["/", "nowhere to write"])
def test_from_any_folder_it_runs_what_needs_no_file(installed: Installed, tmp_path: Path, folder: str) -> None:
    here = Path("/") if folder == "/" else unwritable(tmp_path)
    recording = ROOT / "streamer/demo/call.flac"
    assert installed.run("streamer", "--version", folder=here).returncode == 0
    analysed = installed.run("streamer", "analyse", str(recording), "--quiet", "--workers", "1", folder=here)
    assert (analysed.returncode, analysed.stderr) == (0, "")


def test_importing_the_client_loads_the_standard_library_only_and_little_of_it(
    installed: Installed, tmp_path: Path
) -> None:
    asked = "import sys; b = set(sys.modules); import streamer_client; print(*set(sys.modules) - b)"
    loaded = installed.run("python", "-I", "-c", asked, folder=tmp_path).stdout.split()
    tops = {name.partition(".")[0] for name in loaded}
    assert tops - {"streamer_client"} <= sys.stdlib_module_names - LARGE
    assert len(loaded) < 60, sorted(loaded)  # 30 in Python 3.11; asyncio alone would be 100


@pytest.fixture(scope="module", params=PYTHONS)
def client_alone(request: pytest.FixtureRequest, packages: Any, tmp_path_factory: Any) -> Iterator[Installed]:
    """The client's wheel and nothing but what it needs."""
    python = interpreter(request.param)
    place = tmp_path_factory.mktemp("client")
    made = Installed(place / "environment", python)
    made.install(packages.client_wheel, constraint=constraints(place))
    yield made
    made.remove()


def test_the_client_alone_brings_no_model_and_follows_the_bus(
    client_alone: Installed, mosquitto: Any, tmp_path: Path
) -> None:
    heavy = ("librosa", "onnxruntime", "scipy", "numba", "sklearn", "streamer", "uvloop", "starlette", "pandas")
    asked = f"from importlib.util import find_spec; print([n for n in {heavy} if find_spec(n)])"
    assert client_alone.run("python", "-I", "-c", asked, folder=tmp_path).stdout == "[]\n"
    command = [client_alone.program("streamer-client"), "watch", "--json", "--mqtt", mosquitto.url]
    watching = Running(command, tmp_path, **bare())
    try:
        mosquitto.wait_logged("Sending SUBACK")
        watching.signal(signal.SIGINT)
        assert watching.ended() == 130
    finally:
        watching.close()


def test_what_needs_an_extra_says_which(client_alone: Installed, tmp_path: Path) -> None:
    done = client_alone.run("streamer-client", "dashboard", "--port", "0", folder=tmp_path)
    assert done.returncode == 1
    assert "emotion-streamer-client[dashboard]" in done.stderr
    assert "Traceback" not in done.stderr
