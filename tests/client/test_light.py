"""The client stays light: what importing it loads."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest
import streamer_client

GUESTS = {"streamer_client.plugins.livekit", "streamer_client.plugins.pipecat"}
"""Modules for another framework, which they import."""
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(streamer_client.__path__, "streamer_client.")
    if module.name not in GUESTS
)


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    program = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_alone_loads_none_of_its_dependencies() -> None:
    heavy = {"numpy", "soundfile", "soxr", "rich", "typer", "websockets", "aiomqtt", "paho", "msgspec", "asyncio"}
    assert loaded_by("import streamer_client") & heavy == set()


def test_all_modules_together_load_no_model_and_no_laboratory() -> None:
    assert len(MODULES) > 15
    statement = "import " + ", ".join(MODULES)
    forbidden = {"librosa", "onnxruntime", "torch", "scipy", "sklearn", "numba", "streamer", "models"}
    assert loaded_by(statement) & forbidden == set()


def test_a_reader_of_events_pays_for_msgspec_only() -> None:
    heavy = {"numpy", "soundfile", "soxr", "rich", "typer", "websockets", "aiomqtt", "asyncio"}
    assert loaded_by("from streamer_client import UtteranceEvent") & heavy == set()


def test_a_subscriber_pays_for_the_mqtt_client_and_not_for_audio_or_a_terminal() -> None:
    heavy = {"numpy", "soundfile", "soxr", "rich", "typer", "websockets", "httpx", "starlette", "pandas"}
    assert loaded_by("from streamer_client import subscribe, subscribe_sync") & heavy == set()


def test_who_streams_a_call_pays_for_no_mqtt_client_and_no_terminal() -> None:
    heavy = {"rich", "typer", "aiomqtt", "paho", "httpx", "starlette", "pandas", "sqlite3"}
    assert loaded_by("from streamer_client import stream_call") & heavy == set()


@pytest.mark.parametrize("name", streamer_client.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(streamer_client, name) is not None
    assert name in dir(streamer_client)


def test_the_list_of_names_and_the_table_of_their_homes_agree() -> None:
    assert streamer_client.__all__ == sorted(streamer_client._HOMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'emotions_of_workers'"):
        _ = streamer_client.emotions_of_workers  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "first",
    ["import streamer_client.replay", "from streamer_client import replay", "import streamer_client.commands"],
)
def test_replay_can_be_called_whatever_was_imported_first(first: str) -> None:
    check = (
        "import asyncio; from streamer_client import replay; from streamer_client.replay import Progress; "
        "assert asyncio.run(replay([])) == []"
    )
    assert "streamer_client" in loaded_by(f"{first}\n{check}")
