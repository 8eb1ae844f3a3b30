from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer import __version__
from streamer.archive import remote
from streamer.archive.analysis import Analysed, Job
from streamer.archive.engine import Begun, Refused
from streamer.archive.remote import Parcel, Remote, Unseen, differences, libraries
from streamer.archive.ways import Ways
from streamer.config import EmotionSettings, KeySettings, Settings
from streamer.errors import StreamerError

MakeJob = Callable[..., Job]


@pytest.fixture(scope="module")
def parcel(ways: Ways) -> Parcel:
    return Parcel.of(Settings(node="any", keys=()), ways, b"salt")


@pytest.fixture
def replaced(parcel: Parcel) -> Callable[..., bytes]:
    return lambda **changes: msgspec.structs.replace(parcel, **changes).packed


def refused(packed: bytes, program: str = __version__) -> str:
    said = Remote(program, packed).begin()
    assert isinstance(said, Refused)
    return said.why


def test_a_worker_that_comes_to_the_same_verdicts_begins_and_gives_the_same_bytes(
    analysed: Analysed, job_of: MakeJob, excerpt: Path, ways: Ways
) -> None:
    worker = Remote(__version__, Parcel.of(Settings(node="other"), ways, None).packed)
    assert worker.begin() == Begun()
    assert worker.analyse(job_of(excerpt)) == analysed
    assert pickle.loads(pickle.dumps(analysed)) == analysed  # noqa: S301 - as an engine sends it


def test_a_parcel_holds_what_decides_verdicts_and_no_other_setting(ways: Ways) -> None:
    settings = Settings(node="a-name", keys=(KeySettings(id="CRM", secret="a-secret"),))
    parcel = Parcel.of(settings, ways, None)
    assert b"a-secret" not in parcel.packed
    assert b"a-name" not in parcel.packed
    assert Parcel.unpack(parcel.packed) == parcel


def test_a_worker_of_another_version_is_refused_before_its_parcel_is_opened() -> None:
    why = refused(b"not a parcel", "9.9.9")
    assert f"has emotion-streamer {__version__}, this machine 9.9.9: install the same" in why


def test_other_verdicts_are_refused_with_what_differs(replaced: Callable[..., bytes]) -> None:
    why = refused(replaced(proof="0" * 64, libraries=libraries() | {"numpy": "1.0"}))
    assert "comes to other verdicts on the call that ships" in why
    assert "numpy" in why
    assert "(here 1.0)" in why
    assert differences(libraries(), libraries()) == "the same libraries, so probably another kind of processor"


def test_what_a_worker_cannot_begin_with_is_said(replaced: Callable[..., bytes], ways: Ways) -> None:
    assert "cannot begin: checksum" in refused(replaced(network=b"damaged"))
    assert "cannot begin:" in refused(b"not a parcel")
    other = msgspec.structs.replace(ways, model_sha256="0" * 64)
    assert "the model changed while it was being read" in refused(replaced(ways=other))


def test_a_model_that_cannot_be_read_is_said_here(ways: Ways, tmp_path: Path) -> None:
    (tmp_path / "model.toml").touch()
    with pytest.raises(StreamerError, match="cannot read the model in"):
        Parcel.of(Settings(node="any", emotion=EmotionSettings(model=str(tmp_path))), ways, None)


def test_a_recording_that_a_node_does_not_see_is_told_from_one_that_is_bad(
    parcel: Parcel, job_of: MakeJob, tmp_path: Path
) -> None:
    worker = Remote(__version__, parcel.packed)
    with pytest.raises(RuntimeError, match="has not begun"):
        worker.analyse(job_of(tmp_path / "a.wav"))
    assert worker.begin() == Begun()
    gone: Any = worker.analyse(job_of(tmp_path / "a.wav"))
    assert isinstance(gone, Unseen)
    assert (gone.path, gone.reason) == (tmp_path / "a.wav", "no such file or directory")
    (tmp_path / "a.wav").write_bytes(b"<html>")
    assert "a.wav" in str(worker.analyse(job_of(tmp_path / "a.wav")))


def test_a_library_that_is_not_there_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_LIBRARIES", ("numpy", "not-installed-anywhere"))
    assert libraries()["not-installed-anywhere"] == "none"
