"""An emotion model: the ONNX network, the card that says what it may be fed, and the verdict it comes to.

A model is a folder with `model.onnx` and `model.toml`. Loading reads both once, proves that they belong together and
to the features of this program, and refuses in words what does not; after that nothing here touches a file. One
utterance is one run, without padding or batch, so that a verdict never depends on what else was judged at the time and
is bit for bit the same live and in a replay. This file must never fall back to another model, guess a label, or let a
broken model look like silence.
"""

import hashlib
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streamer.emotion.calibrate import softmax
from streamer.errors import StreamerError
from streamer.features import FEATURES_KIND, MfccParameters, Prior, RollingMfcc, RunningNormaliser

LABELS: Final = ("neutral", "happy", "sad", "angry", "fear", "disgust")
"""The emotions an event's scores name, in the order of a network's outputs."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_STORES: Final = (_PACKAGE / "store", _PACKAGE.parent / "models" / "store")
"""Where models are looked for by name: inside the installed package, then beside it in a checkout."""


class ModelError(StreamerError):
    """A model cannot be used; the message says which, why, and what to do."""


class FeatureCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model was trained on, `[features]` of its card; the ONNX file carries the same as metadata."""

    kind: str
    """`streamer.features.FEATURES_KIND` at training."""
    mfcc: MfccParameters


class CalibrationCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How raw scores become probabilities, `[calibration]` of a model's card."""

    temperature: float
    uncertain_below: float
    """A verdict with less confidence is marked uncertain, 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse what cannot calibrate, by ValueError."""
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}, must be above 0 and finite")
        if not 0 <= self.uncertain_below <= 1:
            raise ValueError(f"uncertain_below is {self.uncertain_below}, must be between 0 and 1")


class ModelCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The card a program reads, `model.toml`."""

    name: str
    version: str
    sha256: str
    """Of `model.onnx`, 64 hexadecimal digits."""
    licence: str
    commercial_use: bool
    """Whether the licences of everything it was trained on allow its use at work."""
    labels: tuple[str, ...]
    features: FeatureCard
    normalisation: Prior
    calibration: CalibrationCard
    figures: dict[str, float]
    """What was measured, by name; shown, never computed with."""


class Verdict(msgspec.Struct, frozen=True):
    """What a model says of one utterance."""

    top: str
    confidence: float
    """The score of `top`."""
    uncertain: bool
    """True below the card's threshold: then `top` is the likeliest label and must not be acted upon."""
    scores: dict[str, float]
    """Calibrated probability of each label, rounded to four decimals."""


class EmotionModel:
    """A loaded model. May be shared by threads: a run changes nothing in it.

    Parameters
    ----------
    card
        What the model expects and how its scores are read.
    session
        ONNX Runtime session: input `features` float32[1, frames, coefficients], output float32[1, labels].
    """

    def __init__(self, card: ModelCard, session: onnxruntime.InferenceSession) -> None:
        self.card: Final = card
        self._session = session

    def new_features(self) -> RollingMfcc:
        """Return an empty rolling MFCC with this model's parameters, for one leg."""
        return RollingMfcc(self.card.features.mfcc)

    def new_normaliser(self) -> RunningNormaliser:
        """Return the normaliser of a caller who has not spoken yet."""
        return RunningNormaliser(self.card.normalisation)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's raw scores, float32[labels], for normalised features as `scores` takes them."""
        coefficients = self.card.features.mfcc.n_mfcc
        if features.dtype != np.float32 or features.ndim != 2 or features.shape[1] != coefficients or not len(features):
            raise ValueError(
                f"expected normalised features float32[1 or more frames, {coefficients}], "
                f"got {features.dtype} of shape {features.shape}"
            )
        output: NDArray[np.float32] = self._session.run(None, {"features": features[np.newaxis]})[0][0]
        if not np.isfinite(output).all():
            raise ModelError(f"model {self.card.name} {self.card.version} gave a score that is no finite number")
        return output

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the calibrated probability of each label.

        Parameters
        ----------
        features
            float32[frames, n_mfcc] of one utterance, at least one frame, normalised by the caller's statistics.

        Returns
        -------
        float64[labels]
            In the order of the card's labels; sums to 1.

        Raises
        ------
        ValueError
            When the features have another shape or type.
        ModelError
            When the network answers with something that is no number.
        """
        return softmax(self.logits(features), self.card.calibration.temperature)

    def verdict(self, features: NDArray[np.float32]) -> Verdict:
        """Return what this model says of an utterance; takes and raises what `scores` does."""
        scores = self.scores(features)
        rounded = [round(float(score), 4) for score in scores]
        best = int(scores.argmax())
        return Verdict(
            top=self.card.labels[best],
            confidence=rounded[best],
            uncertain=rounded[best] < self.card.calibration.uncertain_below,
            scores=dict(zip(self.card.labels, rounded, strict=True)),
        )


def locate(name_or_folder: str) -> Path:
    """Find a model's folder.

    Parameters
    ----------
    name_or_folder
        A folder with `model.toml` in it, or the name of a model of the store.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        When there is none; names the models there are.
    """
    places = [Path(name_or_folder)]
    if "/" not in name_or_folder and "\\" not in name_or_folder and name_or_folder not in {"", ".", ".."}:
        places += [store / name_or_folder for store in _STORES]
    for place in places:
        if (place / "model.toml").is_file():
            return place
    known = sorted({card.parent.name for store in _STORES for card in store.glob("*/model.toml")})
    raise ModelError(
        f"no model {name_or_folder!r}: neither a folder with a model.toml nor a name in the store, "
        f"which has {', '.join(known) or 'none'}"
    )


def load(folder: Path) -> EmotionModel:
    """Load a model and prove that its parts belong together.

    Parameters
    ----------
    folder
        With `model.toml` and `model.onnx`; `locate` finds it.

    Returns
    -------
    EmotionModel
        Ready to run on one core: one thread within and between operators, no spinning between runs.

    Raises
    ------
    ModelError
        When a file is missing or unreadable, the card has unknown, missing or wrong keys, the checksum, the labels,
        the features or the dimensions differ between card, network and this program.
    """
    card = _card(folder / "model.toml")
    network = _read(folder / "model.onnx")
    digest = hashlib.sha256(network).hexdigest()
    if digest != card.sha256.lower():
        raise ModelError(
            f"checksum of {folder / 'model.onnx'} is {digest}, its card says {card.sha256}: "
            "the file is damaged or from another version; install the model again"
        )
    session = _session(folder / "model.onnx", network)
    _agree(card, session)
    return EmotionModel(card, session)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; a model needs model.toml and model.onnx") from error


def _card(path: Path) -> ModelCard:
    try:
        return msgspec.toml.decode(_read(path), type=ModelCard)
    except msgspec.DecodeError as error:
        raise ModelError(f"the card {path} is wrong: {error}") from error


def _session(path: Path, network: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but Exception
        raise ModelError(f"ONNX Runtime cannot load {path}: {error}") from error


def _agree(card: ModelCard, session: onnxruntime.InferenceSession) -> None:
    """Raise ModelError unless card, network and this program mean the same."""
    who = f"model {card.name} {card.version}"
    if card.labels != LABELS:
        raise ModelError(f"{who} has the labels {', '.join(card.labels)}; this program needs {', '.join(LABELS)}")
    if card.features.kind != FEATURES_KIND:
        raise ModelError(
            f"{who} was trained on features {card.features.kind}, this program computes {FEATURES_KIND}: "
            "install the version of either that fits the other"
        )
    embedded = session.get_modelmeta().custom_metadata_map.get("features")
    if embedded is None:
        raise ModelError(f"{who}: the network carries no metadata `features`; export it again with models.export")
    try:
        trained_on = msgspec.json.decode(embedded, type=FeatureCard)
    except msgspec.DecodeError as error:
        raise ModelError(f"{who}: the network's metadata `features` is wrong: {error}") from error
    if trained_on != card.features:
        raise ModelError(f"{who}: features differ, the card says {card.features}, the network was given {trained_on}")
    if len(card.normalisation.mean) != card.features.mfcc.n_mfcc:
        raise ModelError(
            f"{who}: the prior has {len(card.normalisation.mean)} coefficients, "
            f"the features have {card.features.mfcc.n_mfcc}"
        )
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].name != "features" or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{one.name} {one.type}" for one in inputs)
        raise ModelError(f"{who}: the network takes {found}, must take one input: features tensor(float)")
    if len(inputs[0].shape) != 3 or inputs[0].shape[2] != card.features.mfcc.n_mfcc:
        raise ModelError(
            f"{who}: the network takes features of shape {inputs[0].shape}, "
            f"must take [1, frames, {card.features.mfcc.n_mfcc}]"
        )
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].shape[1] != len(LABELS):
        found = ", ".join(f"{one.name} {one.shape}" for one in outputs)
        raise ModelError(f"{who}: the network gives {found}, must give one output [1, {len(LABELS)}]")
