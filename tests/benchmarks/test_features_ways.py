"""What the feature benchmark compares computes the same coefficients, as far as it says so."""

import importlib.util
import math

import numpy as np
import pytest

from benchmarks.features_ways import CHUNK, WAYS, Feed, Way
from streamer.features import MfccParameters

PARAMETERS = MfccParameters()


def here(way: Way) -> bool:
    return not way.package or importlib.util.find_spec(way.package.replace("-", "_")) is not None


def feed() -> Feed:
    rng = np.random.default_rng(3)
    return Feed.of(PARAMETERS, (rng.normal(size=(2, 10 * CHUNK + 7)) * 3000).astype(np.int16))


def test_the_chunks_are_the_whole() -> None:
    given = feed()
    for leg in range(2):
        np.testing.assert_array_equal(np.concatenate([tick[leg] for tick in given.ticks]), given.whole[leg])
        np.testing.assert_array_equal(np.concatenate([tick[leg] for tick in given.scaled_ticks]), given.scaled[leg])
    np.testing.assert_array_equal(given.scaled * np.float32(32768), given.whole.astype(np.float32))


@pytest.mark.parametrize("way", [way for way in WAYS if here(way)], ids=lambda way: way.name)
def test_a_way_gives_the_coefficients_of_each_leg(way: Way) -> None:
    given = feed()
    found = [np.asarray(one, dtype=np.float64) for one in way.prepare(PARAMETERS)(given)]
    frames = PARAMETERS.frames(given.whole.shape[1])
    assert len(found) == 2
    for coefficients in found:
        assert coefficients.shape[1] == PARAMETERS.n_mfcc
        assert abs(len(coefficients) - frames) <= 1  # some pad the end to one more
    assert np.abs(found[0] - found[1])[:, 1:].max() > 1, "two legs, two voices"


@pytest.mark.parametrize("way", [way for way in WAYS if here(way) and way.in_db], ids=lambda way: way.name)
def test_who_is_said_to_compute_the_same_does(way: Way) -> None:
    assert way.in_db is not None
    given = feed()
    ours = [np.asarray(one, dtype=np.float64) for one in WAYS[0].prepare(PARAMETERS)(given)]
    theirs = [way.in_db(np.asarray(one, dtype=np.float64)) for one in way.prepare(PARAMETERS)(given)]
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-3)


def test_natural_logarithms_become_decibels() -> None:
    scale = next(way.in_db for way in WAYS if way.package == "kaldi-native-fbank")
    assert scale is not None
    assert scale(np.array([math.log(1000.0)]))[0] == pytest.approx(30.0)
