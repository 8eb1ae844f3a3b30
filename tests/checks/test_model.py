"""The model: which one, whether it is what its card says, and what it takes here."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from streamer.checks import model
from streamer.checks.outcome import Level
from streamer.config import load
from streamer.emotion.model import EmotionModel, ModelError, locate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of the store that a test may spoil."""
    return Path(shutil.copytree(locate("telephone"), tmp_path / "model"))


def test_a_model_that_is_well_is_shown_with_its_checksum_and_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "SLOW_MS", float("inf"))  # this machine may be busy
    (found,) = model.check(load(None, {}, {}))
    assert found.level is Level.OK
    assert re.search(
        r"telephone \S+, \d emotions, sha256 [0-9a-f]{12} as its card says; 3 s of speech take \d+ ms", found.says
    )


def test_a_slow_machine_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "utterance_ms", lambda _: model.SLOW_MS + 1)
    (found,) = model.check(load(None, {}, {}))
    assert found.level is Level.WARN
    assert "301 ms, which is slow" in found.says


def test_the_time_is_that_of_whole_utterances(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []
    honest = EmotionModel.judge

    def judge(self: EmotionModel, features: Any, caller: Any) -> Any:
        judged.append(len(features))
        return honest(self, features, caller)

    loaded = model.load(locate("telephone"))
    monkeypatch.setattr(EmotionModel, "judge", judge)
    assert model.utterance_ms(loaded) > 0
    assert len(judged) == 6
    assert set(judged[1:]) == {max(judged)}


def test_weights_that_are_for_research_only_are_said_to_be(folder: Path) -> None:
    card = (folder / "model.toml").read_text(encoding="utf-8")
    card = card.replace("commercial_use = true", "commercial_use = false").replace("Apache-2.0", "CC-BY-NC-SA-4.0")
    (folder / "model.toml").write_text(card, encoding="utf-8")
    (found,) = model.check(load(None, {}, {"emotion.model": str(folder)}))
    assert found.level is Level.WARN
    assert "beware: model telephone" in found.says
    assert "for research only, not at work: licence CC-BY-NC-SA-4.0" in found.says


def test_a_network_that_is_not_the_cards_is_wrong(folder: Path) -> None:
    network = folder / "model.onnx"
    network.write_bytes(network.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="checksum"):
        model.check(load(None, {}, {"emotion.model": str(folder)}))
