"""An emotion model: the ONNX network, the card that says what it may be fed, and the verdict it comes to.

A model is a folder with `model.onnx` and `model.toml`. Loading reads both once, proves that they belong together and
to the features of this program, and refuses in words what does not; after that nothing here touches a file. One
utterance is one run, without padding or batch, so that a verdict never depends on what else was judged at the time and
is bit for bit the same live and in a replay. This file must never fall back to another model, guess a label, or let a
broken model look like silence.

What a network takes and gives, whatever is inside. D is the width of the layer that is normalised by the caller's own
statistics, the input or a hidden one:

    features  float32[1, frames, n]   rows of the front end as they are
    mean, std float32[1, D]           the caller's statistics so far, the prior blended in
    logits    float32[1, labels]
    weight    float32[1]              how many frames this utterance counts as, 0 or more
    total     float32[1, D]           sum over these frames in the layer that is normalised
    squares   float32[1, D]           sum of their squares
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streamer.emotion.calibrate import softmax
from streamer.errors import StreamerError
from streamer.features import (
    FEATURES_KIND,
    LOG_MEL_KIND,
    FrontEnd,
    LogMelParameters,
    MfccParameters,
    Moments,
    Prior,
    RollingLogMel,
    RollingMfcc,
    RunningNormaliser,
)

LABELS: Final = ("neutral", "happy", "sad", "angry", "fear", "disgust")
"""The emotions an event's scores name, in the order of a network's outputs."""
SURPRISE: Final = "surprise"
"""The seventh label, behind the others, of models that were trained on corpora which have it."""

_OUTPUTS: Final = ("logits", "weight", "total", "squares")

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_STORES: Final = (_PACKAGE / "store", _PACKAGE.parent / "models" / "store")
"""Where models are looked for by name: inside the installed package, then beside it in a checkout."""


class _Tensor(Protocol):
    """An input or output as ONNX Runtime describes it."""

    name: str
    type: str
    shape: list[int | str | None]


class ModelError(StreamerError):
    """A model cannot be used; the message says which, why, and what to do."""


class FeatureCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model was trained on, `[features]` of its card; the ONNX file carries the same as metadata."""

    kind: str
    """`FEATURES_KIND` or `LOG_MEL_KIND` of `streamer.features` at training."""
    mfcc: MfccParameters | None = None
    """Of the kind "mfcc/1" only."""
    log_mel: LogMelParameters | None = None
    """Of the kind "log-mel/1" only."""

    def __post_init__(self) -> None:
        """Refuse tables that do not fit the kind, by ValueError; another version's kind is the loader's to refuse."""
        given = [name for name, table in (("mfcc", self.mfcc), ("log_mel", self.log_mel)) if table is not None]
        needed = {FEATURES_KIND: ["mfcc"], LOG_MEL_KIND: ["log_mel"]}.get(self.kind, given)
        if given != needed or len(given) != 1:
            found = " and ".join(f"[features.{name}]" for name in given) or "none"
            wanted = " or ".join(f"[features.{name}]" for name in needed or ("mfcc", "log_mel"))
            raise ValueError(f"features of kind {self.kind} need exactly one table, {wanted}; got {found}")

    @property
    def parameters(self) -> MfccParameters | LogMelParameters:
        """The one table that is there."""
        if self.mfcc is not None:
            return self.mfcc
        if self.log_mel is not None:
            return self.log_mel
        raise ValueError("features without a table cannot be made")

    @property
    def n_features(self) -> int:
        """Numbers a frame has."""
        return self.parameters.n_features

    def front_end(self) -> FrontEnd:
        """Return what computes these features, empty."""
        found = self.parameters
        return RollingMfcc(found) if isinstance(found, MfccParameters) else RollingLogMel(found)


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

    @property
    def restriction(self) -> str | None:
        """What whoever runs this model must be told of its licence, a sentence; None where work is allowed."""
        if self.commercial_use:
            return None
        return f"model {self.name} {self.version} may be used for research only, not at work: licence {self.licence}"


class Verdict(msgspec.Struct, frozen=True):
    """What a model says of one utterance."""

    top: str
    confidence: float
    """The score of `top`."""
    uncertain: bool
    """True below the card's threshold: then `top` is the likeliest label and must not be acted upon."""
    scores: dict[str, float]
    """Calibrated probability of each label, rounded to four decimals."""


class Judgement(msgspec.Struct, frozen=True, eq=False):
    """What one run of a model gives."""

    verdict: Verdict
    moments: Moments
    """What the utterance adds to its caller's statistics, if it is to count."""


class EmotionModel:
    """A loaded model. May be shared by threads: a run changes nothing in it.

    Parameters
    ----------
    card
        What the model expects and how its scores are read.
    session
        ONNX Runtime session with the inputs and outputs that stand at the top of this file.
    """

    def __init__(self, card: ModelCard, session: onnxruntime.InferenceSession) -> None:
        self.card: Final = card
        self._session = session

    def new_features(self) -> FrontEnd:
        """Return an empty front end with this model's parameters, for one utterance."""
        return self.card.features.front_end()

    def new_normaliser(self) -> RunningNormaliser:
        """Return the statistics of a caller who has not spoken yet."""
        return RunningNormaliser(self.card.normalisation)

    def run(
        self, features: NDArray[np.float32], mean: NDArray[np.float32], std: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], Moments]:
        """Run the network once.

        Parameters
        ----------
        features
            float32[frames, n_features] of one utterance as the front end gives them, at least one frame.
        mean, std
            float32[D], the caller's statistics, D as many as the card's prior has.

        Returns
        -------
        logits, moments
            float32[labels], raw, in the order of the card's labels; what the utterance adds to the statistics.

        Raises
        ------
        ValueError
            When the features or the statistics have another shape or type.
        ModelError
            When the network answers with another shape or something that is no number.
        """
        width, layer = self.card.features.n_features, len(self.card.normalisation.mean)
        if features.dtype != np.float32 or features.ndim != 2 or features.shape[1] != width or not len(features):
            raise ValueError(
                f"expected features float32[1 or more frames, {width}], got {features.dtype} of shape {features.shape}"
            )
        for name, one in (("mean", mean), ("std", std)):
            if one.dtype != np.float32 or one.shape != (layer,):
                raise ValueError(f"expected {name} float32[{layer}], got {one.dtype} of shape {one.shape}")
        given = {"features": features[np.newaxis], "mean": mean[np.newaxis], "std": std[np.newaxis]}
        logits, weight, total, squares = self._session.run(list(_OUTPUTS), given)
        who = f"model {self.card.name} {self.card.version}"
        for name, one, shape in (
            ("logits", logits, (1, len(self.card.labels))),
            ("weight", weight, (1,)),
            ("total", total, (1, layer)),
            ("squares", squares, (1, layer)),
        ):
            if one.shape != shape:
                raise ModelError(f"{who} gave {name} of shape {one.shape}, must give {shape}; export it again")
            if not np.isfinite(one).all():
                raise ModelError(f"{who} gave {name} that are no finite numbers")
        if weight[0] < 0:
            raise ModelError(f"{who} gave an utterance the weight {weight[0]:g}, must be 0 or more")
        return logits[0], Moments(float(weight[0]), total[0].astype(np.float64), squares[0].astype(np.float64))

    def judge(self, features: NDArray[np.float32], caller: RunningNormaliser) -> Judgement:
        """Return what this model says of an utterance, in one run.

        Parameters
        ----------
        features
            float32[frames, n_features] as `run` takes them.
        caller
            What its speaker has said before in this call; is not changed. `caller.remember(judgement.moments)` lets
            the utterance count for the next.

        Returns
        -------
        Judgement
            Scores are calibrated probabilities.

        Raises
        ------
        ValueError, ModelError
            As `run` does.
        """
        logits, moments = self.run(features, *caller.statistics())
        scores = softmax(logits, self.card.calibration.temperature)
        rounded = [round(float(score), 4) for score in scores]
        best = int(scores.argmax())
        verdict = Verdict(
            top=self.card.labels[best],
            confidence=rounded[best],
            uncertain=rounded[best] < self.card.calibration.uncertain_below,
            scores=dict(zip(self.card.labels, rounded, strict=True)),
        )
        return Judgement(verdict, moments)


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


def load(folder: Path, *, for_events: bool = True) -> EmotionModel:
    """Load a model and prove that its parts belong together.

    Parameters
    ----------
    folder
        With `model.toml` and `model.onnx`; `locate` finds it.
    for_events
        Whether its labels must be those that events know; the laboratory also judges networks that never ship.

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
    if for_events:
        _can_be_said(card)
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


def _can_be_said(card: ModelCard) -> None:
    """Raise ModelError unless a model answers what events know."""
    if card.labels not in (LABELS, (*LABELS, SURPRISE)):
        raise ModelError(
            f"model {card.name} {card.version} has the labels {', '.join(card.labels)}; this program needs "
            f"{', '.join(LABELS)}, and {SURPRISE} as the seventh or not at all"
        )


def _agree(card: ModelCard, session: onnxruntime.InferenceSession) -> None:
    """Raise ModelError unless card, network and this program mean the same."""
    who = f"model {card.name} {card.version}"
    if card.features.kind not in (FEATURES_KIND, LOG_MEL_KIND):
        raise ModelError(
            f"{who} was trained on features {card.features.kind}, this program computes {FEATURES_KIND} and "
            f"{LOG_MEL_KIND}: install the version of either that fits the other"
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
    layer = len(card.normalisation.mean)
    takes = {"features": (1, None, card.features.n_features), "mean": (1, layer), "std": (1, layer)}
    gives = {"logits": (1, len(card.labels)), "weight": (1,), "total": (1, layer), "squares": (1, layer)}
    _fits(who, "takes", session.get_inputs(), takes)
    _fits(who, "gives", session.get_outputs(), gives)


def _fits(who: str, verb: str, found: Sequence[_Tensor], wanted: Mapping[str, tuple[int | None, ...]]) -> None:
    """Raise ModelError unless a network has these tensors, in any order; sizes left open are proved by each run."""

    def fits(one: _Tensor) -> bool:
        shape = wanted.get(one.name)
        if shape is None or one.type != "tensor(float)" or len(one.shape) != len(shape):
            return False
        return all(
            not isinstance(size, int) or need in (None, size) for size, need in zip(one.shape, shape, strict=True)
        )

    if len(found) != len(wanted) or not all(fits(one) for one in found):
        has = ", ".join(f"{one.name} {one.type} {one.shape}" for one in found)
        needs = ", ".join(
            f"{name} tensor(float) [{', '.join('frames' if size is None else str(size) for size in shape)}]"
            for name, shape in wanted.items()
        )
        raise ModelError(f"{who}: the network {verb} {has}; must be {needs}: export it again with models.export")
