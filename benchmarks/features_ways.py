"""The ways to MFCCs that `benchmarks.features` measures: ours, and each peer as its own documents use it.

Every way is prepared once (imports, filter banks, windows) and then asked for the coefficients of some legs. A peer is
imported only where it is prepared, for it may not be installed. This file must never measure anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import librosa
import numpy as np
from numpy.typing import NDArray

from streamer.features import MfccParameters, RollingMfcc

RATE_HZ = 8000
CHUNK = RATE_HZ // 50

Samples = NDArray[np.int16]
Floats = NDArray[np.float32]


class Feed(NamedTuple):
    """The audio of some legs, cut before the clock runs."""

    parameters: MfccParameters
    whole: Samples
    """int16[legs, samples]."""
    scaled: Floats
    """The same in -1 to 1."""
    ticks: list[list[Samples]]
    """For each 20 ms, the chunk of each leg."""
    scaled_ticks: list[list[Floats]]
    """The same in -1 to 1."""

    @classmethod
    def of(cls, parameters: MfccParameters, whole: Samples) -> Feed:
        """Cut and convert."""
        scaled = whole.astype(np.float32) / 32768
        begins = range(0, whole.shape[1], CHUNK)

        def cut(audio: NDArray[Any]) -> list[list[NDArray[Any]]]:
            return [list(audio[:, begin : begin + CHUNK].copy()) for begin in begins]

        return cls(parameters, whole, scaled, cut(whole), cut(scaled))


Work = Callable[[Feed], Iterable[Floats]]


class Way(NamedTuple):
    """One way to MFCCs."""

    name: str
    package: str
    fed: str
    prepare: Callable[[MfccParameters], Work]
    """Import, filter banks, windows: once, before the clock runs."""
    crowd: bool = True
    """Whether it is run with 64 legs."""
    in_db: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    """Brings its coefficients to librosa's scale; None where they are others."""


def as_they_are(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is in librosa's scale already."""
    return found


def from_natural_logarithms(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coefficients of natural logarithms as those of decibels."""
    return found * (10 / math.log(10))


def rolling(parameters: MfccParameters) -> Work:
    """Prepare ours, fed int16."""

    def work(feed: Feed) -> Iterable[Floats]:
        legs = [RollingMfcc(parameters) for _ in feed.whole]
        for tick in feed.ticks:
            for leg, chunk in zip(legs, tick, strict=True):
                leg.push_int16(chunk)
        return [leg.features() for leg in legs]

    return work


def rolling_float(parameters: MfccParameters) -> Work:
    """Prepare ours, fed float32."""

    def work(feed: Feed) -> Iterable[Floats]:
        legs = [RollingMfcc(parameters) for _ in feed.whole]
        for tick in feed.scaled_ticks:
            for leg, chunk in zip(legs, tick, strict=True):
                leg.push(chunk)
        return [leg.features() for leg in legs]

    return work


def online_mfcc(convert: Callable[[Floats], Any]) -> Callable[[MfccParameters], Work]:
    """Return how kaldi-native-fbank is prepared whose chunks are converted so."""

    def prepare(parameters: MfccParameters) -> Work:
        import kaldi_native_fbank as knf  # noqa: PLC0415 - may be missing

        options = knf.MfccOptions()
        frame, mel = options.frame_opts, options.mel_opts
        frame.samp_freq = RATE_HZ
        frame.frame_length_ms = parameters.n_fft * 1000 / RATE_HZ
        frame.frame_shift_ms = parameters.hop_length * 1000 / RATE_HZ
        frame.window_type = "hann"
        frame.round_to_power_of_two = False
        frame.remove_dc_offset = False
        frame.preemph_coeff = 0
        frame.dither = 0
        mel.num_bins, mel.low_freq, mel.high_freq = parameters.n_mels, parameters.fmin, parameters.fmax
        mel.is_librosa = True
        options.num_ceps, options.use_energy, options.cepstral_lifter = parameters.n_mfcc, False, 0

        def work(feed: Feed) -> Iterable[Floats]:
            legs = [knf.OnlineMfcc(options) for _ in feed.whole]
            for tick in feed.scaled_ticks:
                for leg, chunk in zip(legs, tick, strict=True):
                    leg.accept_waveform(RATE_HZ, convert(chunk))
            return [np.stack([leg.get_frame(n) for n in range(leg.num_frames_ready)]) for leg in legs]

        return work

    return prepare


def librosa_whole(parameters: MfccParameters) -> Work:
    """Prepare librosa on whole recordings."""

    def work(feed: Feed) -> Iterable[Floats]:
        # Clipping at 80 dB below the loudest point goes by recording, so one after the other.
        return [librosa.feature.mfcc(y=one, **parameters.for_librosa()).T for one in feed.scaled]

    return work


def librosa_windows(parameters: MfccParameters) -> Work:
    """Prepare librosa over the last second at every chunk, as tutorials have it."""

    def work(feed: Feed) -> Iterable[Floats]:
        last = []
        for audio in feed.scaled:
            for end in range(CHUNK, len(audio) + 1, CHUNK):
                window = audio[max(0, end - RATE_HZ) : end]
                if len(window) >= parameters.n_fft:
                    found = librosa.feature.mfcc(y=window, **parameters.for_librosa())
            last.append(found.T)
        return last

    return work


def speech_features(parameters: MfccParameters) -> Work:
    """Prepare python_speech_features on whole recordings."""
    import python_speech_features as psf  # noqa: PLC0415 - may be missing

    def work(feed: Feed) -> Iterable[Floats]:
        return [
            psf.mfcc(
                one,
                samplerate=RATE_HZ,
                winlen=parameters.n_fft / RATE_HZ,
                winstep=parameters.hop_length / RATE_HZ,
                numcep=parameters.n_mfcc,
                nfilt=parameters.n_mels,
                nfft=parameters.n_fft,
                lowfreq=parameters.fmin,
                highfreq=parameters.fmax,
                preemph=0,
                ceplifter=0,
                appendEnergy=False,
                winfunc=np.hanning,
            )
            for one in feed.whole
        ]

    return work


def torch_transform(parameters: MfccParameters) -> Work:
    """Prepare torchaudio's own MFCC, all recordings at once."""
    import torch  # noqa: PLC0415 - may be missing
    import torchaudio  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    transform = torchaudio.transforms.MFCC(
        RATE_HZ,
        parameters.n_mfcc,
        melkwargs={
            "n_fft": parameters.n_fft,
            "win_length": parameters.win_length,
            "hop_length": parameters.hop_length,
            "n_mels": parameters.n_mels,
            "f_min": parameters.fmin,
            "f_max": parameters.fmax,
            "center": False,
            "norm": "slaney",
            "mel_scale": "slaney",
        },
    )

    def work(feed: Feed) -> Iterable[Floats]:
        with torch.inference_mode():
            found: NDArray[np.float32] = transform(torch.from_numpy(feed.scaled)).numpy()
            return found.transpose(0, 2, 1)

    return work


def torch_kaldi(parameters: MfccParameters) -> Work:
    """Prepare torchaudio's Kaldi-compliant MFCC; it takes one recording at a time."""
    import torch  # noqa: PLC0415 - may be missing
    import torchaudio  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    settings = {
        "sample_frequency": float(RATE_HZ),
        "frame_length": parameters.n_fft * 1000 / RATE_HZ,
        "frame_shift": parameters.hop_length * 1000 / RATE_HZ,
        "num_mel_bins": parameters.n_mels,
        "num_ceps": parameters.n_mfcc,
        "low_freq": parameters.fmin,
        "high_freq": parameters.fmax,
        "window_type": "hanning",
        "round_to_power_of_two": False,
        "remove_dc_offset": False,
        "preemphasis_coefficient": 0.0,
        "cepstral_lifter": 0.0,
    }

    def work(feed: Feed) -> Iterable[Floats]:
        with torch.inference_mode():
            legs = torch.from_numpy(feed.scaled)
            return [torchaudio.compliance.kaldi.mfcc(one[None], **settings).numpy() for one in legs]

    return work


WAYS = (
    Way("rolling, this repository", "", "20 ms, int16", rolling, in_db=as_they_are),
    Way("the same, fed floats", "", "20 ms, float32", rolling_float, in_db=as_they_are),
    Way(
        "kaldi-native-fbank `OnlineMfcc`, arrays",
        "kaldi-native-fbank",
        "20 ms, float32",
        online_mfcc(lambda chunk: chunk),
        in_db=from_natural_logarithms,
    ),
    Way(
        "kaldi-native-fbank `OnlineMfcc`, lists",
        "kaldi-native-fbank",
        "20 ms, a list made of them",
        online_mfcc(lambda chunk: chunk.tolist()),
        in_db=from_natural_logarithms,
    ),
    Way("librosa, the last second at every chunk", "librosa", "20 ms", librosa_windows, crowd=False),
    Way("librosa", "librosa", "whole", librosa_whole, in_db=as_they_are),
    Way("torchaudio `transforms.MFCC`", "torchaudio", "whole, all legs at once", torch_transform, in_db=as_they_are),
    Way("torchaudio `compliance.kaldi.mfcc`", "torchaudio", "whole", torch_kaldi),
    Way("python_speech_features", "python_speech_features", "whole", speech_features),
)
