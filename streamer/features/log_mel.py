"""The log-mel spectrogram that rolls: fed any chunks, exact at any moment.

For every way of cutting the same samples into chunks the frames equal librosa's `melspectrogram(center=False)` and
`power_to_db` on the whole utterance within 1e-4 dB, and one another bit for bit. Each frame is transformed once,
however small the chunks are. This file must never normalise by a speaker, decide what is speech, or read anything but
its arguments.

Theory of operation. librosa clips the spectrogram at 80 dB below the loudest point *of the whole utterance*, so a row
may still change while the utterance grows. What can be finished is the unclipped row of a frame; rows are kept as they
come, and clipping is done for the prefix that is asked for. Like librosa, windowing and FFT run in double precision.

A call into NumPy costs as much as several frames, and a chunk of 20 ms completes two. So samples only wait at first;
rows are computed `BLOCK` frames at a time, or when they are asked for. A row must not depend, in any bit, on the frames
it is computed with. That rules out a BLAS product, which adds in another order for each shape. What is used instead
rounds each number by itself, wherever it stands in an array: the transform of a row, sums and products of pairs, and a
sparse product with the filter bank that adds the few bins of a band one after the other.

Whisper hears 16 kHz. Nothing above 4 kHz exists on a telephone line, so its front end is computed here at 8 kHz, with
the same frames in time, the same bins of 40 Hz and the lower 61 of its 80 bands: see `LogMelParameters.whisper`.
"""

import math
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
import scipy.fft
import scipy.signal
import scipy.sparse
from numpy.typing import NDArray

TOP_DB: Final = 80.0
"""How far below the loudest point of the utterance the spectrogram is clipped, in dB (librosa's default)."""
BLOCK: Final = 128
"""Frames computed at once, of 1.3 s. Half as many cost 12 % more each; more hardly cost less, but are waited for."""
_POWER_FLOOR: Final = np.float32(1e-10)
"""The least power that has a logarithm here (librosa's `amin`)."""
_FLOAT32: Final = np.dtype(np.float32)
_INT16: Final = np.dtype(np.int16)
_INT16_STEP: Final = np.float32(1 / 32768)
"""A power of two, so that going over from one to the other rounds nothing."""

_WHISPER_BANDS: Final = 80
_WHISPER_TOP_HZ: Final = 8000.0
_WHISPER_BANDS_KEPT: Final = 61
"""All that end below 4 kHz; the next ends at 4007 Hz."""


def _slaney_mel(frequency_hz: float) -> float:
    """Return a frequency of at least 1 kHz in mels: linear below, logarithmic above (M. Slaney, Auditory Toolbox)."""
    return 15.0 + 27.0 * math.log(frequency_hz / 1000.0) / math.log(6.4)


def _slaney_hz(mel: float) -> float:
    """Return what has so many mels, at least 15, in Hz."""
    return 1000.0 * math.pow(6.4, (mel - 15.0) / 27.0)


WHISPER_FMAX_HZ: Final = _slaney_hz(_slaney_mel(_WHISPER_TOP_HZ) * (_WHISPER_BANDS_KEPT + 1) / (_WHISPER_BANDS + 1))
"""Where the 61st of Whisper's 80 bands ends, about 3856 Hz: 82 points at equal mels from 0 to 8 kHz bound them all."""


class LogMelParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a log-mel spectrogram is computed with, under librosa's own names (`rate_hz` is its `sr`)."""

    rate_hz: int = 8000
    n_fft: int = 256
    """Samples a frame covers."""
    win_length: int = 256
    """Samples of the window in the middle of a frame."""
    hop_length: int = 80
    """Samples from the start of one frame to the start of the next."""
    n_mels: int = 40
    fmin: float = 60.0
    """Lowest frequency of the filter bank, Hz."""
    fmax: float = 3800.0
    """Highest frequency of the filter bank, Hz."""
    window: str = "hann"
    htk: bool = False
    """Whether mels follow HTK's formula instead of Slaney's."""

    def __post_init__(self) -> None:
        """Refuse what cannot be computed.

        Raises
        ------
        ValueError
            Names the parameter, what it is and what it must be.
        """
        if not 1 <= self.win_length <= self.n_fft:
            raise ValueError(f"win_length is {self.win_length}, must be between 1 and n_fft = {self.n_fft}")
        if not 1 <= self.hop_length <= self.n_fft:
            raise ValueError(f"hop_length is {self.hop_length}, must be between 1 and n_fft = {self.n_fft}")
        if self.n_mels < 1:
            raise ValueError(f"n_mels is {self.n_mels}, must be 1 or more")
        if not 0 <= self.fmin < self.fmax <= self.rate_hz / 2:
            raise ValueError(
                f"fmin = {self.fmin:g} and fmax = {self.fmax:g} must rise and lie between 0 and {self.rate_hz / 2:g} Hz"
            )

    @classmethod
    def whisper(cls) -> "LogMelParameters":
        """Return Whisper's front end as far as telephone audio reaches: 25 ms every 10 ms, 61 bands, at 8 kHz.

        Power is a quarter of what Whisper computes from the same sound at 16 kHz, for a frame sums half as many
        samples. So with `db` of `RollingLogMel.features` its input is `(db / 10 + log10(4) + 4) / 4`, in bands 1 to 61.

        References
        ----------
        OpenAI Whisper, `whisper/audio.py`: `log_mel_spectrogram` (16 kHz, 400 samples every 160, 80 Slaney mels).
        """
        return cls(n_fft=200, win_length=200, n_mels=_WHISPER_BANDS_KEPT, fmin=0.0, fmax=WHISPER_FMAX_HZ)

    @property
    def n_features(self) -> int:
        """Numbers a frame has."""
        return self.n_mels

    def frames(self, n_samples: int) -> int:
        """Return how many complete frames `n_samples` samples hold; none when they are fewer than `n_fft`."""
        return 0 if n_samples < self.n_fft else 1 + (n_samples - self.n_fft) // self.hop_length

    def for_librosa(self) -> dict[str, float | str | bool]:
        """Return the keyword arguments with which `librosa.feature.melspectrogram(y=samples, ...)` takes the same."""
        arguments = msgspec.structs.asdict(self)
        return {"sr": arguments.pop("rate_hz"), "center": False, **arguments}


@lru_cache(maxsize=16)
def _filter_bank(parameters: LogMelParameters) -> scipy.sparse.csr_array:
    """Return librosa's mel filter bank, float32[n_mels, 1 + n_fft / 2], computed once for each set of parameters."""
    from librosa.filters import mel  # noqa: PLC0415 - a second of import that only who computes features shall pay

    return scipy.sparse.csr_array(
        mel(
            sr=parameters.rate_hz,
            n_fft=parameters.n_fft,
            n_mels=parameters.n_mels,
            fmin=parameters.fmin,
            fmax=parameters.fmax,
            htk=parameters.htk,
        )
    )


@lru_cache(maxsize=32)
def _window(parameters: LogMelParameters, samples: np.dtype[Any]) -> NDArray[np.float64]:
    """Return the window for float32 or int16, float64[n_fft]: periodic, in the middle of the frame, zeros around it."""
    window: NDArray[np.float64] = scipy.signal.get_window(parameters.window, parameters.win_length, fftbins=True)
    before = (parameters.n_fft - parameters.win_length) // 2
    padded = np.pad(window, (before, parameters.n_fft - parameters.win_length - before))
    if samples == _INT16:
        padded *= _INT16_STEP
    padded.setflags(write=False)
    return padded


class RollingLogMel:
    """The log-mel spectrogram of one utterance while its samples arrive.

    Not safe for two threads at once; one object belongs to one utterance of one leg at a time.

    Parameters
    ----------
    parameters
        What to compute; the model's card carries them.
    """

    def __init__(self, parameters: LogMelParameters) -> None:
        self.parameters: Final = parameters
        self._bank = _filter_bank(parameters)
        self.reset()

    def reset(self) -> None:
        """Forget the utterance, so that the next pushed sample is the first of a new one."""
        self._n_samples = 0
        self._n_frames = 0
        self._n_computed = 0
        self._waiting = bytearray()
        """Samples from the first frame that is not computed, as they came: int16 until the first float."""
        self._waiting_type: np.dtype[Any] = _INT16
        self._blocks: list[NDArray[np.float32]] = []
        """Unclipped rows, as they were computed."""

    @property
    def n_samples(self) -> int:
        """Samples pushed since the last reset."""
        return self._n_samples

    @property
    def n_frames(self) -> int:
        """Complete frames in those samples."""
        return self._n_frames

    def push(self, samples: NDArray[np.float32]) -> int:
        """Take the next samples of the utterance.

        Parameters
        ----------
        samples
            float32[n] in -1 to 1, any n, also 0. They are copied.

        Returns
        -------
        int
            How many frames these samples completed.

        Raises
        ------
        ValueError
            When the samples are not one-dimensional float32, or one of them is no finite number, or so large that no
            decoder can have given it. Nothing was taken.
        """
        if samples.dtype != _FLOAT32 or samples.ndim != 1:
            raise ValueError(f"expected float32[n] samples, got {samples.dtype} with {samples.ndim} dimensions")
        if not math.isfinite(samples.dot(samples)):  # a third of the time of np.isfinite(samples).all()
            raise ValueError(
                "a sample is infinite, not a number or beyond 1e18; the decoder in front of the features is broken"
            )
        if self._waiting_type is not _FLOAT32:
            self._waiting = bytearray((np.frombuffer(self._waiting, _INT16) * _INT16_STEP).tobytes())
            self._waiting_type = _FLOAT32
        return self._take(samples)

    def push_int16(self, samples: NDArray[np.int16]) -> int:
        """Take the next samples as a decoder gives them: the same rows bit for bit as `push(samples / 32768)`, cheaper.

        Parameters
        ----------
        samples
            int16[n], any n, also 0. They are copied.

        Returns
        -------
        int
            How many frames these samples completed.

        Raises
        ------
        ValueError
            When the samples are not one-dimensional int16. Nothing was taken.
        """
        if samples.dtype != _INT16 or samples.ndim != 1:
            raise ValueError(f"expected int16[n] samples, got {samples.dtype} with {samples.ndim} dimensions")
        return self._take(samples if self._waiting_type is _INT16 else samples * _INT16_STEP)

    def features(self, n_samples: int | None = None) -> NDArray[np.float32]:
        """Return the spectrogram of what was pushed, or of its beginning.

        Parameters
        ----------
        n_samples
            How many of the first samples count; all when None. An utterance's hangover is cut off this way.

        Returns
        -------
        float32[frames, n_mels]
            In dB of power, clipped 80 dB below the loudest point of these frames; one row a frame, oldest first; the
            caller's own copy. No rows for less than `n_fft` samples.

        Raises
        ------
        ValueError
            When more samples are asked for than were pushed, or fewer than none.
        """
        asked = self._n_samples if n_samples is None else n_samples
        if not 0 <= asked <= self._n_samples:
            raise ValueError(f"asked for the first {asked} samples of an utterance of {self._n_samples}")
        n_frames = self.parameters.frames(asked)
        if not n_frames:
            return np.empty((0, self.parameters.n_mels), dtype=np.float32)
        if n_frames > self._n_computed:
            self._compute(n_frames - self._n_computed)
        rows = np.concatenate(self._blocks)[:n_frames]
        np.maximum(rows, rows.max() - np.float32(TOP_DB), out=rows)
        return rows

    def _take(self, samples: NDArray[np.int16] | NDArray[np.float32]) -> int:
        """Let samples wait, and compute the blocks that they complete; return how many frames they completed."""
        before = self._n_frames
        self._waiting += samples.tobytes()
        self._n_samples += len(samples)
        self._n_frames = self.parameters.frames(self._n_samples)
        complete = self._n_frames - self._n_computed
        if complete >= BLOCK:
            self._compute(complete // BLOCK * BLOCK)
        return self._n_frames - before

    def _compute(self, n_frames: int) -> None:
        """Compute the next frames, a block at a time, and let go of the samples that no other frame covers."""
        hop = self.parameters.hop_length
        samples = np.frombuffer(self._waiting, self._waiting_type)
        for begin in range(0, n_frames, BLOCK):
            self._blocks.append(self._log_mel(samples[begin * hop :], min(BLOCK, n_frames - begin)))
        self._n_computed += n_frames
        self._waiting = bytearray(samples[n_frames * hop :].tobytes())

    def _log_mel(self, samples: NDArray[np.int16] | NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
        """Return the unclipped log-mel rows of the first frames of `samples`, float32[n_frames, n_mels] in dB."""
        step = self.parameters.hop_length * samples.itemsize
        frames = np.ndarray((n_frames, self.parameters.n_fft), samples.dtype, samples, 0, (step, samples.itemsize))
        spectrum = scipy.fft.rfft(_window(self.parameters, samples.dtype) * frames, axis=-1)
        parts = spectrum.T.astype(np.complex64, order="C").view(np.float32)  # [bins, 2 n_frames], as the bank takes it
        np.square(parts, out=parts)
        mel = self._bank @ (parts[:, ::2] + parts[:, 1::2])
        return np.ascontiguousarray(np.float32(10) * np.log10(np.maximum(_POWER_FLOOR, mel)).T)
