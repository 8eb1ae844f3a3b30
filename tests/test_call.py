"""A call: what is judged and what never is, the events it makes, and the promises to the people on the line."""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st
from numpy.typing import NDArray
from streamer_client.events import CallRef, PartialEvent, UtteranceEvent, decode, encode

from streamer.call import Call, Identity
from streamer.config import Settings, load
from streamer.emotion.batcher import Judged
from streamer.emotion.model import EmotionModel, Verdict
from streamer.heard import Heard
from streamer.part import Part
from streamer.wire.events import (
    Audio,
    Encoding,
    Fault,
    Gap,
    Missing,
    Notice,
    Pause,
    Resume,
    Role,
    Start,
    Stop,
    Withdraw,
)

IDENTITY = Identity(call=CallRef(id="CA1", tenant="acme", dialect="native"), session_id="S1", source="/nodes/n1")
BOTH = (Role.CUSTOMER, Role.AGENT)
NOW_S = 1_800_000_000.0


@pytest.fixture(scope="module")
def spoken() -> NDArray[np.int16]:
    """Half a minute of the demo call, int16[samples, 2]."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return soundfile.read(path, dtype="int16", frames=30 * 8000)[0]


def call(model: EmotionModel, *, settings: Settings | None = None, **start: Any) -> Call:
    begun = Start(**{"call_id": "CA1", "roles": BOTH, "encoding": Encoding.PCM_S16LE, "rate_hz": 8000, **start})
    return Call(begun, IDENTITY, settings=settings or load(None, {}, {}), model=model, now_s=NOW_S)


def configured(**flags: Any) -> Settings:
    return load(None, {}, {key.replace("__", "."): value for key, value in flags.items()})


def play(one: Call, spoken: NDArray[np.int16], *, begin_s: float = 0, end_s: float = 1e9, now_s: float = 0) -> list:
    heard: list = []
    stretch = spoken[int(begin_s * 8000) : int(min(end_s * 8000, len(spoken)))]
    for at in range(0, len(stretch), 800):
        for channel in range(len(one.legs)):
            side = np.ascontiguousarray(stretch[at : at + 800, channel])
            heard += one.receive(Audio(channel, side.tobytes()), now_s)
    return heard


def judged(top: str = "angry", confidence: float = 0.8, *, uncertain: bool = False) -> Judged:
    scores = {"angry": confidence, "neutral": round(1 - confidence, 4)}
    return Judged(Verdict(top, confidence, uncertain, scores), queue_ms=1.26, compute_ms=2.94)


def test_only_the_customer_is_heard_unless_configured(model, spoken) -> None:
    one = call(model)
    heard = play(one, spoken) + one.finish()
    assert {each.role for each in heard} == {Role.CUSTOMER}
    assert one.analysed == ("customer",)
    both = call(model, settings=configured(emotion__analyse=["customer", "agent"], emotion__lawful_basis="consent"))
    heard = play(both, spoken) + both.finish()
    assert {each.role for each in heard} == {Role.CUSTOMER, Role.AGENT}
    assert both.analysed == ("customer", "agent")
    assert both.state(NOW_S).data.lawful_basis == "consent"


def test_the_event_of_an_utterance_says_what_the_contract_says(model, spoken) -> None:
    one = call(model)
    heard = (play(one, spoken) + one.finish())[1]
    event = one.conclude(heard, judged(), NOW_S + 60)
    assert isinstance(event, UtteranceEvent)
    assert decode(encode(event)) == event
    assert event.subject == "CA1/customer/2"
    assert event.sequence == "0000000002"
    assert event.source == "/nodes/n1"
    data = event.data
    assert (data.utterance.n, data.utterance.start_ms, data.utterance.end_ms) == (2, heard.start_ms, heard.end_ms)
    assert data.emotion.top == "angry"
    assert (data.latency.hangover_ms, data.latency.queue_ms, data.latency.compute_ms) == (400, 1.3, 2.9)
    assert data.model.sha256 == model.card.sha256
    assert data.speaker.channel == 0
    assert msgspec.json.decode(encode(event))["data"]["utterance"]["cut"] == heard.cut


def test_ids_depend_on_the_session_and_the_utterance_and_on_nothing_else(model, spoken) -> None:
    def ids(session_id: str) -> list[str]:
        one = call(model)
        one.identity = Identity(call=IDENTITY.call, session_id=session_id, source=IDENTITY.source)
        events = [one.conclude(heard, judged(), NOW_S + 99) for heard in play(one, spoken) + one.finish()]
        return [event.id for event in events if event is not None]

    assert ids("S1") == ids("S1")
    assert len(set(ids("S1"))) == len(ids("S1")) > 1
    assert not set(ids("S1")) & set(ids("S2"))


def test_an_event_is_stamped_with_the_end_of_the_utterance_but_never_with_a_time_to_come(model, spoken) -> None:
    one = call(model)
    heard = (play(one, spoken) + one.finish())[0]
    live = one.conclude(heard, judged(), NOW_S + 60)
    replayed = one.conclude(heard, judged(), NOW_S + 0.5)
    assert live is not None
    assert replayed is not None
    assert live.time == f"2027-01-15T08:00:{heard.end_ms / 1000:06.3f}Z"
    assert replayed.time == "2027-01-15T08:00:00.500Z"


def test_nothing_said_before_a_required_notice_is_judged(model, spoken) -> None:
    strict = configured(emotion__require_notice=True)
    one = call(model, settings=strict)
    before = play(one, spoken, end_s=17)  # in the middle of the second utterance
    one.receive(Notice(), 0)
    after = play(one, spoken, begin_s=17) + one.finish()
    told = call(model, settings=strict, notice=True)
    all_of_it = play(told, spoken) + told.finish()
    assert before == []
    assert [each.start_ms for each in after] == [each.start_ms for each in all_of_it if each.start_ms > 17_000]
    assert after
    assert one.notice


def test_where_no_notice_is_required_it_changes_nothing_but_the_state(model, spoken) -> None:
    one = call(model)
    assert not one.state(NOW_S).data.notice
    heard = play(one, spoken, end_s=7)
    one.receive(Notice(), 0)
    one.receive(Notice(), 0)
    heard += play(one, spoken, begin_s=7) + one.finish()
    assert len(heard) == len([*play(whole := call(model), spoken), *whole.finish()])
    assert one.state(NOW_S).data.notice


def test_an_objection_ends_everything_at_once(model, spoken) -> None:
    one = call(model)
    heard = play(one, spoken, end_s=12)
    assert heard
    one.receive(Withdraw(), 0)
    assert one.withdrawn
    assert one.conclude(heard[0], judged(), NOW_S) is None
    assert play(one, spoken, begin_s=12) == []
    assert one.finish() == []


def test_partials_come_before_the_utterance_they_belong_to(model, spoken) -> None:
    one = call(model, settings=configured(emotion__partial_every_ms=1000))
    events = [one.conclude(heard, judged(), NOW_S) for heard in play(one, spoken) + one.finish()]
    sequences = [event.sequence for event in events if event is not None]
    assert sequences == sorted(sequences)
    partials = [event for event in events if isinstance(event, PartialEvent)]
    assert partials
    assert len({event.id for event in events if event is not None}) == len(events)
    assert all(partial.data.utterance.cut is None for partial in partials)
    assert one.utterances == len(events) - len(partials)


def test_the_summary_tells_of_both_parties_what_is_lawful_of_both(model, spoken) -> None:
    one = call(model)
    heard = play(one, spoken) + one.finish()
    for each, verdict in zip(
        heard, [judged("angry"), judged("sad", uncertain=True)] + [judged("angry")] * 9, strict=False
    ):
        one.conclude(each, verdict, NOW_S)
    ended = one.summary("stop", NOW_S + 30).data
    customer, agent = ended.speakers
    assert ended.reason == "stop"
    assert ended.duration_ms == 30_000
    assert ended.utterances == len(heard)
    assert customer.emotions == {"angry": len(heard) - 1}
    assert agent.emotions == {}
    assert not agent.analysed
    assert agent.utterances > 0
    for speaker in ended.speakers:
        assert 3000 < speaker.talk_ms < 25_000
        assert speaker.talk_ms + speaker.silence_ms == 30_000
        assert speaker.loudness_dbfs is not None
        assert -40 < speaker.loudness_dbfs < -5
        assert speaker.syllables_per_s is not None
    assert ended.overlap_ms == 0


def test_speaking_at_once_is_counted(model, spoken) -> None:
    at_once = np.stack([spoken[:, 0], spoken[:, 0]], axis=1)
    one = call(model)
    play(one, at_once)
    one.finish()
    ended = one.summary("stop", NOW_S).data
    assert ended.overlap_ms == ended.speakers[0].talk_ms > 0


def test_two_channels_of_one_role_never_share_a_number(model, spoken) -> None:
    one = call(model, roles=(Role.CUSTOMER, Role.CUSTOMER))
    heard = play(one, spoken) + one.finish()
    assert sorted(each.n for each in heard) == list(range(1, len(heard) + 1))
    events = [one.conclude(each, judged(), NOW_S) for each in heard]
    assert len({event.id for event in events if event is not None}) == len(heard)


def test_a_gap_is_a_gap_on_every_channel(model, spoken) -> None:
    one = call(model)
    play(one, spoken, end_s=2)
    assert one.receive(Gap(5000), 0) == []
    assert [leg.position_ms for leg in one.legs] == [7000, 7000]


def test_missing_messages_are_counted_and_pauses_known(model) -> None:
    one = call(model)
    for event in (Missing(3), Missing(-1), Pause()):
        assert one.receive(event, 0) == []
    assert one.missing_messages == 2
    assert one.paused
    one.receive(Resume(), 0)
    assert not one.paused
    assert one.receive(Stop(), 0) == []


@pytest.mark.parametrize(
    ("speed", "has_clock", "refused"), [(1.0, False, True), (2.0, False, False), (1.0, True, False)]
)
def test_a_live_sender_whose_rate_cannot_be_true_is_refused(model, speed, has_clock, refused: bool) -> None:
    one = call(model, rate_hz=16000, roles=(Role.CUSTOMER,), speed=speed, has_media_clock=has_clock)
    found: list[Heard | Fault] = []
    for second in range(14):  # half as many samples as declared
        found += one.receive(Audio(0, bytes(16000)), float(second))
    faults = [each for each in found if isinstance(each, Fault)]
    assert bool(faults) is refused
    if refused:
        assert faults[0].code == "sample_rate_mismatch"
        assert "16000" in faults[0].message
        assert "8000" in faults[0].message


def of_parts(model: EmotionModel, *, settings: Settings | None = None, **start: Any) -> Call:
    return call(model, settings=settings, **{"roles": (Role.CUSTOMER,), "is_part": True, **start})


def joining(one: Call, role: Role = Role.AGENT, **more: Any) -> Part:
    return one.join(msgspec.structs.replace(one.first.start, roles=(role,), **more))


def speak(one: Call, part: Part, samples: NDArray[np.int16], now_s: float = 0) -> list:
    heard: list = []
    for at in range(0, len(samples), 800):
        heard += one.receive(Audio(0, samples[at : at + 800].tobytes()), now_s, part)
    return heard


def place(heard: Heard) -> tuple:
    return (heard.role, heard.channel, heard.n, heard.start_ms, heard.end_ms, heard.cut, heard.features.tobytes())


@pytest.fixture(scope="module")
def on_one_stream(model, spoken) -> tuple[list[tuple], Any]:
    """What a stream of two channels gives: its utterances and its summary."""
    both = call(model, settings=configured(emotion__analyse=["customer", "agent"], emotion__lawful_basis="consent"))
    heard = play(both, spoken) + both.finish()
    return sorted(map(place, heard)), both.summary("stop", NOW_S)


@tries(max_examples=8, deadline=None)
@given(turns=st.lists(st.tuples(st.booleans(), st.integers(1, 40_000)), max_size=30))
def test_parts_give_what_one_stream_gives_in_whichever_turns_their_audio_comes(
    model, spoken, on_one_stream, turns: list[tuple[bool, int]]
) -> None:
    one = of_parts(model, settings=configured(emotion__analyse=["customer", "agent"], emotion__lawful_basis="consent"))
    parts = (one.first, joining(one))
    done, heard = [0, 0], []
    for second, length in [*turns, (False, len(spoken)), (True, len(spoken))]:
        samples = np.ascontiguousarray(spoken[done[second] : done[second] + length, int(second)])
        heard += one.receive(Audio(0, samples.tobytes()), 0, parts[second])
        done[second] += len(samples)
    for part in parts:
        heard += one.leave(part)
    utterances, summary = on_one_stream
    assert sorted(map(place, heard)) == utterances
    assert one.summary("stop", NOW_S) == summary


def test_speaking_at_once_is_counted_across_parts_one_of_which_joins_later(model, spoken) -> None:
    one = of_parts(model)
    samples = np.ascontiguousarray(spoken[:, 0])
    speak(one, one.first, samples[: 10 * 8000])
    other = joining(one)
    speak(one, other, samples[10 * 8000 :], now_s=10)
    speak(one, one.first, samples[10 * 8000 :], now_s=10)
    one.finish()
    summary = one.summary("stop", NOW_S).data
    assert summary.duration_ms == 30_000
    assert summary.overlap_ms > 0
    assert summary.overlap_ms == pytest.approx(summary.speakers[1].talk_ms, abs=200)
    speak(one, joining(one, Role.UNKNOWN), samples)
    assert one.summary("stop", NOW_S).data.overlap_ms == 0, "with more parties there is no such figure"


def test_one_that_comes_back_goes_on_with_its_numbers_its_caller_and_its_clock(model, spoken) -> None:
    samples = np.ascontiguousarray(spoken[:, 0])
    one = of_parts(model)
    before = speak(one, one.first, samples[: 15 * 8000]) + one.leave(one.first)
    again = joining(one, Role.CUSTOMER)
    after = speak(one, again, samples[15 * 8000 :], now_s=18) + one.leave(again)
    assert before
    assert after
    assert one.leave(again) == []
    assert [each.n for each in before + after] == list(range(1, len(before + after) + 1))
    assert len({id(each.caller) for each in before + after}) == 1
    assert after[0].start_ms >= 18_000
    events = [one.conclude(each, judged(), NOW_S) for each in before + after]
    assert len({event.id for event in events if event is not None}) == len(events)
    (speaker,) = one.summary("stop", NOW_S).data.speakers
    assert (speaker.utterances, speaker.lost_ms) == (len(events), 3000)


@pytest.mark.parametrize("change", [{}, {"encoding": Encoding.PCMU}, {"rate_hz": 16_000}])
def test_one_of_a_role_that_is_there_or_of_another_format_is_a_leg_of_its_own(model, spoken, change) -> None:
    one = of_parts(model)
    heard = speak(one, one.first, np.ascontiguousarray(spoken[:, 0]))
    if change:
        heard += one.leave(one.first)
    second = joining(one, Role.CUSTOMER, **change)
    assert second.legs[0] is not one.first.legs[0]
    heard += speak(one, second, np.ascontiguousarray(spoken[:, 0])) + one.finish()
    assert [leg.channel for leg in one.legs] == [0, 1]
    assert sorted(each.n for each in heard) == list(range(1, len(heard) + 1))


def test_a_notice_on_a_part_and_an_objection_on_a_part_are_those_of_the_call(model, spoken) -> None:
    strict = configured(emotion__require_notice=True)
    one = of_parts(model, settings=strict)
    samples = np.ascontiguousarray(spoken[:, 0])
    assert speak(one, one.first, samples[: 10 * 8000]) == []
    revision = one.revision
    other = joining(one, notice=True)
    assert one.notice
    assert one.revision > revision
    assert speak(one, one.first, samples[10 * 8000 :])
    one.receive(Withdraw(), 0, other)
    assert speak(one, one.first, samples) == one.finish() == []
    assert speak(one, joining(one, Role.CUSTOMER), samples) == []


def test_a_pause_is_one_of_a_part_and_ends_with_it(model) -> None:
    one = of_parts(model)
    other = joining(one)
    one.receive(Pause(), 0, other)
    assert one.paused
    assert not one.first.paused
    one.leave(other)
    assert not one.paused


def test_the_rate_of_each_part_is_held_against_its_own_arrivals(model) -> None:
    one = of_parts(model, rate_hz=16_000)
    right = joining(one)
    faults: list[Any] = []
    for second in range(14):
        one.receive(Audio(0, bytes(32_000)), float(second), right)
        faults += one.receive(Audio(0, bytes(16_000)), float(second), one.first)
    assert {fault.code for fault in faults} == {"sample_rate_mismatch"}


def test_labels_of_a_part_are_added_and_change_none(model) -> None:
    one = of_parts(model)
    one.add_labels({"queue": "billing"})
    told = one.revision
    one.add_labels({"queue": "other"})
    assert one.identity.call.labels == {"queue": "billing"}
    assert one.revision == told
    assert one.state(NOW_S).data.call.labels == {"queue": "billing"}


def test_a_state_that_is_told_anew_has_an_id_of_its_own(model) -> None:
    one = of_parts(model)
    first = one.state(NOW_S)
    joining(one)
    second = one.state(NOW_S)
    assert first.id != second.id
    assert second.data.roles == ("customer", "agent")
