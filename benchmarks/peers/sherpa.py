"""Peer "sherpa": sherpa-onnx's voice activity detector, and kaldi-native-fbank's OnlineMfcc over what it cuts out.

The shape of the k2-fsa servers and examples (k2-fsa/sherpa-onnx, python-api-examples/vad-*.py): each stream has a
`VoiceActivityDetector` of its own, which holds Silero's network and finds segments in C++; what comes out of it is
given to a feature extractor and a network. Features are computed with `kaldi-native-fbank`, as sherpa-onnx does inside.

The detector takes 16 kHz only (k2-fsa/sherpa-onnx issue 1447), so the leg is resampled up as it streams, by soxr; the
segment is brought back to 8 kHz by leaving out every other sample, which loses nothing, for nothing is above 4 kHz.
Samples go in as lists: its binding takes any sequence of numbers, and lists faster than arrays (2.2 against 2.5 ms for
a second of audio when this was written).

Per message and leg, inline: mu-law by table, resampling, the detector (a run of Silero's network each 32 ms). At a
segment's end, if it is the customer's, in the model's thread: OnlineMfcc over it, as many coefficients of as many bands
as the product's model takes, then one run of that model. Kaldi's MFCCs are not librosa's, so the verdict means nothing
and is marked uncertain; the run costs what it costs everybody. The detector has the product's numbers for hangover,
least speech and longest utterance; its pre-roll is its own. This file must never share a detector between legs: it
cannot be.
"""

from __future__ import annotations

from typing import ClassVar, Final

import kaldi_native_fbank
import numpy as np
import sherpa_onnx
import soxr
from numpy.typing import NDArray
from streamer_client.events import Cut

from benchmarks.peers.legs import FULL_SCALE, SPEECH, Features, Leg, Spoken, decode
from benchmarks.peers.shared import Shape, main
from benchmarks.peers.silero import network
from streamer.emotion.model import EmotionModel
from streamer.features import MfccParameters
from streamer.speech.vad import RATE_HZ

VAD_RATE_HZ: Final = 16000
BUFFER_S: Final = 30
"""How much audio a detector remembers, as in sherpa-onnx's examples."""


def detector() -> sherpa_onnx.VoiceActivityDetector:
    """Return a detector for one leg."""
    config = sherpa_onnx.VadModelConfig()
    config.sample_rate = VAD_RATE_HZ
    config.num_threads = 1
    config.silero_vad.model = str(network())
    config.silero_vad.min_silence_duration = SPEECH.hangover_ms / 1000
    config.silero_vad.min_speech_duration = SPEECH.min_speech_ms / 1000
    config.silero_vad.max_speech_duration = SPEECH.max_utterance_ms / 1000
    return sherpa_onnx.VoiceActivityDetector(config, buffer_size_in_seconds=BUFFER_S)


def mfcc_options(parameters: MfccParameters) -> kaldi_native_fbank.MfccOptions:
    """Return Kaldi's options that come nearest to a model's card."""
    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.samp_freq = parameters.rate_hz
    options.frame_opts.frame_length_ms = parameters.n_fft * 1000 / parameters.rate_hz
    options.frame_opts.frame_shift_ms = parameters.hop_length * 1000 / parameters.rate_hz
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = parameters.n_mels
    options.mel_opts.low_freq = parameters.fmin
    options.mel_opts.high_freq = parameters.fmax
    options.num_ceps = parameters.n_mfcc
    options.use_energy = False
    return options


def mfcc(samples: NDArray[np.float32], options: kaldi_native_fbank.MfccOptions) -> Features:
    """Return Kaldi's MFCCs of an utterance at 8 kHz, float32[frames, coefficients]."""
    online = kaldi_native_fbank.OnlineMfcc(options)
    online.accept_waveform(RATE_HZ, samples.tolist())
    online.input_finished()
    return np.stack([online.get_frame(frame) for frame in range(online.num_frames_ready)])


class SherpaLeg:
    """A leg whose detector finds utterances by itself."""

    def __init__(
        self, channel: int, *, is_linear: bool, is_analysed: bool, options: kaldi_native_fbank.MfccOptions
    ) -> None:
        self._channel = channel
        self._is_linear = is_linear
        self._is_analysed = is_analysed
        self._options = options
        self._resampler = soxr.ResampleStream(RATE_HZ, VAD_RATE_HZ, 1, dtype="float32")
        self._vad = detector()

    def receive(self, payload: bytes) -> list[Spoken]:
        """Take encoded samples; return the utterances that they end."""
        samples = decode(payload, is_linear=self._is_linear).astype(np.float32) / FULL_SCALE
        self._vad.accept_waveform(self._resampler.resample_chunk(samples).tolist())
        return [] if self._vad.empty() else self._take(Cut.SILENCE)

    def finish(self) -> list[Spoken]:
        """End the call; return the utterances that end with it."""
        self._vad.accept_waveform(self._resampler.resample_chunk(np.empty(0, np.float32), last=True).tolist())
        self._vad.flush()
        return self._take(Cut.END_OF_CALL)

    def _take(self, cut: Cut) -> list[Spoken]:
        found: list[Spoken] = []
        while not self._vad.empty():
            if self._is_analysed:
                segment = self._vad.front
                found.append(self._spoken(segment.start, np.array(segment.samples, np.float32), cut))
            self._vad.pop()
        return found

    def _spoken(self, start: int, samples: NDArray[np.float32], cut: Cut) -> Spoken:
        length_ms = round(len(samples) * 1000 / VAD_RATE_HZ)
        start_ms = round(start * 1000 / VAD_RATE_HZ)
        longest = length_ms >= SPEECH.max_utterance_ms
        return Spoken(
            channel=self._channel,
            start_ms=start_ms,
            end_ms=start_ms + length_ms,
            speech_ms=length_ms,  # it does not say how much of it
            cut=Cut.MAX_LENGTH if longest else cut,
            features=lambda: mfcc(samples[:: VAD_RATE_HZ // RATE_HZ], self._options),
        )


class Sherpa(Shape):
    """Segments out of C++."""

    name: ClassVar[str] = "sherpa"
    is_comparable: ClassVar[bool] = False

    def __init__(self, model: EmotionModel) -> None:
        super().__init__(model)
        parameters = model.card.features.parameters
        assert isinstance(parameters, MfccParameters), "this shape computes MFCCs; give it a model of kind mfcc/1"
        self._options = mfcc_options(parameters)

    def leg(self, channel: int, *, is_linear: bool, is_analysed: bool) -> Leg:
        """Return a fresh leg."""
        return SherpaLeg(channel, is_linear=is_linear, is_analysed=is_analysed, options=self._options)

    def warm_up(self) -> Features:
        """Return the features of a second of silence."""
        return mfcc(np.zeros(RATE_HZ, np.float32), self._options)


if __name__ == "__main__":
    main(Sherpa)
