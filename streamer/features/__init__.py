"""The features of an utterance, one code for training and serving: a rolling MFCC and the caller's own statistics.

`FEATURES_KIND` names what this package computes. A model card and the ONNX file both carry it, and the server refuses
a model that was trained on another kind; raise its number whenever the same samples would give other features.
Nothing here may read a file, a clock or a socket.
"""

from typing import Final

from streamer.features.mfcc import MfccParameters, RollingMfcc
from streamer.features.normalise import Moments, Prior, RunningNormaliser

FEATURES_KIND: Final = "mfcc/1"

__all__ = ["FEATURES_KIND", "MfccParameters", "Moments", "Prior", "RollingMfcc", "RunningNormaliser"]
