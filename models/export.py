"""The command that turns a trained network and its report into a model of the store.

    python -m models.export --network build/lab/fold-0.pt --report build/lab/report.json --store models/store/telephone

Writes `model.onnx`, `model.toml`, `report.json` and the figures in `CARD.md`, then loads the folder as the server does
and compares it with the network it came from. It must never invent a figure: all come from the report.
"""

import argparse
import hashlib
import json
import time
import warnings
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import onnx
import torch

from models.card import write_card
from models.experiment import Trained, load
from models.toml import to_toml
from streamer.emotion.model import LABELS, CalibrationCard, FeatureCard, ModelCard
from streamer.emotion.model import load as load_model
from streamer.features import FEATURES_KIND

OPSET: Final = 17


def to_onnx(trained: Trained, path: Path) -> None:
    """Write a network as ONNX: input `features` float32[1, frames, n_mfcc], output `logits` float32[1, labels].

    The parameters of the features go into its metadata, so that card and network can be held against each other.
    """
    example = torch.zeros(1, 100, trained.mfcc.n_mfcc)
    with warnings.catch_warnings():
        # The tracing exporter is deprecated in favour of one that needs two more packages; the network is plain.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            trained.net,
            (example,),
            str(path),
            input_names=["features"],
            output_names=["logits"],
            dynamic_axes={"features": {1: "frames"}},
            opset_version=OPSET,
            dynamo=False,
        )
    network = onnx.load(path)
    features = FeatureCard(kind=FEATURES_KIND, mfcc=trained.mfcc)
    onnx.helper.set_model_props(network, {"features": msgspec.json.encode(features).decode()})
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)


def check(trained: Trained, folder: Path) -> dict[str, float]:
    """Load a model as the server does, compare it with its origin, and time it.

    Returns
    -------
    dict
        `difference`: the largest difference of a logit; `ms_for_3_s`: median run on 3 s of speech on one core.
    """
    model = load_model(folder)
    rng = np.random.default_rng(0)
    largest = 0.0
    for n_frames in (1, 2, 3, 50, 240, 1200):
        frames = rng.normal(size=(n_frames, trained.mfcc.n_mfcc)).astype(np.float32)
        with torch.inference_mode():
            expected = trained.net(torch.from_numpy(frames[np.newaxis])).numpy()[0]
        largest = max(largest, float(np.abs(model.logits(frames) - expected).max()))
    frames = rng.normal(size=(trained.mfcc.frames(3 * trained.mfcc.rate_hz), trained.mfcc.n_mfcc)).astype(np.float32)
    taken = []
    for _ in range(200):
        began = time.perf_counter()
        model.logits(frames)
        taken.append(time.perf_counter() - began)
    return {"difference": largest, "ms_for_3_s": float(np.median(taken) * 1000)}


def export(trained: Trained, report: dict[str, Any], store: Path, version: str) -> None:
    """Write a model's folder from a network and its report."""
    store.mkdir(parents=True, exist_ok=True)
    path = store / "model.onnx"
    to_onnx(trained, path)
    card = ModelCard(
        name=store.name,
        version=version,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        licence="Apache-2.0",
        commercial_use=True,
        labels=LABELS,
        features=FeatureCard(kind=FEATURES_KIND, mfcc=trained.mfcc),
        normalisation=trained.prior,
        calibration=CalibrationCard(
            temperature=round(report["calibration"]["temperature"], 4),
            uncertain_below=round(report["calibration"]["uncertain_below"], 3),
        ),
        figures={name: round(value, 3) for name, value in report["headline"].items()},
    )
    header = "The card a program reads; written by models.export, never by hand."
    (store / "model.toml").write_text(to_toml(msgspec.to_builtins(card), header), encoding="utf-8")
    (store / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.export",
        description="Write a model folder (model.onnx, model.toml, CARD.md, report.json) and check it.",
        epilog="example: python -m models.export --network build/lab/fold-0.pt --report build/lab/report.json "
        "--store models/store/telephone --version 1.0.0",
    )
    parser.add_argument("--network", type=Path, required=True, help="of models.train, trained on all speakers")
    parser.add_argument("--report", type=Path, required=True, help="of models.evaluate")
    parser.add_argument("--store", type=Path, required=True, help="folder to write; its name is the model's")
    parser.add_argument("--version", default="1.0.0", help="of the model (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trained = load(arguments.network)
    report = json.loads(arguments.report.read_text(encoding="utf-8"))
    export(trained, report, arguments.store, arguments.version)
    measured = check(trained, arguments.store)
    if measured["difference"] > 1e-4:
        raise SystemExit(
            f"the ONNX network differs from its origin by {measured['difference']:.2g}, at most 1e-4 may be"
        )
    size = (arguments.store / "model.onnx").stat().st_size
    write_card(report, measured["ms_for_3_s"], size, arguments.store / "CARD.md")
    print(
        f"wrote {arguments.store}: {size / 1e6:.2f} MB, {measured['ms_for_3_s']:.2f} ms for 3 s of speech on one core, "
        f"largest difference from the trained network {measured['difference']:.1g}"
    )


if __name__ == "__main__":
    main()
