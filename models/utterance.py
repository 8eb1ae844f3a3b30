"""Cut a recording to its utterance as the product would, so that training hears what serving hears.

Corpora leave up to a second of silence around a clip; a call's segmenter does not. This file must never look at a label
or at more than the samples.
"""

import numpy as np
from numpy.typing import NDArray

from streamer.speech.segmenter import Closed, Segment, Segmenter
from streamer.speech.vad import FRAME_SAMPLES, RATE_HZ, make_vad


def find(samples: NDArray[np.float32]) -> tuple[int, int] | None:
    """Return where the speech of a recording begins and ends, as `cut` does; None where the product hears none."""
    linear = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    vad, segmenter = make_vad("webrtc"), Segmenter()
    found: list[Segment] = []
    for start in range(0, len(linear) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        frame = linear[start : start + FRAME_SAMPLES]
        found += segmenter.process(FRAME_SAMPLES / RATE_HZ, vad.is_speech(frame))
    found += segmenter.finish()
    utterances = [one for one in found if isinstance(one, Closed)]
    if not utterances:
        return None
    return round(utterances[0].start_s * RATE_HZ), min(len(samples), round(utterances[-1].end_s * RATE_HZ))


def cut(samples: NDArray[np.float32]) -> tuple[int, int]:
    """Return where the speech of a recording begins and ends, with the product's detector and default lengths.

    Parameters
    ----------
    samples
        float32[n] in -1 to 1 at 8 kHz.

    Returns
    -------
    tuple of int
        First sample of the first utterance, pre-roll included, and the one after the last utterance; the whole
        recording where the product would hear no utterance.
    """
    return find(samples) or (0, len(samples))
