from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import RecordingError
from streamer_client.recording import open_recording
from streamer_client.recordings.formats import READABLE, is_recording, what_came

SPEECH_LIKE = (9000 * np.sin(np.arange(8000) / 9) * np.sin(np.arange(8000) / 700)).astype(np.int16)


def read(path: Path) -> np.ndarray:
    return np.concatenate([block.samples[:, 0] for block in open_recording(path).blocks(20)])


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize(
    ("name", "how", "least_likeness"),
    [
        ("a.wav", {"subtype": "PCM_16"}, 1.0),
        ("a.wav", {"subtype": "ULAW"}, 0.999),
        ("a.wav", {"subtype": "ALAW"}, 0.999),
        ("a.WAV", {"format": "WAV", "subtype": "GSM610"}, 0.9),
        ("a.flac", {}, 1.0),
        ("a.au", {"subtype": "ULAW"}, 0.999),
        ("a.aiff", {"subtype": "PCM_16"}, 1.0),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}, 0.8),
        ("a.mp3", {}, 0.8),
        ("a.gsm", {"format": "RAW", "subtype": "GSM610"}, 0.9),
        ("a.ulaw", {"format": "RAW", "subtype": "ULAW"}, 0.999),
        ("a.alaw", {"format": "RAW", "subtype": "ALAW"}, 0.999),
        ("a.sln", {"format": "RAW", "subtype": "PCM_16", "endian": "LITTLE"}, 1.0),
    ],
)
def test_what_recorders_write_is_read_as_the_sound_that_went_in(
    tmp_path: Path, name: str, how: dict[str, str], least_likeness: float
) -> None:
    soundfile.write(tmp_path / name, SPEECH_LIKE, 8000, **how)
    heard = read(tmp_path / name)
    assert len(heard) == pytest.approx(8000, abs=700)  # GSM fills its last block
    shortest = min(len(heard), 8000)
    likeness = np.corrcoef(heard[:shortest], SPEECH_LIKE[:shortest])[0, 1]
    assert likeness >= least_likeness - 1e-9
    assert level(heard) == pytest.approx(level(SPEECH_LIKE), rel=0.2)
    assert open_recording(tmp_path / name).rate_hz == 8000


@pytest.mark.parametrize(
    ("ending", "rate_hz"), [("sln16", 16000), ("sln44", 44100), ("sln48", 48000), ("sln12", 12000)]
)
def test_the_ending_of_linear_samples_says_their_rate(tmp_path: Path, ending: str, rate_hz: int) -> None:
    (tmp_path / f"a.{ending}").write_bytes(SPEECH_LIKE.tobytes())
    assert open_recording(tmp_path / f"a.{ending}").rate_hz == rate_hz


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.amr", b"#!AMR\n" + bytes(40), "AMR"),
        ("a.m4a", bytes(4) + b"ftypM4A " + bytes(40), "MP4"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVEjunk" + bytes(40), "WAV with a codec"),
        ("a.g729", bytes(40), "G.729"),
        ("a.pcm", bytes(40), "does not say how it is coded"),
        ("a.wav", b"", "an empty file"),
        ("a.html.wav", b"<!doctype html>" + bytes(20), "text in HTML"),
        ("nothing", bytes(40), "without an ending"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_can(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        open_recording(tmp_path / name)
    assert words in str(caught.value)
    assert READABLE in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=40), st.text(max_size=8))
def test_any_beginning_of_any_file_has_its_words(beginning: bytes, ending: str) -> None:
    assert what_came(Path("x." + ending.replace("/", "").replace("\x00", "")), beginning)


def test_a_folder_holds_recordings_and_other_things() -> None:
    assert [name for name in ("a.WAV", "b.gsm", "c.txt", "d.sln16", "e", "f.csv") if is_recording(Path(name))] == [
        "a.WAV",
        "b.gsm",
        "d.sln16",
    ]
