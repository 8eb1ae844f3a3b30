"""Peer "silero": the Silero detector as an ONNX network, one run for each leg and 32 ms, features by the product.

The shape of today's voice agents: LiveKit's silero plugin and pipecat's SileroVADAnalyzer run the network in ONNX
Runtime for each stream by itself, on windows of 256 samples at 8 kHz with the 32 samples before them in front, and the
recurrent state handed on by the caller. LiveKit shares one session among streams and keeps only state for each; so does
this peer, for it costs least. Both run it in an executor; this peer runs it inline, which costs less still.

The network is Silero VAD v6 (MIT), a file out of the wheel `silero-vad`. The wheel is never imported: it would import
PyTorch, of which nothing is used. A window is speech from 0.5 on, silence below 0.35, and in between what it was
before, as in Silero's own iterator.

Per frame of 32 ms and leg: mu-law by table, one ONNX run, the product's segmentation and, in an utterance of the
customer, the product's rolling MFCCs. The utterances are those of another detector than the product's. This file must
never hear legs together: that is not the shape.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.peers.legs import FULL_SCALE, Features, FramedLeg, Leg, Rolled
from benchmarks.peers.shared import Shape, main
from streamer.emotion.model import EmotionModel
from streamer.speech.vad import RATE_HZ

WINDOW: Final = 256
"""Samples that the network hears at once, at 8 kHz."""
CONTEXT: Final = 32
"""Samples before them that it is given as well."""
SPEECH_FROM: Final = 0.5
SILENCE_BELOW: Final = 0.35
_RATE: Final = np.array(RATE_HZ, np.int64)


def network() -> Path:
    """Return the file of the network.

    Raises
    ------
    ModuleNotFoundError
        The wheel is not installed.
    """
    found = find_spec("silero_vad")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the peers silero and sherpa need the wheel silero-vad: uv sync --group bench")
    return Path(found.submodule_search_locations[0]) / "data" / "silero_vad.onnx"


def session() -> onnxruntime.InferenceSession:
    """Return it loaded, with the settings of the emotion model: one thread, no spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network(), options, providers=["CPUExecutionProvider"])


class SileroVad:
    """The detector of one leg."""

    def __init__(self, shared: onnxruntime.InferenceSession) -> None:
        self._session = shared
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input = np.zeros((1, CONTEXT + WINDOW), np.float32)
        self._was_speech = False

    def is_speech(self, frame: NDArray[np.int16]) -> bool:
        """Tell whether a window, int16[256], is speech."""
        self._input[0, :CONTEXT] = self._input[0, -CONTEXT:]
        np.divide(frame, FULL_SCALE, out=self._input[0, CONTEXT:])
        given = {"input": self._input, "state": self._state, "sr": _RATE}
        found, self._state = self._session.run(None, given)
        probability = found[0, 0]
        self._was_speech = bool(probability >= (SILENCE_BELOW if self._was_speech else SPEECH_FROM))
        return self._was_speech


class Silero(Shape):
    """A network for each leg."""

    name: ClassVar[str] = "silero"

    def __init__(self, model: EmotionModel) -> None:
        super().__init__(model)
        self._session = session()

    def leg(self, channel: int, *, is_linear: bool, is_analysed: bool) -> Leg:
        """Return a fresh leg."""
        gather = (lambda: Rolled(self.model.new_features())) if is_analysed else None
        return FramedLeg(channel, is_linear=is_linear, vad=SileroVad(self._session), gather=gather, frame=WINDOW)

    def warm_up(self) -> Features:
        """Return the features of a second of silence."""
        SileroVad(self._session).is_speech(np.zeros(WINDOW, np.int16))
        gathered = Rolled(self.model.new_features())
        gathered.add(np.zeros(RATE_HZ, np.int16))
        return gathered.features(RATE_HZ)


if __name__ == "__main__":
    main(Silero)
