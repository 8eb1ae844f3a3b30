"""The command that turns a trained network and its report into a model of the store.

    python -m models.export telephone --networks build/lab --version 2.0.0

Writes `model.onnx`, `model.toml`, `report.json`, `CARD.md` and its pictures below `models/store`, then loads the folder
as the server does and compares it with the network it came from. It must never invent a figure: all come from the
report.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models.card import write_card
from models.configuration import Configuration, ConfigurationError, names, read
from models.dataset import FRONT_END, in_whispers_units
from models.experiment import Trained, load
from models.judge import as_served, card_of, msgspec_builtins, rows_of
from models.network import Statistics, emotions, pack
from models.serving import Serving, to_onnx
from models.toml import to_toml
from models.vowels import babbling
from streamer.emotion.model import CalibrationCard
from streamer.emotion.model import load as load_model
from streamer.features import RollingLogMel

STORE: Final = Path(__file__).parent / "store"
EXACT: Final = 1e-3
"""How far a log-probability of the network may move when it is written for one utterance from the streamer's features;
nothing is rounded yet."""
HALVED: Final = 0.05
"""The same when it then becomes an ONNX graph whose weights are in half precision."""
ROUNDED: Final = 0.2
"""How far a probability may move where a rounded network gives another best label; where it moves further, the verdict
has strayed."""
STRAYED: Final = 4
"""Of how many voices the verdict may stray. 8-bit integers do that to one verdict in twenty or so, mostly of short
utterances whose emotion is open; what is wrong strays on most."""
HEARD_S: Final = (0.05, 0.5, 1.0, 3.0, 15.0) * 4
"""Lengths of the made-up voices, from a few frames to the longest utterance."""


class Checked(msgspec.Struct, frozen=True):
    """How an exported network compares with the one it came from, on made-up voices."""

    exact: float
    """Largest difference of a log-probability before anything is rounded or exported."""
    halved: float
    """The same between that and its ONNX graph in half precision, which is what ships or what is rounded further."""
    strayed: int
    """Of how many voices what ships gives another verdict."""
    difference: float
    """What rounding does to a verdict: the largest difference of a probability, mean over the voices."""
    ms_for_3_s: float
    """Median run on 3 s of speech, one thread."""

    @property
    def wrong(self) -> str:
        """What is wrong in words; empty when nothing is."""
        if not self.exact <= EXACT:
            return (
                f"as the server runs it the network gives a log-probability that is off by {self.exact:.2g}, must be "
                f"{EXACT:g} at most: models.serving and models.network compute different things"
            )
        if not self.halved <= HALVED:
            return (
                f"as an ONNX graph in half precision the network gives a log-probability that is off by "
                f"{self.halved:.2g}, must be {HALVED:g} at most: the graph computes something else"
            )
        if self.strayed > STRAYED:
            return (
                f"rounded, the network gives another verdict on {self.strayed} of {len(HEARD_S)} made-up voices, must "
                f"be {STRAYED} at most: look at `weights` of the configuration and at models.serving"
            )
        return ""


def check(trained: Trained, configuration: Configuration, folder: Path) -> Checked:
    """Load a model as the server does, compare it with its origin on made-up voices, and time it.

    The network as it was trained, and as it is written for the server, must agree as sums in another order do; its
    graph in half precision nearly so; and what ships must give the same verdicts but for a few. The last proves little
    of 8-bit integers by itself, which is why the graph is looked at before they come in. Voices are judged as a
    caller's first words; on telephones' tones and noise no network has a clear answer, and rounding does more.
    """
    model = load_model(folder)
    serving = Serving(trained.net, cepstral=configuration.front_end == "mfcc").eval()
    mean, std = model.new_normaliser().statistics()
    rng = np.random.default_rng(0)
    exact, halved, moved, strayed = [], [], [], 0
    unrounded = model
    if configuration.weights != "float16":
        with tempfile.TemporaryDirectory() as beside:
            unrounded = as_served(trained, msgspec.structs.replace(configuration, weights="float16"), Path(beside))
    for seconds in HEARD_S:
        voice = babbling(seconds, rng)
        features = rows_of(model, voice)
        with torch.inference_mode():
            given = (torch.from_numpy(one[np.newaxis]) for one in (features, mean, std))
            written = serving(*given)[0].numpy()[0]
        exported = model.run(features, mean, std)[0]
        exact.append(np.abs(written - _as_trained(trained, voice)).max())
        halved.append(np.abs(unrounded.run(features, mean, std)[0] - written).max())
        moved.append(np.abs(np.exp(exported) - np.exp(written)).max())
        strayed += exported.argmax() != written.argmax() and moved[-1] >= ROUNDED
    features = rows_of(model, babbling(3.0, rng))
    taken = []
    for _ in range(200):
        began = time.perf_counter()
        model.run(features, mean, std)
        taken.append(time.perf_counter() - began)
    return Checked(
        # The largest of all, and no number where one of them is none.
        exact=float(np.max(exact)),
        halved=float(np.max(halved)),
        strayed=int(strayed),
        difference=float(np.mean(moved)),
        ms_for_3_s=float(np.median(taken) * 1000),
    )


def _as_trained(trained: Trained, voice: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a network says of a caller's first utterance, log-probabilities float32[labels]."""
    net = trained.net
    front_end = RollingLogMel(FRONT_END)
    front_end.push(voice)
    packed = pack([in_whispers_units(front_end.features())])
    nothing = torch.zeros(1, net.shape.channels)
    with torch.inference_mode():
        tokens = net.encode(packed)
        before = Statistics(nothing[:, 0], nothing, nothing)
        normalised = net.normalise(tokens, packed.owner, before, trained.recipe.prior_weight)
        found: NDArray[np.float32] = emotions(net.classify(net.pool(normalised, packed))).numpy()[0]
    return found


def export(trained: Trained, configuration: Configuration, report: dict[str, Any], store: Path, version: str) -> None:
    """Write a model's folder from a network and its report."""
    store.mkdir(parents=True, exist_ok=True)
    path = store / "model.onnx"
    to_onnx(trained.net, configuration, path)
    card = card_of(
        trained,
        configuration,
        path,
        version=version,
        calibration=CalibrationCard(
            temperature=round(report["calibration"]["temperature"], 4),
            uncertain_below=round(report["calibration"]["uncertain_below"], 3),
        ),
        figures={name: round(value, 4) for name, value in report["headline"].items()},
    )
    header = "The card a program reads; written by models.export, never by hand."
    (store / "model.toml").write_text(to_toml(msgspec_builtins(card), header), encoding="utf-8")
    (store / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.export",
        description="Write a model folder (model.onnx, model.toml, CARD.md with pictures, report.json) and check it.",
        epilog="example: python -m models.export telephone --networks build/lab --version 2.0.0",
    )
    parser.add_argument("model", choices=names(), help="which configuration of models/configurations")
    parser.add_argument("--networks", type=Path, required=True, help="folder with MODEL/fold-0.pt and report.json")
    parser.add_argument("--version", required=True, help="of the model")
    parser.add_argument("--store", type=Path, default=STORE, help="folder that gets MODEL/ (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        configuration = read(arguments.model)
        trained = load(arguments.networks / configuration.name / "fold-0.pt")
        path = arguments.networks / configuration.name / "report.json"
        report = json.loads(path.read_text(encoding="utf-8"))
    except (ConfigurationError, OSError) as problem:
        sys.exit(f"error: {problem}; run models.train and models.evaluate first")
    folder = arguments.store / configuration.name
    export(trained, configuration, report, folder, arguments.version)
    checked = check(trained, configuration, folder)
    if checked.wrong:
        sys.exit(f"error: {folder}: {checked.wrong}")
    size = (folder / "model.onnx").stat().st_size
    about = {
        "name": configuration.name,
        "version": arguments.version,
        "configuration": msgspec.to_builtins(configuration),
        "parameters": sum(one.numel() for one in trained.net.parameters()),
        "size_bytes": size,
        "ms_for_3_s": checked.ms_for_3_s,
        "difference": checked.difference,
        "licence": configuration.licence,
        "corpora": report["read"],
    }
    write_card(report, about, folder)
    print(
        f"wrote {folder}: {size / 1e6:.2f} MB, {checked.ms_for_3_s:.2f} ms for 3 s of speech on one core, "
        f"rounding moves a probability by {checked.difference:.2g}"
    )


if __name__ == "__main__":
    main()
