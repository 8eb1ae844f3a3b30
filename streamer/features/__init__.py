"""The features of an utterance, one code for training and serving: rolling front ends and the caller's own statistics.

`FEATURES_KIND` and `LOG_MEL_KIND` name what this package computes. A model card and the ONNX file both carry the kind,
and the server refuses a model that was trained on another; raise its number whenever the same samples would give other
features. Nothing here may read a file, a clock or a socket.
"""

from typing import Final

from streamer.features.front_end import FrontEnd
from streamer.features.log_mel import LogMelParameters, RollingLogMel
from streamer.features.mfcc import MfccParameters, RollingMfcc
from streamer.features.normalise import Moments, Prior, RunningNormaliser

FEATURES_KIND: Final = "mfcc/1"
"""What `RollingMfcc` computes."""
LOG_MEL_KIND: Final = "log-mel/1"
"""What `RollingLogMel` computes."""

__all__ = [
    "FEATURES_KIND",
    "LOG_MEL_KIND",
    "FrontEnd",
    "LogMelParameters",
    "MfccParameters",
    "Moments",
    "Prior",
    "RollingLogMel",
    "RollingMfcc",
    "RunningNormaliser",
]
