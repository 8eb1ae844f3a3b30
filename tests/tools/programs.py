"""The programs that the tools of the repository run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def uv() -> str:
    """Return the path of uv as `make` finds it, or skip the test with the reason."""
    found = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".uv" / "bin"))
    if found is None:
        pytest.skip("needs the program uv (make install puts it into .uv)")
    return found
