"""Announcements, spoken here by a stand-in for espeak-ng: a program of its name that writes down what it was told."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from models.announcements import SPEECH, Split, announce

SPLITS: tuple[Split, ...] = ("train", "test")
SPEAKS = """
import io, json, math, struct, sys, wave
told = sys.argv[1:]
with open({told!r}, "a") as file:
    file.write(json.dumps(told) + "\\n")
wav = io.BytesIO()
with wave.open(wav, "wb") as writer:
    writer.setnchannels(1); writer.setsampwidth(2); writer.setframerate(22050)
    pitch = 100 + int(told[told.index("-p") + 1])
    tone = [int(9000 * math.sin(2 * math.pi * pitch * n / 22050)) for n in range(400 * len(told[-1]))]
    writer.writeframes(struct.pack(f"<{{len(tone)}}h", *tone))
sys.stdout.buffer.write(wav.getvalue())
"""
FAILS = """
import sys
print("the voice is hoarse", file=sys.stderr)
sys.exit(3)
"""


def install(folder: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program on the PATH as espeak-ng, and nothing else."""
    script = folder / "espeak-ng"
    script.write_text(f"#!{sys.executable} -S\n{program}", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which the stand-in notes its arguments, a line a call."""
    path = tmp_path / "told.jsonl"
    install(tmp_path, SPEAKS.format(told=str(path)), monkeypatch)
    return path


def calls(told: Path) -> list[list[str]]:
    return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("split", SPLITS)
def test_one_voice_speaks_sentences_of_its_split_until_the_time_is_up(told: Path, split: Split) -> None:
    heard = announce(6.0, np.random.default_rng(1), split)
    assert (heard.shape, heard.dtype) == ((48000,), np.float32)
    assert np.abs(heard).max() == pytest.approx(9000 / 32768, rel=0.1)
    speech = SPEECH[split]
    first, *others = calls(told)
    assert all(call[:-1] == first[:-1] for call in others)
    _, _, voice, _, pitch, _, speed, _ = first
    language, _, variant = voice.partition("+")
    assert variant in speech.variants
    assert speech.pitch[0] <= int(pitch) <= speech.pitch[1]
    assert speech.words_a_minute[0] <= int(speed) <= speech.words_a_minute[1]
    assert {call[-1] for call in (first, *others)} <= set(speech.texts[language])


def test_the_same_seed_says_the_same_and_another_something_else(told: Path) -> None:
    first, again, other = (announce(2.0, np.random.default_rng(seed), "train") for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(calls(told)) >= 3


def test_no_sentence_comes_again_before_all_were_said(told: Path) -> None:
    announce(40.0, np.random.default_rng(2), "test")
    said = [call[-1] for call in calls(told)]
    language = calls(told)[0][2].partition("+")[0]
    texts = SPEECH["test"].texts[language]
    assert len(said) > len(texts)
    assert sorted(said[: len(texts)]) == sorted(texts)


def test_machines_to_learn_from_share_nothing_with_machines_to_judge_by() -> None:
    learned, judged = SPEECH["train"], SPEECH["test"]
    assert not learned.texts.keys() & judged.texts.keys()
    assert not set(learned.variants) & set(judged.variants)
    assert not {s for texts in learned.texts.values() for s in texts} & {s for t in judged.texts.values() for s in t}
    assert learned.pitch[1] < judged.pitch[0]


def test_where_espeak_is_missing_it_is_named_and_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="spoken by espeak-ng, which is not on the PATH: install it"):
        announce(1.0, np.random.default_rng(0), "train")


def test_what_espeak_complains_of_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, FAILS, monkeypatch)
    with pytest.raises(RuntimeError, match=r"espeak-ng ended with 3 at voice .*: the voice is hoarse"):
        announce(1.0, np.random.default_rng(0), "train")


def test_an_espeak_that_says_nothing_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "", monkeypatch)
    with pytest.raises(RuntimeError, match=r"espeak-ng ended with 0 at voice .*: nothing"):
        announce(1.0, np.random.default_rng(0), "train")
