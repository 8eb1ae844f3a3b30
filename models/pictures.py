"""The house style of the laboratory's pictures, and how they are saved: small, and the same bytes for the same figures.

Colours are Okabe and Ito's, told apart with any kind of colour vision (M. Okabe, K. Ito, *Color Universal Design*,
2008); no meaning hangs on colour alone. This file must never read data or decide what is shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

COLOURS: Final = {
    "neutral": "#8c8c8c",
    "calm": "#bdbdbd",
    "happy": "#e69f00",
    "sad": "#0072b2",
    "angry": "#d55e00",
    "fear": "#cc79a7",
    "disgust": "#009e73",
    "surprise": "#56b4e9",
    "pleasant surprise": "#56b4e9",
    "boredom": "#4d4d4d",
}
"""Of each emotion a corpus may name, in the order in which they are shown."""
FIRST: Final = "#0072b2"
SECOND: Final = "#e69f00"
"""Of two things side by side, such as women and men."""
HEAT: Final = "cividis"
"""Colour map of pictures: from dark to light for every kind of colour vision, and in grey."""

_STYLE: Final[dict[str, Any]] = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "figure.dpi": 80.0,
    "savefig.dpi": 80.0,
    "svg.hashsalt": "emotion-streamer",
    "svg.fonttype": "path",
}


@contextmanager
def drawing(width_in: float, height_in: float, title: str = "") -> Iterator[Figure]:
    """Give a figure in the house style; draw and save it inside the block.

    Parameters
    ----------
    width_in, height_in
        In inches, of 80 pixels in a PNG.
    title
        Above all axes; none when empty.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        if title:
            figure.suptitle(title, fontsize=10.0)
        yield figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as SVG or PNG, by the name of the file, and return its path.

    Lines and bars belong into an SVG, pictures with many points into a PNG. No date or program name is written, so
    that an unchanged figure is an unchanged file.

    Raises
    ------
    ValueError
        When the name ends in something else.
    """
    if path.suffix not in {".svg", ".png"}:
        raise ValueError(f"{path.name} must end in .svg or .png")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".svg":
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        # matplotlib ends lines of path data in spaces; a repository's checks do not like them.
        text = path.read_text(encoding="utf-8")
        path.write_text("".join(line.rstrip() + "\n" for line in text.splitlines()), encoding="utf-8")
    else:
        figure.savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return path
