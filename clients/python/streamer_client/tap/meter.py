"""How loud each party is, for the eye. Pure: samples in, a line out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from streamer_client.pretty import bar, position

FLOOR_DBFS = -60.0
CELLS = 12


def level_dbfs(samples: npt.NDArray[np.int16]) -> float:
    """Return the level of a block in dB relative to full scale, -60 to 0; of no samples, -60."""
    if not len(samples):
        return FLOOR_DBFS
    mean_square = float(np.mean(np.square(samples.astype(np.float64) / 32768)))
    return max(FLOOR_DBFS, 10 * float(np.log10(max(mean_square, 1e-12))))


def line(position_ms: float, levels_dbfs: Mapping[str, float | None]) -> str:
    """Return time and a bar for each party; for one whose device is gone, the word."""
    parts = [position(round(position_ms))]
    for name, level in levels_dbfs.items():
        shown = f"{'lost':<{CELLS}}" if level is None else bar(1 - level / FLOOR_DBFS, CELLS)
        parts.append(f"{name} [{shown}]")
    return "  ".join(parts)
