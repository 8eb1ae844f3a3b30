"""The books of the chaos experiment: whatever is lost, doubled or disordered stands in them."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.events import (
    CallRef,
    Cut,
    Emotion,
    EndedData,
    EndedEvent,
    Latency,
    ModelRef,
    Quality,
    Speaker,
    SpeakerSummary,
    Utterance,
    UtteranceData,
    UtteranceEvent,
)

from benchmarks.ledger import Ledger

Said = UtteranceEvent | EndedEvent


def utterance(call: str, n: int, *, stream: int = 1, role: str = "customer", again: str = "") -> UtteranceEvent:
    """Return the n-th utterance of a stream of a call; its time grows with both."""
    return UtteranceEvent(
        id=f"{call}.{stream}.{role}.{n}{again}",
        source="/nodes/node-1",
        subject=f"{call}/{role}/{n}",
        time=f"2026-11-22T10:{stream:02d}:{n:02d}.000Z",
        sequence=f"{n:010d}",
        data=UtteranceData(
            call=CallRef(call),
            speaker=Speaker(role, 0),
            utterance=Utterance(n, 0, 1000, 900, Cut.SILENCE),
            emotion=Emotion("neutral", 0.9, uncertain=False, scores={"neutral": 0.9}),
            quality=Quality(20.0, 0.0, 0),
            model=ModelRef("telephone", "1", ""),
            latency=Latency(400, 0.0, 0.0),
        ),
    )


def speaker(count: int) -> SpeakerSummary:
    """Return the part of a summary that counts a role's utterances."""
    return SpeakerSummary(
        role="customer",
        channel=0,
        analysed=True,
        utterances=count,
        talk_ms=1000,
        silence_ms=0,
        loudness_dbfs=None,
        syllables_per_s=None,
        lost_ms=0,
    )


def ended(call: str, count: int, *, stream: int = 1) -> EndedEvent:
    """Return the summary of a stream of a call with one role."""
    return EndedEvent(
        id=f"{call}.{stream}.ended",
        source="/nodes/node-1",
        subject=call,
        time=f"2026-11-22T10:{stream:02d}:59.000Z",
        data=EndedData(
            CallRef(call),
            9000,
            count,
            0,
            "stop",
            (
                SpeakerSummary(
                    "customer",
                    0,
                    analysed=True,
                    utterances=count,
                    talk_ms=1000,
                    silence_ms=0,
                    loudness_dbfs=None,
                    syllables_per_s=None,
                    lost_ms=0,
                ),
            ),
        ),
    )


def stream(call: str, count: int, *, number: int = 1, whole: bool = True) -> list[Said]:
    """Return what a stream leaves; one that was broken off has no summary."""
    said: list[Said] = [utterance(call, n, stream=number) for n in range(1, count + 1)]
    return [*said, ended(call, count, stream=number)] if whole else said


def books(*streams: list[Said]) -> Ledger:
    """Return books in which all of these were promised and nothing has come yet."""
    ledger = Ledger()
    for one in streams:
        ledger.opened[one[0].data.call.id] += 1
        for event in one:
            ledger.told(event)
    return ledger


CALLS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.integers(1, 6), min_size=1, max_size=3), min_size=1
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[list[Said]], list[Said]]:
    """Return streams of some calls, all but each call's last broken off, and one way in which all of it may come."""
    lines = []
    streams = []
    for call, counts in draw(CALLS).items():
        parts = [
            stream(call, count, number=number, whole=number == len(counts)) for number, count in enumerate(counts, 1)
        ]
        streams += parts
        lines.append([event for part in parts for event in part])
    heard = []
    while any(lines):
        heard.append(draw(st.sampled_from([line for line in lines if line])).pop(0))
    return streams, heard


@given(stories())
def test_whatever_comes_once_and_in_order_of_its_call_is_well(story: tuple[list[list[Said]], list[Said]]) -> None:
    streams, heard = story
    ledger = books(*streams)
    for event in heard:
        ledger.came(event)
    assert not ledger.faults()
    assert ledger.missing() == []
    assert ledger.utterances == sum(isinstance(event, UtteranceEvent) for event in heard)


@given(stories(), st.data())
def test_one_event_that_does_not_come_is_lost(story: tuple[list[list[Said]], list[Said]], data: st.DataObject) -> None:
    streams, heard = story
    gone = data.draw(st.sampled_from(heard))
    ledger = books(*streams)
    for event in heard:
        if event is not gone:
            ledger.came(event)
    assert ledger.faults().lost == (gone.id,)


@given(stories(), st.data())
def test_one_event_that_comes_again_is_seen(story: tuple[list[list[Said]], list[Said]], data: st.DataObject) -> None:
    streams, heard = story
    ledger = books(*streams)
    again = data.draw(st.integers(0, len(heard) - 1))
    for event in [*heard, heard[again]]:
        ledger.came(event)
    assert len(ledger.faults().twice) == 1


def test_the_same_utterance_under_another_id_is_a_duplicate() -> None:
    ledger = books(stream("a", 2))
    for event in (utterance("a", 1), utterance("a", 1, again="-bis"), utterance("a", 2), ended("a", 2)):
        ledger.came(event)
    assert len(ledger.faults().twice) == 1


def test_a_number_that_is_left_out_is_a_loss_though_nobody_was_told_of_it() -> None:
    ledger = Ledger()
    ledger.opened["a"] = 1
    for event in (utterance("a", 1), utterance("a", 3), ended("a", 3)):
        ledger.came(event)
    faults = ledger.faults()
    assert len(faults.left_out) == 1
    assert faults.lost == ()


def test_a_last_number_that_is_left_out_shows_in_the_summary() -> None:
    ledger = Ledger()
    ledger.opened["a"] = 1
    for event in (utterance("a", 1), ended("a", 2)):
        ledger.came(event)
    assert len(ledger.faults().miscounted) == 1


def test_what_comes_behind_a_greater_number_is_out_of_order() -> None:
    ledger = books(stream("a", 3))
    for event in (utterance("a", 1), utterance("a", 3), utterance("a", 2), ended("a", 3)):
        ledger.came(event)
    assert ledger.faults().out_of_order


def test_more_streams_than_the_caller_opened_are_out_of_order() -> None:
    ledger = books(stream("a", 1))
    for event in (utterance("a", 1), utterance("a", 1, stream=2)):
        ledger.came(event)
    assert ledger.faults().out_of_order


def test_an_old_stream_behind_a_new_one_is_out_of_order() -> None:
    ledger = books(stream("a", 1, whole=False), stream("a", 1, number=2))
    for event in (utterance("a", 1, stream=2), utterance("a", 1, stream=1)):
        ledger.came(event)
    assert ledger.faults().out_of_order


def test_what_stood_in_an_outbox_must_come_too() -> None:
    ledger = Ledger()
    ledger.stored(["one", "two"])
    assert ledger.faults().lost == ("one", "two")
    assert set(ledger.promised.values()) == {"outbox"}


def test_a_summary_must_come_behind_what_it_counts() -> None:
    ledger = books(stream("a", 2))
    for event in (utterance("a", 1), ended("a", 2), utterance("a", 2)):
        ledger.came(event)
    assert len(ledger.faults().miscounted) == 1


def test_a_call_whose_end_was_told_must_have_its_summary() -> None:
    ledger = books(stream("a", 1, whole=False))
    ledger.came(utterance("a", 1))
    ledger.told_ended("a")
    assert ledger.faults().lost == ("summary of a",)
    ledger.came(ended("a", 1))
    assert not ledger.faults()


def test_a_stream_that_comes_back_before_the_old_one_is_over_may_overlap_with_it() -> None:
    ledger = Ledger()
    ledger.opened["c"] = 2
    for event in (
        utterance("c", 1),
        utterance("c", 2),
        utterance("c", 1, stream=2),
        utterance("c", 3, again="-late"),
        ended("c", 3),
        utterance("c", 2, stream=3),
        ended("c", 2, stream=2),
    ):
        ledger.came(event)
    faults = ledger.faults()
    assert (faults.left_out, faults.miscounted, faults.twice) == ((), (), ())


def test_a_number_that_follows_on_in_no_stream_is_a_fault_and_so_is_a_count_that_none_has() -> None:
    ledger = Ledger()
    ledger.opened["c"] = 2
    for event in (utterance("c", 1), utterance("c", 1, stream=2), utterance("c", 3, stream=2), ended("c", 2)):
        ledger.came(event)
    faults = ledger.faults()
    assert len(faults.left_out) == 1
    assert len(faults.miscounted) == 1


def test_what_another_node_says_of_a_call_is_counted_by_itself() -> None:
    ledger = Ledger()
    ledger.opened["c"] = 2
    elsewhere = [
        msgspec.structs.replace(event, source="/nodes/node-2")
        for event in (utterance("c", 1, stream=2), ended("c", 1, stream=2))
    ]
    for event in (utterance("c", 1), *elsewhere, utterance("c", 2), ended("c", 2)):
        ledger.came(event)
    assert not ledger.faults()
