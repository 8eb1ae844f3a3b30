"""A call: what is judged and what never is, the events it makes, and the promises to the people on the line."""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from streamer_client.events import CallRef, PartialEvent, UtteranceEvent, decode, encode

from streamer.call import Call, Identity
from streamer.config import Settings, load
from streamer.emotion.batcher import Judged
from streamer.emotion.model import EmotionModel, Verdict, locate
from streamer.emotion.model import load as load_model
from streamer.leg import Heard
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
def model() -> EmotionModel:
    return load_model(locate("telephone"))


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
