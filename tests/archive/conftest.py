"""What the tests of archives share: the default model, and a short excerpt of the call that ships with the package.

Tests that need Ray or pyarrow, a hundred megabytes each, are left out where those are missing: `make ray` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from streamer_client.events import CallRef, Emotion, Speaker, UtteranceData
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import NOTHING, Row

from streamer.archive.analysis import Analysed, Analyst, Job
from streamer.archive.ways import Ways
from streamer.config import Settings
from streamer.emotion.model import EmotionModel, load, locate

collect_ignore = [
    f"test_{name}.py" for name, needs in (("cluster", "ray"), ("parquet", "pyarrow")) if find_spec(needs) is None
]

DEMO = Path(__file__).parents[2] / "streamer" / "demo" / "call.flac"


@pytest.fixture(scope="session")
def model() -> EmotionModel:
    return load(locate("telephone"))


@pytest.fixture(scope="session")
def ways(model: EmotionModel) -> Ways:
    return Ways.of(Settings(node="any"), model.card, notice=False, roles=None)


@pytest.fixture(scope="session")
def samples() -> np.ndarray:
    """The first 21 s of the call, int16[frames, 2]: three utterances of the customer."""
    whole, _ = soundfile.read(DEMO, dtype="int16")
    return np.asarray(whole[: 21 * 8000])


@pytest.fixture(scope="session")
def excerpt(samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("excerpt") / "call.wav"
    soundfile.write(path, samples, 8000)
    return path


MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def job_of() -> MakeJob:
    def make(*paths: Path, name: str = "CA1", row: Row = NOTHING, roles: tuple[str, ...] | None = None) -> Job:
        return Job(Source(paths, paths[0].stem, roles), name, row)

    return make


@pytest.fixture(scope="session")
def analyst(model: EmotionModel, ways: Ways) -> Analyst:
    return Analyst(Settings(node="any"), model, ways, None)


@pytest.fixture(scope="session")
def analysed(analyst: Analyst, job_of: MakeJob, excerpt: Path) -> Analysed:
    return analyst.analyse(job_of(excerpt))


@pytest.fixture(scope="session")
def said_otherwise(analysed: Analysed) -> Callable[..., Analysed]:
    """Return a changer of results: another call id, labels, role, verdict."""
    replace = msgspec.structs.replace

    def change(
        *,
        call_id: str = "CA1",
        labels: dict[str, str] | None = None,
        top: str | None = None,
        confidence: float = 0.9,
        uncertain: bool = False,
        role: str = "customer",
    ) -> Analysed:
        call = CallRef(id=call_id, dialect="recording", labels=labels or {})

        def data_of(data: UtteranceData) -> UtteranceData:
            emotion = data.emotion
            if top is not None:
                scores = dict.fromkeys(emotion.scores, 0.02) | {top: confidence}
                emotion = Emotion(top=top, confidence=confidence, uncertain=uncertain, scores=scores)
            return replace(data, call=call, emotion=emotion, speaker=Speaker(role=role, channel=0))

        return replace(
            analysed,
            utterances=tuple(replace(one, data=data_of(one.data)) for one in analysed.utterances),
            ended=replace(analysed.ended, data=replace(analysed.ended.data, call=call)),
        )

    return change
