"""The feature benchmark names what it could not measure, and its ratios are to its first line."""

import numpy as np
import pytest

from benchmarks import features
from benchmarks.features_ways import WAYS, Feed, Work
from streamer.features import MfccParameters, RollingMfcc


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "SECONDS", 1)
    monkeypatch.setattr(features, "LEGS", 2)
    monkeypatch.setattr(features, "ROUNDS", 1)
    monkeypatch.setattr(features, "ALONE_TIMES", 1)


@pytest.mark.usefixtures("short")
def test_a_package_that_is_missing_is_named_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = (WAYS[0], WAYS[2]._replace(package="no-such-package", name="peer"))
    monkeypatch.setattr(features, "WAYS", ways)
    lines = features.table("A title", MfccParameters())
    assert lines[0] == "## A title"
    ours, missing = lines[-3:-1]
    assert " | 1.00 | " in ours
    assert missing == "| peer | 20 ms, float32 | no-such-package is not installed | | | | |"


@pytest.mark.usefixtures("short")
def test_ratios_are_to_the_first_way(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def works_for(seconds: float) -> Work:
        def work(feed: Feed) -> list[np.ndarray]:
            nonlocal now
            now += seconds * len(feed.whole)
            return []

        return work

    monkeypatch.setattr(features.time, "process_time", lambda: now)
    feed = features.feed_of(2, MfccParameters())
    found = features.measure({"ours": works_for(0.25), "theirs": works_for(1.0)}, feed, 3)
    assert found == {"ours": features.Measured(250.0, 1.0), "theirs": features.Measured(1000.0, 4.0)}


@pytest.mark.usefixtures("short")
def test_another_number_of_frames_is_no_measurement() -> None:
    feed = features.feed_of(1, MfccParameters())

    def short_of_one(given: Feed) -> list[np.ndarray]:
        leg = RollingMfcc(given.parameters)
        leg.push_int16(given.whole[0, :-80])
        return [leg.features()]

    with pytest.raises(AssertionError, match="librosa"):
        features.difference(WAYS[0], short_of_one, feed)
