"""The command that looks at the corpora before anything is trained: counts, lengths, levels, defects, and pictures.

    python -m models.explore --data ../shared/data --out models/reports/explore

Reads whichever of the corpora lie in the folder. It grew from the first two parts of Eu Jin Lok's series *Audio Emotion
Recognition* (kaggle.com/ejlok1, 2019): look and listen first. This file must never write samples, train, or choose a
setting.
"""

import argparse
import sys
from pathlib import Path

from models.corpora import READERS, CorpusError, Reading
from models.explore_measure import Measured, measure_all
from models.explore_pictures import (
    draw_counts,
    draw_lengths,
    draw_pitch_and_level,
    draw_profiles,
    draw_spectra,
    draw_waveforms,
)
from models.explore_report import render


def read_present(data: Path) -> tuple[dict[str, Reading], list[str]]:
    """Return the corpora that lie below `data`, by name, and the names of those that do not.

    Raises
    ------
    CorpusError
        When none is there, or when the folder of one holds no clip of it.
    """
    present = {name: read(data / name) for name, read in READERS.items() if (data / name).is_dir()}
    if not present:
        raise CorpusError(f"no corpus in {data}: expected one or more of the folders {', '.join(READERS)}")
    return present, [name for name in READERS if name not in present]


def draw(measured: dict[str, list[Measured]], out: Path) -> None:
    """Draw all pictures into a folder, with a line for each."""
    everyone = [one for of_it in measured.values() for one in of_it]
    paths = [
        draw_counts(measured, out / "counts.svg"),
        draw_lengths(measured, out / "lengths.svg"),
        draw_waveforms(measured, out / "waveforms.png"),
        draw_profiles(everyone, out / "mfcc-by-emotion.svg"),
        draw_pitch_and_level(everyone, out / "pitch-and-level.svg"),
    ]
    for corpus, of_it in measured.items():
        paths.append(draw_spectra(corpus, [one.clip for one in of_it], out / f"mel-and-mfcc-{corpus}.png"))
    for path in paths:
        print(f"drew {path} ({path.stat().st_size / 1024:.0f} KiB)", flush=True)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.explore",
        description="Count, measure and draw what corpora of emotional speech hold; write REPORT.md and pictures.",
        epilog="example: python -m models.explore --data ../shared/data --out models/reports/explore",
    )
    parser.add_argument("--data", type=Path, required=True, help=f"folder with any of the folders {', '.join(READERS)}")
    parser.add_argument("--out", type=Path, required=True, help="folder for REPORT.md and the pictures")
    arguments = parser.parse_args()
    try:
        readings, missing = read_present(arguments.data)
        for name in missing:
            print(f"{name}: not in {arguments.data}, skipped", flush=True)
        measured = {}
        for name, reading in readings.items():
            print(f"{name}: {reading.summary()}", flush=True)
            measured[name] = measure_all(reading.clips, name)
        draw(measured, arguments.out)
        report = arguments.out / "REPORT.md"
        report.write_text(render(readings, missing, measured), encoding="utf-8")
    except (CorpusError, OSError) as error:
        sys.exit(f"explore: {error}")
    print(f"wrote {report}")


if __name__ == "__main__":
    main()
