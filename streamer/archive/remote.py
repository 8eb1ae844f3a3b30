"""A worker on another machine: what it is sent, and the proof that it comes to the same verdicts as this machine.

All that decides a verdict is shipped in one parcel: the network, its card, the settings of speech and emotion, and the
secret of pseudonyms where there is one; no other setting and no audio. Recordings are read where the worker is, by the
paths they have here. Before the first recording each worker analyses the call that ships with the package, and what
comes out must be, byte for byte, what came out here. This file must never import an engine, nor raise across a wire:
what goes wrong is said in a value.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec
from streamer_client.recordings.finding import Source
from streamer_client.recordings.metadata import Row

from streamer import __version__
from streamer.archive.analysis import Analysed, Analyst, Job
from streamer.archive.engine import Begun, Refused
from streamer.archive.pool import result_of
from streamer.archive.ways import Ways
from streamer.config import EmotionSettings, Settings, SpeechSettings
from streamer.emotion.model import load, locate
from streamer.errors import StreamerError
from streamer.leg import warm_up

PROOF: Final = Path(__file__).parent.parent / "demo" / "call.flac"
_LIBRARIES: Final = ("numpy", "onnxruntime", "scipy", "soxr", "soundfile", "webrtcvad-wheels")
"""On which the bits of a verdict may depend."""


class Unseen(msgspec.Struct, frozen=True):
    """A worker cannot read what it was told to."""

    node: str
    path: Path
    reason: str


class Parcel(msgspec.Struct, frozen=True):
    """All that a worker needs, but recordings."""

    card: bytes
    """`model.toml`."""
    network: bytes
    """`model.onnx`."""
    speech: SpeechSettings
    emotion: EmotionSettings
    ways: Ways
    salt: bytes | None
    libraries: dict[str, str]
    """Versions of what the bits of a verdict may depend on, here."""
    proof: str = ""
    """What comes out of `prove` here."""

    @classmethod
    def of(cls, settings: Settings, ways: Ways, salt: bytes | None) -> Parcel:
        """Pack, with the proof.

        Raises
        ------
        StreamerError
            The model cannot be read, or is no longer that of `ways`.
        """
        folder = locate(settings.emotion.model)
        try:
            card, network = ((folder / name).read_bytes() for name in ("model.toml", "model.onnx"))
        except OSError as problem:
            raise StreamerError(f"cannot read the model in {folder}: {problem.strerror or problem}") from problem
        parcel = cls(card, network, settings.speech, settings.emotion, ways, salt, libraries())
        return msgspec.structs.replace(parcel, proof=prove(parcel.analyst()))

    @classmethod
    def unpack(cls, packed: bytes) -> Parcel:
        """Take what `packed` gave, of the same version of this program."""
        return msgspec.msgpack.decode(packed, type=cls)

    @property
    def packed(self) -> bytes:
        """As bytes."""
        return msgspec.msgpack.encode(self)

    def analyst(self) -> Analyst:
        """Make whoever analyses; leaves no file behind."""
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            (Path(folder) / "model.toml").write_bytes(self.card)
            (Path(folder) / "model.onnx").write_bytes(self.network)
            model = load(Path(folder))
        if model.card.sha256 != self.ways.model_sha256:
            raise StreamerError("the model changed while it was being read; give the same command again")
        warm_up(model)
        settings = Settings(node="archive", speech=self.speech, emotion=self.emotion)
        return Analyst(settings, model, self.ways, self.salt)


def prove(analyst: Analyst) -> str:
    """Return what the call that ships comes to, 64 hexadecimal digits that follow from every byte of its events."""
    row = Row(roles=("customer", "agent"), notice=True)
    analysed = analyst.analyse(Job(Source((PROOF,), PROOF.stem), PROOF.stem, row))
    return hashlib.sha256(msgspec.msgpack.encode(analysed)).hexdigest()


def libraries() -> dict[str, str]:
    """Return the versions of what the bits of a verdict may depend on, in this process."""
    return {name: _version(name) for name in _LIBRARIES}


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """Return in words which versions differ, or that it must be something else."""
    found = [f"{name} {there.get(name)} (here {have})" for name, have in here.items() if there.get(name) != have]
    return ", ".join(found) or "the same libraries, so probably another kind of processor"


class Remote:
    """A worker where it works. One recording at a time.

    Parameters
    ----------
    program
        Version of the program that sends the work; looked at before anything else is opened.
    packed
        The parcel.
    """

    def __init__(self, program: str, packed: bytes) -> None:
        self._program = program
        self._packed = packed
        self._analyst: Analyst | None = None
        self._node = platform.node() or "unknown"

    def begin(self) -> Begun | Refused:
        """Make ready, or say why this worker must not work."""
        if self._program != __version__:
            return self._refusal(f"has emotion-streamer {__version__}, this machine {self._program}: install the same")
        try:
            parcel = Parcel.unpack(self._packed)
            analyst = parcel.analyst()
            proof = prove(analyst)
        except (StreamerError, OSError, msgspec.DecodeError) as problem:
            return self._refusal(f"cannot begin: {problem}")
        if proof != parcel.proof:
            return self._refusal(
                "comes to other verdicts on the call that ships with this program than this machine: "
                f"{differences(parcel.libraries, libraries())}. Run on nodes that are alike, and start from one"
            )
        self._packed = b""
        self._analyst = analyst
        return Begun()

    def analyse(self, job: Job) -> Analysed | Unseen | str:
        """Return the result of a job, why there is none, or that this node does not see the recording."""
        if self._analyst is None:
            raise RuntimeError("a worker that has not begun was given a job: a defect of ours")
        for path in job.source.paths:
            try:
                path.open("rb").close()
            except OSError as problem:
                return Unseen(self._node, path, (problem.strerror or str(problem)).lower())
        return result_of(self._analyst, job)

    def _refusal(self, why: str) -> Refused:
        return Refused(f"node {self._node} {why}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
