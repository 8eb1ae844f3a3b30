"""One thread judges what all calls say, in their order, by what each caller has said before; each gets its answer."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.emotion.batcher import HELD_S, Batcher, Judged
from streamer.emotion.model import EmotionModel, Judgement, ModelError, Verdict
from streamer.features import Moments, Prior, RunningNormaliser


def utterance(model: EmotionModel, frames: int, seed: int = 0) -> np.ndarray:
    """Features of noise in bursts, each seed's of another colour."""
    rng = np.random.default_rng(seed)
    parameters = model.card.features.parameters
    length = parameters.n_fft + (frames - 1) * parameters.hop_length
    bursts = 0.1 + np.abs(np.sin(np.arange(length) / rng.uniform(300, 900)))
    noise = np.convolve(rng.normal(size=length), rng.normal(size=8), mode="same") * bursts
    front_end = model.new_features()
    front_end.push((0.02 * noise).astype(np.float32))
    return front_end.features()


def someone() -> RunningNormaliser:
    return RunningNormaliser(Prior((0.0,), (1.0,), 10.0))


class Scripted:
    """A model that does what the test says, and remembers in which threads."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.judged: list[int] = []
        self.gate = threading.Event()

    def judge(self, features: np.ndarray, caller: RunningNormaliser) -> Judgement:
        self.gate.wait()
        self.judged.append(int(features[0, 0]))
        self.threads.add(threading.current_thread().name)
        match int(features[0, 0]):
            case 1:
                raise ModelError("the network gave no number")
            case 2:
                raise RuntimeError("the runtime broke")
            case n:
                verdict = Verdict(top=str(n), confidence=caller.n_frames, uncertain=False, scores={str(n): 1.0})
                return Judgement(verdict, Moments.of(features))


def scripted() -> Any:
    return Scripted()


async def test_a_verdict_through_the_queue_is_the_verdict_of_the_model_utterance_by_utterance(
    model: EmotionModel,
) -> None:
    batcher = Batcher(model)
    spoken = [utterance(model, frames, frames) for frames in (40, 7, 50, 300, 1, 50)]
    caller, by_hand = model.new_normaliser(), model.new_normaliser()
    judged = await asyncio.gather(*(batcher.submit(features, caller, final=True) for features in spoken))
    expected = []
    for features in spoken:
        judgement = model.judge(features, by_hand)
        by_hand.remember(judgement.moments)
        expected.append(judgement.verdict)
    assert [one.verdict for one in judged] == expected
    assert len({str(one.scores) for one in expected[2::3]}) == 2, "the same words, judged after others"
    assert all(one.queue_ms >= 0 and one.compute_ms > 0 for one in judged)
    await batcher.close()


Said = list[tuple[int, int, int, bool]]
"""Caller, what the model does (as `Scripted` reads it), frames, whether it is final."""
SAID = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([1, 2, 7]), st.integers(1, 30), st.booleans()), max_size=80
)


async def counted(said: Said, *, at_once: bool) -> list[float | None]:
    """Return how many frames of its caller counted when each utterance was judged; None where the model failed."""
    fake = scripted()
    batcher = Batcher(fake)
    callers = [someone() for _ in range(3)]
    futures = []
    if not at_once:
        fake.gate.set()
    for caller, does, frames, final in said:
        futures.append(batcher.submit(np.full((frames, 1), does, np.float32), callers[caller], final=final))
        if not at_once:
            await asyncio.wait([futures[-1]])
    fake.gate.set()
    answers = await asyncio.gather(*futures, return_exceptions=True)
    await batcher.close()
    return [one.verdict.confidence if isinstance(one, Judged) else None for one in answers]


@settings(deadline=None, max_examples=40)
@given(SAID)
def test_an_utterance_is_judged_after_all_its_caller_finished_before_it_however_fast_they_come(said: Said) -> None:
    """Only what is final and was judged counts: neither beginnings nor utterances that the model failed on."""
    heard = [0.0, 0.0, 0.0]
    expected: list[float | None] = []
    for caller, does, frames, final in said:
        sound = does == 7
        expected.append(heard[caller] if sound else None)
        heard[caller] += frames if sound and final else 0
    assert asyncio.run(counted(said, at_once=True)) == expected
    assert asyncio.run(counted(said, at_once=False)) == expected


async def test_answers_belong_to_their_questions_and_one_thread_gives_them_all() -> None:
    fake = scripted()
    batcher = Batcher(fake)
    asked = range(3, 99)
    futures = [batcher.submit(np.full((1, 1), n, np.float32), someone(), final=True) for n in asked]
    assert batcher.waiting >= len(asked) - 1
    fake.gate.set()
    judged = await asyncio.gather(*futures)
    assert [one.verdict.top for one in judged] == [str(n) for n in asked]
    assert fake.threads == {"emotion-model"}
    await batcher.close()


async def test_an_answer_waits_for_quick_ones_behind_it_and_never_for_a_crowd_of_slow_ones() -> None:
    fake, now_s = scripted(), [0.0]
    fake.gate.set()
    judge, goes_on = fake.judge, threading.Event()

    def judged_in_time(features: np.ndarray, caller: RunningNormaliser) -> Judgement:
        if features[0, 0] == 5:
            assert goes_on.wait(10)
        now_s[0] += 0.6 * HELD_S
        return judge(features, caller)

    fake.judge = judged_in_time
    batcher = Batcher(fake, lambda: now_s[0])
    first, second, third = (batcher.submit(np.full((1, 1), n, np.float32), someone(), final=True) for n in (3, 4, 5))
    await asyncio.wait_for(asyncio.gather(first, second), 10)  # while the third is under way
    assert not third.done()
    goes_on.set()
    await third
    await batcher.close()


@pytest.mark.parametrize(("what", "says"), [(1, "no number"), (2, "the runtime broke")])
async def test_an_utterance_that_breaks_the_model_is_an_error_and_the_next_is_judged(what: int, says: str) -> None:
    fake = scripted()
    fake.gate.set()
    batcher = Batcher(fake)
    broken = batcher.submit(np.full((1, 1), what, np.float32), someone(), final=True)
    sound = batcher.submit(np.full((1, 1), 9, np.float32), someone(), final=True)
    with pytest.raises(ModelError, match=says):
        await broken
    assert (await sound).verdict.top == "9"
    await batcher.close()


async def test_closing_judges_what_still_waits() -> None:
    fake = scripted()
    batcher = Batcher(fake)
    future = batcher.submit(np.full((1, 1), 5, np.float32), someone(), final=True)
    closing = asyncio.create_task(batcher.close())
    fake.gate.set()
    await closing
    assert isinstance(await future, Judged)


async def test_a_call_that_has_gone_does_not_disturb_the_others() -> None:
    fake = scripted()
    batcher = Batcher(fake)
    gone = batcher.submit(np.full((1, 1), 3, np.float32), someone(), final=True)
    broken = batcher.submit(np.full((1, 1), 1, np.float32), someone(), final=True)
    stays = batcher.submit(np.full((1, 1), 4, np.float32), someone(), final=True)
    gone.cancel()
    broken.cancel()
    fake.gate.set()
    assert (await stays).verdict.top == "4"
    await batcher.close()


async def test_what_nobody_waits_for_any_more_is_not_judged() -> None:
    model = scripted()
    batcher = Batcher(model)
    jobs = [batcher.submit(np.full((1, 1), n, np.float32), someone(), final=True) for n in (3, 4, 5)]
    jobs[1].cancel()
    model.gate.set()
    assert [(await job).verdict.top for job in (jobs[0], jobs[2])] == ["3", "5"]
    await batcher.close()
    assert model.judged == [3, 5]
    assert batcher.waiting == 0


async def test_how_long_the_oldest_waits_is_known_and_nothing_when_none_waits() -> None:
    fake = scripted()
    now_s = [10.0]
    batcher = Batcher(fake, lambda: now_s[0])
    assert batcher.waited_s == 0
    futures = [batcher.submit(np.full((1, 1), 9, np.float32), someone(), final=True)]
    while batcher.waiting:  # noqa: ASYNC110 - until the thread has begun with it; it sets no event
        await asyncio.sleep(0)
    for now_s[0] in (11.0, 12.0):
        futures.append(batcher.submit(np.full((1, 1), 9, np.float32), someone(), final=True))
    now_s[0] = 15.0
    assert (batcher.waiting, batcher.waited_s) == (2, 4.0)
    fake.gate.set()
    await asyncio.gather(*futures)
    assert (batcher.waiting, batcher.waited_s) == (0, 0)
    await batcher.close()
