"""What tests of the laboratory share: which of them need which package, small corpora, a small file of Whisper's.

Some need the laboratory's dependencies (`uv sync --group lab`): PyTorch, in gigabytes, and others. They are left out
where those are missing, as `.ci/run` says: nothing that ships needs them. This file must never import one of them.
"""

from __future__ import annotations

import csv
import struct
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import settings

# Laboratory tests run beside trainings: how long one takes says nothing about it.
settings.register_profile("laboratory", deadline=None)
settings.load_profile("laboratory")

NEED = {
    "torch": [
        "test_baselines.py",
        "test_baselines_cnn.py",
        "test_baselines_series.py",
        "test_configuration.py",
        "test_distil.py",
        "test_evaluate.py",
        "test_experiment.py",
        "test_export.py",
        "test_heads.py",
        "test_judge.py",
        "test_lessons.py",
        "test_network.py",
        "test_serving.py",
        "test_train.py",
        "test_training.py",
    ],
    "sklearn": ["test_baselines.py", "test_baselines_linear.py"],
    "matplotlib": [
        "test_card.py",
        "test_card_pictures.py",
        "test_explore.py",
        "test_export.py",
        "test_pictures.py",
    ],
    "av": ["test_codecs.py", "test_evaluate.py", "test_lessons.py"],
    "onnx": ["test_evaluate.py", "test_export.py", "test_judge.py", "test_serving.py"],
}
"""Package -> the tests that cannot be imported, or not run, without it."""

collect_ignore = sorted({name for package, names in NEED.items() if find_spec(package) is None for name in names})

RATE_HZ = 8000
SPEAKERS = {
    "crema-d": ("1001", "1002", "1003", "1004"),
    "emodb": ("03", "08"),
    "ravdess": ("01", "02"),
    "savee": ("DC", "JE"),
    "tess": ("OAF", "YAF"),
}
CLIPS = {
    "crema-d": ("AudioWAV/{}_DFA_NEU_XX", "AudioWAV/{}_DFA_ANG_XX", "AudioWAV/{}_IEO_SAD_LO"),
    "emodb": ("wav/{}a01Na", "wav/{}a01Wa"),
    "ravdess": (
        "Actor_{0}/03-01-01-01-01-01-{0}",
        "Actor_{0}/03-01-05-01-01-01-{0}",
        "Actor_{0}/03-01-08-01-01-01-{0}",
    ),
    "savee": ("ALL/{}_n01", "ALL/{}_a01"),
    "tess": ("{0}_neutral/{0}_back_neutral", "{0}_angry/{0}_back_angry"),
}


def voice(seed: int, seconds: float = 0.7) -> np.ndarray:
    """A hum with syllables, of another pitch for each seed, that the product's detector takes for speech."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = rng.uniform(110, 230)
    hum = sum(np.sin(2 * np.pi * pitch_hz * n * time) / n for n in range(1, 12))
    syllables = (1.2 + np.sin(2 * np.pi * rng.uniform(3, 5) * time)) / 2
    return (0.12 * hum * syllables + rng.normal(size=len(time)) * 0.002).astype(np.float32)


@pytest.fixture(name="voice")
def _voice() -> Callable[..., np.ndarray]:
    """The helper :func:`voice`, for tests that cannot import it: float32[n] at 8 kHz."""
    return voice


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """A folder with a few clips of each corpus, two folds, and CREMA-D's votes and demographics."""
    data = tmp_path / "corpora"
    folds = [("corpus", "speaker", "gender", "fold")]
    seed = 0
    for corpus, speakers in SPEAKERS.items():
        for number, speaker in enumerate(speakers):
            folds.append((corpus, speaker, "mf"[number % 2], str(1 + number % 2)))
            for clip in CLIPS[corpus]:
                path = data / corpus / f"{clip.format(speaker)}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, voice(seed), RATE_HZ)
                seed += 1
    tables = {
        "folds.csv": folds,
        "crema-d/processedResults/tabulatedVotes.csv": [
            ("", "A", "D", "F", "H", "N", "S", "fileName"),
            ("100001", "6", "1", "1", "0", "2", "0", "1001_DFA_ANG_XX"),
            ("200001", "0", "0", "0", "9", "0", "0", "1001_DFA_ANG_XX"),
        ],
        "crema-d/VideoDemographics.csv": [
            ("ActorID", "Age", "Sex", "Race", "Ethnicity"),
            *((speaker, "41", "Male", "Caucasian", "Not Hispanic") for speaker in SPEAKERS["crema-d"]),
        ],
    }
    for name, rows in tables.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        with (data / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    return data


def whisper_weights(width: int, feed_forward: int, blocks: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Made-up weights of an encoder by the names of Whisper's, float32 that float16 can hold."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1/weight": (width, 80, 3),
        "conv1/bias": (width,),
        "conv2/weight": (width, width, 3),
        "conv2/bias": (width,),
    }
    for number in range(blocks):
        name = f"layer_{number}/"
        for layer, rows, columns in (
            ("ffn/linear_0", feed_forward, width),
            ("ffn/linear_1", width, feed_forward),
            ("self_attention/linear_0", 3 * width, width),
            ("self_attention/linear_1", width, width),
        ):
            shapes |= {f"{name}{layer}/weight": (rows, columns), f"{name}{layer}/bias": (rows,)}
        for layer in ("self_attention/layer_norm", "ffn/layer_norm"):
            shapes |= {f"{name}{layer}/gamma": (width,), f"{name}{layer}/beta": (width,)}
    return {
        name: (rng.normal(size=shape) * 0.2).astype(np.float16).astype(np.float32) for name, shape in shapes.items()
    }


def as_ctranslate2(
    weights: dict[str, np.ndarray], *, version: int = 6, specification: str = "WhisperSpec", kind: str = "float16"
) -> bytes:
    """A file as CTranslate2 writes it, with the encoder's weights and one of the decoder's."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    named = {f"encoder/{name}": one for name, one in weights.items()}
    named["decoder/embeddings/weight"] = np.ones((3, 2), np.float32)
    parts = [struct.pack("<I", version), text(specification), struct.pack("<II", 3, len(named))]
    for name, one in named.items():
        data = one.astype(kind).tobytes()
        number = {"float32": 0, "float16": 4}[kind]
        parts += [text(name), struct.pack("<B", one.ndim), struct.pack(f"<{one.ndim}I", *one.shape)]
        parts += [struct.pack("<BI", number, len(data)), data]
    return b"".join(parts)


@pytest.fixture(name="whisper_weights")
def _whisper_weights() -> Callable[..., dict[str, np.ndarray]]:
    """The helper :func:`whisper_weights`."""
    return whisper_weights


@pytest.fixture(name="as_ctranslate2")
def _as_ctranslate2() -> Callable[..., bytes]:
    """The helper :func:`as_ctranslate2`."""
    return as_ctranslate2
