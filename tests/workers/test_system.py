"""Several workers are refused in words where the system cannot have them."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from streamer.config import ConfigError
from streamer.workers.system import check_system, missing


def test_here_nothing_is_missing() -> None:
    assert missing() == []
    check_system()


@pytest.mark.parametrize(
    ("place", "name", "named"),
    [(socket, "AF_UNIX", "AF_UNIX"), (socket, "recv_fds", "SCM_RIGHTS"), ("asyncio", "start_unix_server", "AF_UNIX")],
)
def test_what_is_missing_is_named(place: object, name: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules[place] if isinstance(place, str) else place, name)
    with pytest.raises(ConfigError, match=rf"server\.workers: .*{named}.*set it to 1"):
        check_system()


def test_a_system_without_posix_lacks_locks_and_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(ConfigError, match=r"file descriptors, locks of files \(fcntl\)"):
        check_system()
