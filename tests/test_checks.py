"""`streamer check`: every part is looked at, each failure is one line, and nothing is changed."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from streamer.checks import check_all, shown
from streamer.config import load
from streamer.emotion.model import locate
from tests.certificates import authority


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_with_everything_there_all_is_well(mosquitto, tmp_path: Path) -> None:
    outcomes = await check_all(load(None, {}, {"mqtt.url": mosquitto.url, "outbox.path": str(tmp_path / "o.sqlite")}))
    assert [outcome.what for outcome in outcomes] == ["configuration", "model", "outbox", "broker"]
    assert all(outcome.ok for outcome in outcomes), outcomes
    assert "telephone" in outcomes[1].says
    assert "research" not in outcomes[1].says
    assert not files_in(tmp_path)


async def test_each_thing_that_is_wrong_is_said_and_hides_no_other(tmp_path: Path) -> None:
    settings = load(
        None,
        {},
        {
            "speech.vad": "silero",
            "emotion.model": "nowhere",
            "outbox.path": str(tmp_path / "none" / "o.sqlite"),
            "mqtt.url": "mqtt://127.0.0.1:1",
        },
    )
    outcomes = await check_all(settings)
    assert not any(outcome.ok for outcome in outcomes)
    for outcome, named in zip(outcomes, ["silero", "nowhere", "outbox.path", "127.0.0.1:1"], strict=True):
        assert named in outcome.says
        assert "\n" not in outcome.says


async def test_weights_that_are_for_research_only_are_said_to_be(tmp_path: Path) -> None:
    folder = tmp_path / "research"
    shutil.copytree(locate("telephone"), folder)
    card = (folder / "model.toml").read_text(encoding="utf-8")
    card = card.replace("commercial_use = true", "commercial_use = false").replace("Apache-2.0", "CC-BY-NC-SA-4.0")
    (folder / "model.toml").write_text(card, encoding="utf-8")
    outcomes = await check_all(
        load(None, {}, {"emotion.model": str(folder), "outbox.path": str(tmp_path / "o"), "mqtt.url": "mqtt://[::1]:1"})
    )
    model = next(outcome for outcome in outcomes if outcome.what == "model")
    assert model.ok
    assert "beware: model telephone" in model.says
    assert "for research only, not at work: licence CC-BY-NC-SA-4.0" in model.says


async def test_a_base_that_is_no_topic_is_said(tmp_path: Path) -> None:
    outcomes = await check_all(load(None, {}, {"mqtt.base": "a/#", "outbox.path": str(tmp_path / "o")}))
    assert "mqtt.base" in outcomes[-1].says


def test_what_is_shown_is_toml_with_every_key_and_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "streamer.toml"
    config.write_text('[[keys]]\nid = "a"\nsecret = "hunter2"\n', encoding="utf-8")
    text = shown(load(config, {}, {"server.port": 1234}))
    tables = tomllib.loads(text)
    assert tables["server"]["port"] == 1234
    assert tables["dialects"]["twilio"]["roles"] == {"inbound": "customer", "outbound": "agent"}
    assert tables["keys"][0]["id"] == "a"
    assert "hunter2" not in text
    again = tmp_path / "again.toml"
    again.write_text(text, encoding="utf-8")
    assert load(again, {}, {}).server.port == 1234


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"server.tls_cert_file": "none.pem"}, "none.pem"),
        ({"dialects.twilio.token_file": "none.txt"}, "dialects.twilio.token_file"),
        ({"dialects.audiosocket.allow": ["pbx"]}, "dialects.audiosocket.allow"),
        ({"keys": [{"id": "a", "secret_file": "none.txt"}]}, "keys: a"),
        ({"keys": [{"id": "a", "secret": "s", "dialects": ["natvie"]}]}, "natvie"),
    ],
)
async def test_what_would_keep_the_server_from_letting_anybody_in_is_said(
    tmp_path: Path, flags: dict[str, Any], named: str
) -> None:
    wanting = {"outbox.path": str(tmp_path / "o"), "mqtt.url": "mqtt://127.0.0.1:1", "emotion.model": "nowhere"}
    first, *_ = await check_all(load(None, {}, wanting | flags))
    assert not first.ok
    assert named in first.says


async def test_tls_that_can_be_used_is_said(tmp_path: Path) -> None:
    pair = authority(tmp_path, "calls")
    flags = {"server.tls_cert_file": str(pair.cert), "server.tls_key_file": str(pair.key)}
    first, *_ = await check_all(
        load(None, {}, {"outbox.path": str(tmp_path / "o"), "mqtt.url": "mqtt://127.0.0.1:1"} | flags)
    )
    assert first.ok
    assert first.says.endswith(", TLS")
