"""The command that turns a trained network and its report into a model of the store.

    python -m models.export telephone --networks build/lab --version 2.0.0

Writes `model.onnx`, `model.toml`, `report.json`, `CARD.md` and its pictures below `models/store`, then loads the folder
as the server does and compares it with the network it came from. It must never invent a figure: all come from the
report.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from models.card import write_card
from models.configuration import Configuration, ConfigurationError, names, read
from models.experiment import Trained, load
from models.judge import card_of, msgspec_builtins
from models.serving import Serving, to_onnx
from models.toml import to_toml
from streamer.emotion.model import CalibrationCard
from streamer.emotion.model import load as load_model

STORE = Path(__file__).parent / "store"
ROUNDING = 0.25
"""How far a logit may be from that of the network in single precision, in 8-bit integers, on noise."""


def check(trained: Trained, configuration: Configuration, folder: Path) -> dict[str, float]:
    """Load a model as the server does, compare it with its origin, and time it.

    Returns
    -------
    dict
        `difference`: the largest difference of a logit; `ms_for_3_s`: median run on 3 s of speech on one core.
    """
    model = load_model(folder)
    serving = Serving(trained.net, cepstral=configuration.front_end == "mfcc").eval()
    rng = np.random.default_rng(0)
    largest, features = 0.0, np.empty(0, dtype=np.float32)
    mean, std = model.new_normaliser().statistics()
    for seconds in (0.05, 0.5, 1.0, 15.0, 3.0):
        front_end = model.new_features()
        loudness = 0.1 * (1.1 + np.sin(20.0 * np.arange(round(8000 * seconds)) / 8000))
        front_end.push((loudness * rng.normal(size=len(loudness))).astype(np.float32).clip(-1, 1))
        features = front_end.features()
        with torch.inference_mode():
            given = (torch.from_numpy(one[np.newaxis]) for one in (features, mean, std))
            expected = serving(*given)[0].numpy()[0]
        largest = max(largest, float(np.abs(model.run(features, mean, std)[0] - expected).max()))
    taken = []
    for _ in range(200):
        began = time.perf_counter()
        model.run(features, mean, std)
        taken.append(time.perf_counter() - began)
    return {"difference": largest, "ms_for_3_s": float(np.median(taken) * 1000)}


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
    measured = check(trained, configuration, folder)
    if measured["difference"] > ROUNDING:
        sys.exit(
            f"error: a logit differs from the network's by {measured['difference']:.2g}, must be {ROUNDING} at most"
        )
    size = (folder / "model.onnx").stat().st_size
    about = {
        "name": configuration.name,
        "version": arguments.version,
        "configuration": msgspec.to_builtins(configuration),
        "parameters": sum(one.numel() for one in trained.net.parameters()),
        "size_bytes": size,
        "ms_for_3_s": measured["ms_for_3_s"],
        "licence": configuration.licence,
        "corpora": report["read"],
    }
    write_card(report, about, folder)
    print(
        f"wrote {folder}: {size / 1e6:.2f} MB, {measured['ms_for_3_s']:.2f} ms for 3 s of speech on one core, "
        f"largest difference of a logit from the network in single precision {measured['difference']:.2g}"
    )


if __name__ == "__main__":
    main()
