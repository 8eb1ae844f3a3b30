"""Whisper's weights are read from a CTranslate2 file, and nothing else is taken for one."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import whisper
from models.whisper import WhisperError

Weights = Callable[..., dict[str, np.ndarray]]
Write = Callable[..., bytes]
SAME_FOLDER = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_the_encoder_is_read_as_it_was_written_and_the_decoder_is_not(
    tmp_path: Path, whisper_weights: Weights, as_ctranslate2: Write, kind: str
) -> None:
    weights = whisper_weights(8, 12, blocks=2)
    path = tmp_path / "model.bin"
    path.write_bytes(as_ctranslate2(weights, kind=kind))
    found = whisper.read(path)
    assert found.keys() == weights.keys()
    for name, one in found.items():
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, weights[name])


@settings(deadline=None, suppress_health_check=SAME_FOLDER)
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(
    tmp_path: Path, whisper_weights: Weights, as_ctranslate2: Write, share: float
) -> None:
    whole = as_ctranslate2(whisper_weights(4, 6))
    path = tmp_path / "model.bin"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WhisperError, match=r"model\.bin is"):
        whisper.read(path)


@settings(deadline=None, suppress_health_check=SAME_FOLDER)
@given(other=st.binary(max_size=200))
def test_another_file_is_refused(tmp_path: Path, other: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(other)
    with pytest.raises(WhisperError, match=r"model\.bin is"):
        whisper.read(path)


def test_another_model_or_format_is_refused_by_name(
    tmp_path: Path, whisper_weights: Weights, as_ctranslate2: Write
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(as_ctranslate2(whisper_weights(4, 6), specification="TransformerSpec"))
    with pytest.raises(WhisperError, match="is 'TransformerSpec' of format 6, must be 'WhisperSpec' of format 6"):
        whisper.read(path)
    path.write_bytes(as_ctranslate2(whisper_weights(4, 6), version=7))
    with pytest.raises(WhisperError, match="of format 7, must be"):
        whisper.read(path)


def test_a_model_without_an_encoder_is_refused(tmp_path: Path, as_ctranslate2: Write) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(as_ctranslate2({}))
    with pytest.raises(WhisperError, match="holds no encoder"):
        whisper.read(path)


def test_the_file_is_found_inside_the_package_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_up_weights"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('this package was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(whisper, "PACKAGE", "made_up_weights")
    with pytest.raises(WhisperError, match="no package made_up_weights with Whisper's weights: set up the laboratory"):
        whisper.find()
    (package / "model" / "model.bin").touch()
    assert whisper.find() == package / "model" / "model.bin"
    assert "made_up_weights" not in sys.modules


def test_a_missing_package_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(WhisperError, match="no package no_such_package_of_weights"):
        whisper.find()
