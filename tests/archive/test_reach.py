from __future__ import annotations

import logging
import re
import socket
import sys
from pathlib import Path
from types import ModuleType

import pytest

from streamer.archive import reach
from streamer.archive.engine import EngineError
from streamer.archive.reach import PORT, Where, line, ray_module


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ray://head:10001", "ray://head:10001"),
        ("ray://head", f"ray://head:{PORT}"),
        ("ray://[2001:db8::1]:7", "ray://[2001:db8::1]:7"),
    ],
)
def test_a_cluster_is_named_by_host_and_port(text: str, url: str) -> None:
    assert Where.parse(text).url == url


def test_ray_alone_is_one_of_this_machine() -> None:
    assert Where.parse("ray").host == ""


@pytest.mark.parametrize(
    "text", ["", "spark://h", "ray://", "ray://h:x", "ray://h:0", "ray://h:99999", "ray://h/p", "ray://u@h", "Ray"]
)
def test_what_names_no_ray_is_refused_in_words(text: str) -> None:
    with pytest.raises(EngineError, match="give ray://HOST:10001 for a cluster, or ray for this machine"):
        Where.parse(text)


def test_where_ray_is_not_installed_it_is_said_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_AUTO_CONNECT"):
        monkeypatch.setenv(name, "as it was")
    with pytest.raises(EngineError, match=r"not installed here .*: pip install 'emotion-streamer\[ray\]'"):
        ray_module(Where())


HEAD = Where("head", 10001)


@pytest.mark.parametrize(
    ("where", "problem", "words"),
    [
        (HEAD, ConnectionError("timeout"), "no Ray let this machine in .* RAY_AUTH_MODE=token"),
        (HEAD, RuntimeError("Version mismatch:\n  Ray: 2.50"), r"of other versions than this machine \(Ray 2\.6"),
        (
            HEAD,
            ConnectionError("Initialization failure from server: x"),
            "could not begin a session .*: x",
        ),
        (HEAD, RuntimeError("What?"), r"cannot connect to ray://head:10001: What\?"),
        (Where(), OSError("no"), "cannot begin a Ray on this machine: no"),
    ],
)
def test_why_a_ray_cannot_be_had_is_said(
    where: Where, problem: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("ray")
    vars(module)["__version__"] = "2.60.0"
    monkeypatch.setitem(sys.modules, "ray", module)
    assert re.search(words, reach._unreached(where, problem))


def test_where_nobody_listens_it_is_said_at_once_and_else_ray_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = Where("127.0.0.1", server.getsockname()[1])
        with reach._theirs(where) as options:
            assert options == {"address": where.url}
    with pytest.raises(EngineError, match="nobody answers at ray://127"), reach._theirs(where):
        pass


def test_a_ray_of_our_own_lies_in_a_folder_of_this_user_that_goes_with_it() -> None:
    with reach._own(3) as options:
        folder = Path(options["_temp_dir"])
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (options["num_cpus"], options["address"]) == (3, "local")
    assert not folder.exists()


def test_what_ray_logs_here_is_kept_off_the_screen_while_it_is_used() -> None:
    before = logging.getLogger("ray").level
    with reach._quiet():
        assert not logging.getLogger("ray.util").isEnabledFor(logging.ERROR)
    assert logging.getLogger("ray").level == before


def test_an_error_without_words_is_named_by_its_kind() -> None:
    assert line(ValueError("a\n  b")) == "a b"
    assert line(ValueError()) == "ValueError"
