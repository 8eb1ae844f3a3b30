"""Mel-frequency cepstral coefficients that roll: the rolling log-mel spectrogram and a cosine transform of it.

For every way of cutting the same samples into chunks the frames equal `librosa.feature.mfcc(center=False)` on the whole
utterance within 1e-4 (where a coefficient is beyond 256, within four of the steps that single precision has there: the
sum behind it rounds as often), and one another bit for bit. What rolls, and why, stands in `streamer.features.log_mel`;
the transform is a small matrix product for the prefix that is asked for. This file must never normalise by a speaker,
decide what is speech, or read anything but its arguments.
"""

from typing import Final

import msgspec
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from streamer.features.log_mel import LogMelParameters, RollingLogMel


class MfccParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an MFCC is computed with, under librosa's own names; see `LogMelParameters`, which lacks `n_mfcc`."""

    rate_hz: int = 8000
    n_fft: int = 256
    win_length: int = 256
    hop_length: int = 80
    n_mels: int = 40
    n_mfcc: int = 40
    """Coefficients kept, the first ones."""
    fmin: float = 60.0
    fmax: float = 3800.0
    window: str = "hann"
    htk: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be computed.

        Raises
        ------
        ValueError
            Names the parameter, what it is and what it must be.
        """
        if not 1 <= self.n_mfcc <= self.log_mel.n_mels:
            raise ValueError(f"n_mfcc is {self.n_mfcc}, must be between 1 and n_mels = {self.n_mels}")

    @property
    def log_mel(self) -> LogMelParameters:
        """The spectrogram that is transformed."""
        arguments = msgspec.structs.asdict(self)
        del arguments["n_mfcc"]
        return LogMelParameters(**arguments)

    @property
    def n_features(self) -> int:
        """Numbers a frame has."""
        return self.n_mfcc

    def frames(self, n_samples: int) -> int:
        """Return how many complete frames `n_samples` samples hold; none when they are fewer than `n_fft`."""
        return self.log_mel.frames(n_samples)

    def for_librosa(self) -> dict[str, float | str | bool]:
        """Return the keyword arguments with which `librosa.feature.mfcc(y=samples, ...)` computes the same."""
        return {**self.log_mel.for_librosa(), "n_mfcc": self.n_mfcc}


class RollingMfcc:
    """MFCCs of one utterance while its samples arrive.

    Not safe for two threads at once; one object belongs to one utterance of one leg at a time.

    Parameters
    ----------
    parameters
        What to compute; the model's card carries them.
    """

    def __init__(self, parameters: MfccParameters) -> None:
        self.parameters: Final = parameters
        self._log_mel = RollingLogMel(parameters.log_mel)

    def reset(self) -> None:
        """Forget the utterance, so that the next pushed sample is the first of a new one."""
        self._log_mel.reset()

    @property
    def n_samples(self) -> int:
        """Samples pushed since the last reset."""
        return self._log_mel.n_samples

    @property
    def n_frames(self) -> int:
        """Complete frames in those samples."""
        return self._log_mel.n_frames

    def push(self, samples: NDArray[np.float32]) -> int:
        """Take the next samples of the utterance; takes, returns and raises what `RollingLogMel.push` does."""
        return self._log_mel.push(samples)

    def push_int16(self, samples: NDArray[np.int16]) -> int:
        """Take the next samples as a decoder gives them; all as `RollingLogMel.push_int16` does."""
        return self._log_mel.push_int16(samples)

    def features(self, n_samples: int | None = None) -> NDArray[np.float32]:
        """Return the coefficients of what was pushed, or of its beginning.

        Parameters
        ----------
        n_samples
            How many of the first samples count; all when None. An utterance's hangover is cut off this way.

        Returns
        -------
        float32[frames, n_mfcc]
            One row a frame, oldest first; the caller's own copy. No rows for less than `n_fft` samples.

        Raises
        ------
        ValueError
            When more samples are asked for than were pushed, or fewer than none.
        """
        rows = self._log_mel.features(n_samples)
        if not len(rows):
            return np.empty((0, self.parameters.n_mfcc), dtype=np.float32)
        coefficients: NDArray[np.float32] = scipy.fft.dct(rows, axis=-1, type=2, norm="ortho")
        return np.ascontiguousarray(coefficients[:, : self.parameters.n_mfcc])

    def mfcc(self, n_samples: int | None = None) -> NDArray[np.float32]:
        """Return `features(n_samples)`."""
        return self.features(n_samples)
