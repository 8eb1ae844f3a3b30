"""The packages, built once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.packages.building import TIME_S
from tools.packages import release


class Packages(NamedTuple):
    """What `make packages` leaves in its folder."""

    folder: Path
    server_sdist: Path
    server_wheel: Path
    client_sdist: Path
    client_wheel: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Wheels and sdists of both distributions."""
    folder = tmp_path_factory.mktemp("dist")
    return Packages(folder, *release(folder, TIME_S))
