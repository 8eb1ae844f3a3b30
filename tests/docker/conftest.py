"""Services of compose.yaml on a machine of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.composed import Composed


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Composed]:
    """Set compose.yaml up, nothing started."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the users of the containers come by here
    services = Composed(tmp_path)
    yield services
    services.machine.close()
