"""The committed corpus of the fuzz run: every stream in it, hostile ones among them, keeps what is promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.wire.events import WireEvent
from tests.fuzz import fuzz_dialects
from tests.fuzz.fuzz_dialects import CORPUS, NAMES, play, seeds, without_atheris, written
from tests.wire.conversing import SPOKEN


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*")), ids=lambda path: path.name)
def test_a_stream_that_was_once_found_breaks_nothing(path: Path) -> None:
    play(path.read_bytes())


def test_the_run_begins_with_streams_of_every_dialect() -> None:
    names = {name.partition("-")[0] for name in seeds()}
    assert names == set(NAMES)
    assert {name for name in seeds() if "replayed-0" in name} == {f"{name}-replayed-0" for name in SPOKEN}


class Broken:
    """A dialect that raises."""

    def receive(self, message: str | bytes) -> list[WireEvent]:
        raise KeyError(message)


def test_a_dialect_that_raises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fuzz_dialects._READERS, "twilio", lambda _target, _headers: Broken())
    with pytest.raises(KeyError, match="hello"):
        play(written("twilio", ["hello"]))


def test_without_atheris_streams_are_changed_at_random_and_played() -> None:
    played: list[bytes] = []
    assert without_atheris(played.append, 0.05) == len(played) > 0
    assert len(set(played)) > 0.8 * len(played)
