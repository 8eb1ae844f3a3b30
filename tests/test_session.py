"""One stream, from its first message to its close, with a peer made of a list and everything else real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from importlib import resources
from typing import Any

import numpy as np
import pytest
import soundfile
from streamer_client.events import StateEvent
from structlog.testing import capture_logs

from streamer.auth import Pass
from streamer.bus.outbox import OutboxError
from streamer.call import Call
from streamer.config import SpeechSettings
from streamer.emotion.batcher import Batcher, Judged
from streamer.emotion.model import EmotionModel, ModelError
from streamer.features import RunningNormaliser
from streamer.leg import Leg
from streamer.load.shedding import Level
from streamer.session import DRAINING, Session
from streamer.wire.events import Audio, Encoding, Fault, Message, Role, WireEvent
from streamer.wire.native import Native
from streamer.wire.twilio import Twilio
from tests.streams import (
    ADMITTED,
    STOP,
    Clock,
    ListPeer,
    LivePeer,
    NativePart,
    PeerCloses,
    gauge,
    pending,
    start,
)


class Unhurried(ListPeer):
    """A peer that says the next thing when all before is judged: slow, as life is to a computer."""

    def __init__(self, says: Iterable[Message], batcher: Batcher, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(says)
        self._judging: list[asyncio.Future[Judged]] = []
        real = batcher.submit

        def submit(features: np.ndarray, caller: RunningNormaliser, *, final: bool) -> asyncio.Future[Judged]:
            self._judging.append(real(features, caller, final=final))
            return self._judging[-1]

        monkeypatch.setattr(batcher, "submit", submit)

    async def messages(self) -> AsyncIterator[Message]:
        async for message in super().messages():
            if self._judging:
                await asyncio.wait(self._judging)
            yield message


@pytest.fixture(scope="module")
def spoken() -> bytes:
    """Half a minute of the demo call, interleaved."""
    with resources.as_file(resources.files("streamer.demo") / "call.flac") as path:
        return soundfile.read(path, dtype="int16", frames=30 * 8000)[0].tobytes()


async def test_a_call_from_start_to_ended(services, spoken) -> None:
    its = await services()
    peer = ListPeer([start(), spoken, STOP])
    await Session(peer, Native(), ADMITTED, its).run()
    events = [message["event"] for message in peer.heard if message["type"] == "event"]
    assert peer.kinds() == ["ready", *["event"] * len(events), "ended"]
    assert peer.heard[0]["analysed"] == ["customer"]
    assert peer.heard[-1]["utterances"] == len(events) >= 2
    assert peer.closed == (1000, "")
    waiting = await pending(its)
    assert waiting[: len(events)] == [("utterance", event["id"]) for event in events]
    assert [kind for kind, _ in waiting[len(events) :]] == ["ended", "clear"]
    assert gauge(its, "calls_active", dialect="native") == 0
    assert gauge(its, "calls_total", dialect="native", outcome="stop") == 1
    assert gauge(its, "audio_seconds_total") == pytest.approx(60)
    assert its.admission.active == 0


async def test_the_cut_of_the_messages_changes_nothing(services, spoken) -> None:
    def facts(peer: ListPeer) -> list[Any]:
        return [message["event"]["data"] | {"latency": 0} for message in peer.heard if message["type"] == "event"]

    its = await services()
    found = []
    for size in (len(spoken), 640, 33_333):
        pieces = [spoken[at : at + size] for at in range(0, len(spoken), size)]
        peer = ListPeer([start(), *pieces, STOP])
        await Session(peer, Native(), ADMITTED, its).run()
        found.append(facts(peer))
    assert found[0] == found[1] == found[2]


def verdicts(peer: ListPeer) -> list[tuple[int, dict[str, float]]]:
    """Number and scores of the final verdicts that a peer was told."""
    events = [message["event"] for message in peer.heard if message["type"] == "event"]
    finals = [event["data"] for event in events if event["type"] == "emotion-streamer.utterance.v1"]
    return [(data["utterance"]["n"], data["emotion"]["scores"]) for data in finals]


def by_hand(model: EmotionModel, spoken: bytes) -> list[tuple[int, dict[str, float]]]:
    """What the customer's verdicts must be: one after the other, each remembered before the next is judged."""
    customer = np.frombuffer(spoken, np.int16)[::2]
    leg = Leg(Role.CUSTOMER, 0, encoding=Encoding.PCM_S16LE, rate_hz=8000, speech=SpeechSettings(), model=model)
    expected = []
    caller = model.new_normaliser()
    for heard in leg.receive(Audio(0, customer.tobytes())) + leg.finish():
        judgement = model.judge(heard.features, caller)
        caller.remember(judgement.moments)
        expected.append((heard.n, judgement.verdict.scores))
    return expected


@pytest.mark.parametrize("partial_every_ms", [0, 300], ids=["finals only", "with partials"])
@pytest.mark.parametrize("pace", ["at once", "as in life"])
async def test_verdicts_stand_on_what_the_caller_finished_before_at_any_pace(
    services, spoken, model, monkeypatch, *, partial_every_ms: int, pace: str
) -> None:
    its = await services(emotion__partial_every_ms=partial_every_ms)
    if pace == "at once":
        peer = ListPeer([start(), spoken, STOP])
    else:
        pieces = [spoken[at : at + 640] for at in range(0, len(spoken), 640)]
        peer = Unhurried([start(), *pieces, STOP], its.batcher, monkeypatch)
    await Session(peer, Native(), ADMITTED, its).run()
    expected = by_hand(model, spoken)
    assert len(expected) >= 3
    assert verdicts(peer) == expected
    assert ("emotion-streamer.partial.v1" in str(peer.heard)) is bool(partial_every_ms)


async def test_a_peer_that_disappears_leaves_its_last_words_on_the_bus(services, spoken) -> None:
    its = await services()
    peer = ListPeer([start(), spoken[: 7 * 32_000]])
    await Session(peer, Native(), ADMITTED, its).run()
    kinds = [kind for kind, _ in await pending(its)]
    assert kinds == ["utterance"] * (len(kinds) - 2) + ["ended", "clear"]
    assert "utterance" in kinds
    assert peer.closed is None
    assert gauge(its, "calls_total", dialect="native", outcome="disconnected") == 1


async def test_a_fault_is_told_and_the_call_accounted_for(services, spoken) -> None:
    its = await services()
    peer = ListPeer([start(), spoken, start(), "never read"])
    await Session(peer, Native(), ADMITTED, its).run()
    assert peer.heard[-1]["type"] == "error"
    assert peer.heard[-1]["code"] == "start_twice"
    assert peer.closed is not None
    assert peer.closed[0] == 1008
    assert [kind for kind, _ in await pending(its)][-2:] == ["ended", "clear"]
    assert gauge(its, "protocol_faults_total", code="start_twice") == 1


async def test_audio_before_start_is_a_fault_without_a_call(services) -> None:
    its = await services()
    peer = ListPeer([b"\0\0"])
    await Session(peer, Native(), ADMITTED, its).run()
    assert peer.kinds() == ["error"]
    assert await pending(its) == []


async def test_full_and_draining_are_said_with_their_close_codes(services, spoken) -> None:
    its = await services(max_calls=1)
    first = ListPeer([start(), spoken], stays=True)
    running = asyncio.create_task(Session(first, Native(), ADMITTED, its).run())
    await first.until_told("ready")
    second = ListPeer([start(), spoken])
    await Session(second, Native(), ADMITTED, its).run()
    assert (second.heard[0]["code"], second.closed) == ("full", (1013, "full"))
    await first.close(1000, "")
    await running
    its.admission.drain()
    third = ListPeer([start()])
    await Session(third, Native(), ADMITTED, its).run()
    assert (third.heard[0]["code"], third.closed) == ("draining", (1001, "draining"))
    assert its.admission.active == 0


async def test_an_objection_removes_what_waits_and_publishes_no_more(services, spoken) -> None:
    its = await services()
    peer = ListPeer([start(), spoken[: 12 * 32_000], '{"type":"withdraw"}', spoken[12 * 32_000 :], STOP])
    await Session(peer, Native(), ADMITTED, its).run()
    assert [kind for kind, _ in await pending(its)] == ["clear"]
    assert peer.kinds()[-1] == "ended"
    assert gauge(its, "calls_total", dialect="native", outcome="withdrawn") == 1


async def test_a_notice_is_seen_in_the_state(services) -> None:
    its = await services()
    peer = ListPeer([start(), '{"type":"notice"}', "not JSON"], stays=True)
    seen: list[bool] = []
    real = its.bus.state

    async def state(event: StateEvent, session_id: str) -> None:
        seen.append(event.data.notice)
        await real(event, session_id)

    its.bus.state = state
    await Session(peer, Native(), ADMITTED, its).run()
    assert seen == [False, True]


async def test_numbers_in_ids_and_labels_become_pseudonyms(services) -> None:
    its = await services()
    peer = ListPeer([start(call_id="+44 20 7946 0958", labels={"queue": "billing", "ani": "+442079460958"}), STOP])
    with capture_logs() as logs:
        await Session(peer, Native(), ADMITTED, its).run()
    rows = await its.bus._outbox.pending(0, 10)
    everything = repr([row.message for row in rows]) + repr(logs)
    assert "7946" not in everything
    labels = json.loads(rows[0].message.payload)["data"]["call"]["labels"]
    assert labels["queue"] == "billing"
    assert labels["ani"].startswith("n-")


async def test_what_the_peer_got_wrong_is_told_it_but_a_number_in_it_is_not_logged(services) -> None:
    its = await services()
    peer = ListPeer([start(channels=[{"role": "+49 170 1234567"}])])
    with capture_logs() as logs:
        await Session(peer, Native(), ADMITTED, its).run()
    assert peer.heard[-1]["code"] == "unknown_role"
    assert "1234567" not in repr(logs)
    assert "a channel has role <15 characters>; use one of customer" in repr(logs)


async def test_messages_of_unknown_kinds_are_counted_in_the_log_and_not_repeated(services) -> None:
    its = await services()
    with capture_logs() as logs:
        await Session(ListPeer(['{"event":"weather","secret":"x1"}'] * 3), Twilio(), ADMITTED, its).run()
    assert [line["count"] for line in logs if "unknown kinds" in line["event"]] == [3]
    assert "x1" not in repr(logs)


async def test_a_peer_that_does_not_read_gets_no_more_but_the_bus_gets_all(services, spoken, monkeypatch) -> None:
    monkeypatch.setattr("streamer.session.SEND_TIMEOUT_S", 0.01)
    its = await services()
    peer = ListPeer([start(), spoken, STOP], reads=False)
    await Session(peer, Native(), ADMITTED, its).run()
    kinds = [kind for kind, _ in await pending(its)]
    assert kinds.count("utterance") >= 2
    assert kinds[-2:] == ["ended", "clear"]


async def test_an_utterance_that_breaks_the_model_is_said_and_the_call_goes_on(
    services, spoken, model, monkeypatch
) -> None:
    its = await services()
    real, calls = model.judge, []

    def judge(features: np.ndarray, caller: RunningNormaliser) -> Any:
        calls.append(caller.n_frames)
        if len(calls) == 1:
            raise ModelError("the network gave no number")
        return real(features, caller)

    monkeypatch.setattr(model, "judge", judge)
    peer = ListPeer([start(), spoken, STOP])
    with capture_logs() as logs:
        await Session(peer, Native(), ADMITTED, its).run()
    assert gauge(its, "model_failures_total") == 1
    assert "the network gave no number" in repr(logs)
    assert peer.heard[-1] == {"type": "ended", "utterances": len(calls) - 1}
    assert calls[:2] == [0, 0], "what was not judged does not count for the caller"
    assert calls[-1] > 0


async def test_an_event_the_outbox_cannot_take_is_said_and_the_call_goes_on(services, spoken, monkeypatch) -> None:
    its = await services()
    real, tries = its.bus.utterance, []

    async def utterance(event: Any, session_id: str) -> None:
        tries.append(event.id)
        if len(tries) == 1:
            raise OutboxError("the disk is full")
        await real(event, session_id)

    monkeypatch.setattr(its.bus, "utterance", utterance)
    peer = ListPeer([start(), spoken, STOP])
    with capture_logs() as logs:
        await Session(peer, Native(), ADMITTED, its).run()
    assert gauge(its, "events_lost_total") == 1
    assert "the disk is full" in repr(logs)
    assert [event_id for kind, event_id in await pending(its) if kind == "utterance"] == tries[1:]


async def test_a_defect_on_the_way_of_an_event_is_said_and_the_call_goes_on(services, spoken, monkeypatch) -> None:
    its = await services()
    real, calls = Call.conclude, []

    def conclude(*given: Any) -> Any:
        calls.append(given)
        return 1 / 0 if len(calls) == 1 else real(*given)

    monkeypatch.setattr(Call, "conclude", conclude)
    peer = ListPeer([start(), spoken, STOP])
    with capture_logs() as logs:
        await Session(peer, Native(), ADMITTED, its).run()
    assert gauge(its, "events_lost_total") == 1
    assert "a defect of ours" in repr(logs)
    assert peer.heard[-1] == {"type": "ended", "utterances": len(calls) - 1}


async def test_a_stall_is_said_when_it_starts_and_when_it_is_over(services) -> None:
    its = await services()
    peer = ListPeer([start()], stays=True)
    session = Session(peer, Native(), ADMITTED, its)
    running = asyncio.create_task(session.run())
    await peer.until_told("ready")
    with capture_logs() as logs:
        session.notice_stall(session.heard_s + 1, 2)
        session.notice_stall(session.heard_s + 3, 2)
        session.notice_stall(session.heard_s + 4, 2)
        session.notice_stall(session.heard_s + 1, 2)
    assert ["stall started" in log["event"] for log in logs] == [True, False]
    assert logs[1]["event"] == "stall recovered"
    assert gauge(its, "stalls_total") == 1
    await session.expire("idle", Fault("idle", "no audio"))
    await session.expire("idle", Fault("idle", "no audio"))
    await running
    assert peer.kinds() == ["ready", "error"]
    assert peer.closed == (1008, "idle")
    assert gauge(its, "calls_total", dialect="native", outcome="idle") == 1


async def test_a_call_that_is_cut_by_the_drain_still_delivers_what_it_heard(services, spoken) -> None:
    its = await services()
    peer = ListPeer([start(), spoken[: 12 * 32_000]], stays=True)
    session = Session(peer, Native(), ADMITTED, its)
    running = asyncio.create_task(session.run())
    await peer.until_told("event")
    await session.expire("draining", DRAINING)
    await running
    assert peer.closed == (1001, "draining")
    assert [kind for kind, _ in await pending(its)][-2:] == ["ended", "clear"]


async def test_a_probe_that_never_starts_a_call_is_answered_and_counts_for_nothing(services) -> None:
    its = await services()
    peer = LivePeer("open", "ping", "close")
    running = asyncio.create_task(Session(peer, PeerCloses(), ADMITTED, its).run())
    await peer.until_told("closed")
    await peer.say("ping")
    peer.hang_up()
    await running
    assert peer.kinds() == ["opened", "pong", "closed", "pong"]
    assert peer.closed == (1000, "")
    assert await pending(its) == []
    assert gauge(its, "calls_total", dialect="native", outcome="stop") == 0
    assert its.admission.active == 0


async def test_a_platform_that_closes_itself_is_told_answered_and_waited_for(services) -> None:
    its = await services()
    peer = LivePeer("alone")
    session = Session(peer, PeerCloses(), ADMITTED, its)
    running = asyncio.create_task(session.run())
    await peer.until_told("ready")
    ending = asyncio.create_task(session.expire("draining", DRAINING))
    await peer.until_told("disconnect")
    await peer.say("ping")
    assert peer.closed is None
    peer.end_with("close")
    await peer.until_told("closed")
    peer.hang_up()
    await asyncio.gather(running, ending)
    assert peer.kinds() == ["ready", "disconnect", "pong", "closed"]
    assert peer.closed == (1001, "draining")
    assert gauge(its, "calls_total", dialect="native", outcome="draining") == 1


async def test_a_platform_that_just_closes_on_our_last_word_has_ended_by_our_reason(services) -> None:
    its = await services()
    peer = LivePeer("alone")
    session = Session(peer, PeerCloses(), ADMITTED, its)
    running = asyncio.create_task(session.run())
    await peer.until_told("ready")
    ending = asyncio.create_task(session.expire("idle", Fault("idle", "no audio")))
    await peer.until_told("disconnect")
    peer.hang_up()
    await asyncio.gather(running, ending)
    assert gauge(its, "calls_total", dialect="native", outcome="idle") == 1
    assert peer.kinds() == ["ready", "disconnect"]


async def test_a_platform_that_never_closes_is_closed_and_holds_up_nobody(services, monkeypatch) -> None:
    monkeypatch.setattr("streamer.session.PARTING_S", 0.01)
    its = await services()
    peers = [LivePeer("alone") for _ in range(5)]
    sessions = [Session(peer, PeerCloses(), ADMITTED, its) for peer in peers]
    running = [asyncio.create_task(session.run()) for session in sessions]
    for peer in peers:
        await peer.until_told("ready")
    await asyncio.gather(*(session.expire("draining", DRAINING) for session in sessions))
    await asyncio.gather(*running)
    assert {peer.closed for peer in peers} == {(1001, "draining")}
    assert its.admission.active == 0


@pytest.mark.parametrize("verb", ["ready", "event", "fault", "ended", "closed"])
async def test_a_defect_in_what_a_dialect_has_to_say_is_logged_and_goes_no_further(
    services, spoken, monkeypatch, verb: str
) -> None:
    its = await services()
    monkeypatch.setattr(Native, verb, lambda *_: 1 / 0)
    stopping = ListPeer([start(), spoken[: 7 * 32_000], *([] if verb == "closed" else [STOP])])
    failing = ListPeer([start(), start()])
    with capture_logs() as logs:
        for peer in (stopping, failing):
            await Session(peer, Native(), ADMITTED, its).run()
    assert "a defect of ours" in repr(logs)
    assert failing.closed == (1008, "start_twice")
    assert [kind for kind, _ in await pending(its)].count("ended") == 2
    assert its.admission.active == 0
    assert len(its.conversations) == 0


async def test_a_defect_in_reading_a_message_ends_the_stream_as_our_fault(services, monkeypatch) -> None:
    its = await services(audio__join_grace_s=0)
    real = NativePart.receive

    def receive(self: NativePart, message: Message) -> list[WireEvent]:
        return real(self, message) if isinstance(message, str) else [1 / 0]

    monkeypatch.setattr(NativePart, "receive", receive)
    peer = ListPeer([start(), b"\0\0"])
    await Session(peer, NativePart(), ADMITTED, its).run()
    assert peer.kinds() == ["ready", "error"]
    assert peer.closed == (1011, "internal")
    assert its.admission.active == 0


async def test_a_key_with_all_the_calls_that_it_may_have_is_told_so(services) -> None:
    its = await services(of_key={ADMITTED.key_id: 1})
    first = LivePeer(start())
    running = asyncio.create_task(Session(first, Native(), ADMITTED, its).run())
    await first.until_told("ready")
    second = ListPeer([start(call_id="CA2")])
    await Session(second, Native(), ADMITTED, its).run()
    assert second.closed == (1013, "full")
    assert "'k' has as many calls as it may" in second.heard[0]["message"]
    first.hang_up()
    await running


async def test_a_tenant_that_is_full_is_told_by_name_and_others_come_in(services) -> None:
    its = await services(of_tenant={"acme": 1})
    first = ListPeer([start()], stays=True)
    running = asyncio.create_task(Session(first, Native(), ADMITTED, its).run())
    await first.until_told("ready")
    second = ListPeer([start()])
    await Session(second, Native(), Pass("acme", "another key"), its).run()
    assert (second.heard[0]["code"], second.closed) == ("full", (1013, "full"))
    assert "'acme'" in second.heard[0]["message"]
    third = ListPeer([start(), STOP])
    await Session(third, Native(), Pass("bank", "k"), its).run()
    assert third.kinds() == ["ready", "ended"]
    await first.close(1000, "")
    await running
    assert not its.admission.tenant_full("acme")


async def test_an_overloaded_node_refuses_the_call_and_counts_it(services) -> None:
    its = await services()
    its.admission.overloaded = True
    peer = ListPeer([start()])
    await Session(peer, Native(), ADMITTED, its).run()
    assert (peer.heard[0]["code"], peer.closed) == ("overloaded", (1013, "overloaded"))
    assert gauge(its, "shed_total", kind="call") == 1
    assert not peer.settled


async def test_who_floods_with_words_is_ended_and_what_was_heard_before_is_kept(services, spoken) -> None:
    its = await services(clock=Clock())
    peer = ListPeer([start(), spoken, *['{"type":"notice"}'] * 2100, "never read"])
    await Session(peer, Native(), ADMITTED, its).run()
    assert peer.heard[-1]["code"] == "too_many_messages"
    assert peer.closed == (1008, "too_many_messages")
    assert [kind for kind, _ in await pending(its)][-2:] == ["ended", "clear"]
    assert peer.settled


async def test_a_byte_now_and_then_is_no_sign_of_life(services) -> None:
    its = await services(clock=(clock := Clock()))
    peer = LivePeer(start())
    session = Session(peer, Native(), ADMITTED, its)
    running = asyncio.create_task(session.run())
    await peer.until_told("ready")
    began_s = session.heard_s
    for _ in range(20):
        clock.now_s += 1
        await peer.say(b"\0")
    assert session.heard_s == began_s
    await peer.say(bytes(2 * 320))
    assert session.heard_s == clock.now_s
    peer.end_with(STOP)
    await running


@pytest.mark.parametrize("level", [Level.ALL, Level.NO_PARTIALS, Level.NO_CALLS])
async def test_with_too_much_to_do_partials_stop_and_finals_do_not(services, spoken, level: Level) -> None:
    its = await services(emotion__partial_every_ms=300)
    its.shedding.level = level
    peer = ListPeer([start(), spoken, STOP])
    await Session(peer, Native(), ADMITTED, its).run()
    kinds = [message["event"]["type"] for message in peer.heard if message["type"] == "event"]
    assert kinds.count("emotion-streamer.utterance.v1") >= 3
    assert ("emotion-streamer.partial.v1" in kinds) is (level is Level.ALL)
    assert (gauge(its, "shed_total", kind="partial") > 0) is (level is not Level.ALL)


@pytest.mark.parametrize(("token", "right"), [("of-ours", True), ("guessed", False)])
async def test_who_let_a_stream_in_on_trust_is_told_once_whether_its_token_was_right(services, token, right) -> None:
    its = await services()
    told: list[tuple[bool, float]] = []
    start_message = json.dumps(
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": "MZ1",
            "start": {
                "streamSid": "MZ1",
                "accountSid": "AC1",
                "callSid": "CA1",
                "tracks": ["inbound"],
                "customParameters": {"token": token},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
        }
    )
    admitted = Pass("acme", "", on_trust=lambda was_right, now_s: told.append((was_right, now_s)))
    peer = ListPeer([start_message])
    await Session(peer, Twilio(roles={"inbound": Role.CUSTOMER}, token="of-ours"), admitted, its).run()
    assert [was_right for was_right, _ in told] == [right]
    counted = its.metrics.registry.get_sample_value("streamer_auth_failures_total", {"reason": "token"})
    assert counted == (None if right else 1)
