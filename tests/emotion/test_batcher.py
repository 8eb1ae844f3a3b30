"""One thread judges what all calls say, and every utterance gets its answer."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from streamer.emotion.batcher import LARGEST_BATCH, Batcher, Judged
from streamer.emotion.model import EmotionModel, ModelError, Verdict, load, locate


@pytest.fixture(scope="module")
def model() -> EmotionModel:
    return load(locate("telephone"))


def utterance(model: EmotionModel, frames: int, seed: int = 0) -> np.ndarray:
    shape = (frames, model.card.features.mfcc.n_mfcc)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Scripted:
    """A model that does what the test says, and remembers in which threads."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.gate = threading.Event()

    def verdict(self, features: np.ndarray) -> Verdict:
        self.gate.wait()
        self.threads.add(threading.current_thread().name)
        match int(features[0, 0]):
            case 1:
                raise ModelError("the network gave no number")
            case 2:
                raise RuntimeError("the runtime broke")
            case n:
                return Verdict(top=str(n), confidence=1.0, uncertain=False, scores={str(n): 1.0})


def scripted() -> Any:
    return Scripted()


async def test_a_verdict_through_the_queue_is_the_verdict_of_the_model(model: EmotionModel) -> None:
    batcher = Batcher(model)
    spoken = [utterance(model, frames, frames) for frames in (1, 7, 50, 300, 50)]
    judged = await asyncio.gather(*(batcher.submit(features) for features in spoken))
    assert [one.verdict for one in judged] == [model.verdict(features) for features in spoken]
    assert all(one.queue_ms >= 0 and one.compute_ms > 0 for one in judged)
    await batcher.close()


async def test_answers_belong_to_their_questions_and_one_thread_gives_them_all() -> None:
    fake = scripted()
    batcher = Batcher(fake)
    futures = [batcher.submit(np.full((1, 1), n, np.float32)) for n in range(3, 3 + 3 * LARGEST_BATCH)]
    assert batcher.waiting >= 3 * LARGEST_BATCH - 1
    fake.gate.set()
    judged = await asyncio.gather(*futures)
    assert [one.verdict.top for one in judged] == [str(n) for n in range(3, 3 + 3 * LARGEST_BATCH)]
    assert fake.threads == {"emotion-model"}
    await batcher.close()


@pytest.mark.parametrize(("what", "says"), [(1, "no number"), (2, "the runtime broke")])
async def test_an_utterance_that_breaks_the_model_is_an_error_and_the_next_is_judged(what: int, says: str) -> None:
    fake = scripted()
    fake.gate.set()
    batcher = Batcher(fake)
    broken = batcher.submit(np.full((1, 1), what, np.float32))
    sound = batcher.submit(np.full((1, 1), 9, np.float32))
    with pytest.raises(ModelError, match=says):
        await broken
    assert (await sound).verdict.top == "9"
    await batcher.close()


async def test_closing_judges_what_still_waits() -> None:
    fake = scripted()
    batcher = Batcher(fake)
    future = batcher.submit(np.full((1, 1), 5, np.float32))
    closing = asyncio.create_task(batcher.close())
    fake.gate.set()
    await closing
    assert isinstance(await future, Judged)


async def test_a_call_that_has_gone_does_not_disturb_the_others() -> None:
    fake = scripted()
    batcher = Batcher(fake)
    gone = batcher.submit(np.full((1, 1), 3, np.float32))
    broken = batcher.submit(np.full((1, 1), 1, np.float32))
    stays = batcher.submit(np.full((1, 1), 4, np.float32))
    gone.cancel()
    broken.cancel()
    fake.gate.set()
    assert (await stays).verdict.top == "4"
    await batcher.close()
