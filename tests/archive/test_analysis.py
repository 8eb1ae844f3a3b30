from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from streamer_client.events import encode
from streamer_client.recordings.metadata import Row

from streamer.archive import analysis
from streamer.archive.analysis import Analysed, Analyst, NotAnalysedError, tenant_salt
from streamer.archive.ways import Ways
from streamer.bus.topics import call_id as topic_safe
from streamer.config import EmotionSettings, Settings
from streamer.emotion.model import EmotionModel, ModelError
from streamer.wire.events import Role


def lines(result: Analysed) -> list[bytes]:
    return [encode(event) for event in (*result.utterances, result.ended)]


def essence(result: Analysed) -> list[Any]:
    return [(one.data.utterance, one.data.emotion, one.data.quality) for one in result.utterances]


def with_settings(model: EmotionModel, emotion: EmotionSettings, *, notice: bool = False) -> Analyst:
    settings = Settings(node="any", emotion=emotion)
    return Analyst(settings, model, Ways.of(settings, model.card, notice=notice, roles=None), None)


def test_the_same_recording_twice_gives_the_same_bytes(analyst: Analyst, job_of: Any, excerpt: Path) -> None:
    first, second = (analyst.analyse(job_of(excerpt)) for _ in range(2))
    assert lines(first) == lines(second)
    assert msgspec.msgpack.encode(first) == msgspec.msgpack.encode(second)
    assert len(first.utterances) == 3


@pytest.mark.parametrize("block_ms", [20, 333, 60_000])
def test_however_it_is_cut_the_bytes_are_the_same(  # noqa: PLR0917 - fixtures
    analyst: Analyst, job_of: Any, excerpt: Path, analysed: Analysed, monkeypatch: pytest.MonkeyPatch, block_ms: int
) -> None:
    monkeypatch.setattr(analysis, "BLOCK_MS", block_ms)
    assert lines(analyst.analyse(job_of(excerpt))) == lines(analysed)


def test_another_name_place_or_content_gives_other_ids_and_the_same_verdicts(  # noqa: PLR0917 - fixtures
    analyst: Analyst, job_of: Any, excerpt: Path, samples: np.ndarray, analysed: Analysed, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere.wav"
    copy.write_bytes(excerpt.read_bytes())
    assert lines(analyst.analyse(job_of(copy))) == lines(analysed), "where it lies is no part of it"
    soundfile.write(tmp_path / "same.flac", samples, 8000)
    for other in (analyst.analyse(job_of(excerpt, name="CA2")), analyst.analyse(job_of(tmp_path / "same.flac"))):
        assert essence(other) == essence(analysed)
        assert not {one.id for one in other.utterances} & {one.id for one in analysed.utterances}


def test_two_files_of_the_parties_give_what_the_file_of_both_gives(
    analyst: Analyst, job_of: Any, samples: np.ndarray, analysed: Analysed, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a_caller.wav", samples[:, 0], 8000)
    soundfile.write(tmp_path / "a_agent.flac", samples[:, 1], 8000)
    job = job_of(tmp_path / "a_caller.wav", tmp_path / "a_agent.flac", roles=("customer", "agent"))
    pair = analyst.analyse(job)
    assert essence(pair) == essence(analysed)
    assert pair.ended.data.speakers == analysed.ended.data.speakers
    assert pair.levels == analysed.levels


def test_only_those_are_judged_whom_the_configuration_names(
    model: EmotionModel, analyst: Analyst, job_of: Any, excerpt: Path
) -> None:
    swapped = analyst.analyse(job_of(excerpt, row=Row(roles=("agent", "customer"))))
    assert {one.data.speaker.channel for one in swapped.utterances} == {1}
    both = with_settings(model, EmotionSettings(analyse=(Role.CUSTOMER, Role.AGENT), lawful_basis="agreed"))
    assert {one.data.speaker.role for one in both.analyse(job_of(excerpt)).utterances} == {"customer", "agent"}


def test_nothing_is_judged_without_the_notice_that_is_required(
    model: EmotionModel, job_of: Any, excerpt: Path, analysed: Analysed
) -> None:
    strict = EmotionSettings(require_notice=True)
    untold = with_settings(model, strict).analyse(job_of(excerpt))
    assert (untold.utterances, untold.notice) == ((), False)
    assert untold.ended.data.speakers[0].talk_ms == analysed.ended.data.speakers[0].talk_ms
    assert essence(with_settings(model, strict, notice=True).analyse(job_of(excerpt))) == essence(analysed)
    assert essence(with_settings(model, strict).analyse(job_of(excerpt, row=Row(notice=True)))) == essence(analysed)
    assert not with_settings(model, strict, notice=True).analyse(job_of(excerpt, row=Row(notice=False))).utterances


def test_partial_verdicts_are_left_out_and_change_nothing(
    model: EmotionModel, job_of: Any, excerpt: Path, analysed: Analysed
) -> None:
    live = with_settings(model, EmotionSettings(partial_every_ms=500))
    assert lines(live.analyse(job_of(excerpt))) == lines(analysed)


def test_the_beginning_is_what_the_table_says_and_nothing_else(
    analyst: Analyst, job_of: Any, excerpt: Path, analysed: Analysed
) -> None:
    assert analysed.utterances[0].time.startswith("1970-01-01T00:00:0")
    said = analyst.analyse(job_of(excerpt, row=Row(started_s=1795338900.0)))
    end_ms = said.utterances[0].data.utterance.end_ms
    assert said.utterances[0].time == f"2026-11-22T09:15:0{end_ms / 1000:.3f}Z"
    assert said.ended.time == "2026-11-22T09:15:21.000Z"


def test_numbers_in_what_the_table_says_become_pseudonyms(
    model: EmotionModel, ways: Ways, analyst: Analyst, job_of: Any, excerpt: Path
) -> None:
    row = Row(labels={"caller": "+49 30 1234567"})
    job = job_of(excerpt, name="0301234567", row=row)
    unsalted = analyst.analyse(job)
    assert b"1234567" not in b"".join(lines(unsalted))
    assert unsalted.ended.data.call.labels["caller"].startswith("n-")
    salted = Analyst(Settings(node="any"), model, ways, tenant_salt("secret")).analyse(job)
    assert salted.ended.data.call.id == topic_safe("0301234567", tenant_salt("secret"))
    assert salted.ended.data.call.id != unsalted.ended.data.call.id


def test_what_the_model_fails_on_is_counted_and_never_made_up(
    analyst: Analyst, job_of: Any, excerpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, calls = analyst._model.judge, iter(range(9))

    def failing(*given: Any) -> Any:
        if next(calls) == 1:
            raise ModelError("no")
        return judge(*given)

    monkeypatch.setattr(analyst._model, "judge", failing)
    result = analyst.analyse(job_of(excerpt))
    assert [one.data.utterance.n for one in result.utterances] == [1, 3]
    assert result.not_judged == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("gone.wav", None, "there is no file"), ("a.wav", b"<html>", "text in HTML"), ("a.ulaw", b"", "")],
)
def test_a_recording_that_cannot_be_read_is_one_line(  # noqa: PLR0917 - as above
    analyst: Analyst, job_of: Any, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NotAnalysedError) as caught:
        analyst.analyse(job_of(tmp_path / name))
    assert words in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_such_a_call_is_one_line(analyst: Analyst, job_of: Any, excerpt: Path) -> None:
    for row in (Row(roles=("customer",)), Row(labels={"a": "x" * 300})):
        with pytest.raises(NotAnalysedError) as caught:
            analyst.analyse(job_of(excerpt, row=row))
        assert str(excerpt) in str(caught.value)
