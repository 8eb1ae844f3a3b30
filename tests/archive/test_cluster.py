"""Archives on a real Ray: a head of the test's own, reached as a driver elsewhere reaches one."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamer.archive.command import ArchiveError, Wanted, analyse
from streamer.archive.engine import EngineError
from streamer.config import Settings
from tests.docs.reading import command_lines, text

# What Ray warns of, and which of its threads outlive a connection, is its own affair.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1200)]
PATIENCE_S = 250
"""Only how long a broken test hangs."""
FILES = ("events.jsonl", "utterances.csv", "calls.csv", "alerts.csv")
STREAMER = Path(sys.executable).with_name("streamer")


class Head:
    """A Ray head with two processors, and the way to its workers' processes."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2"]
        command += ["--port=0", f"--ray-client-server-port={port}", "--include-dashboard=false"]
        self.process = subprocess.Popen(
            [*command, "--disable-usage-stats", f"--temp-dir={folder}"],
            cwd=folder,
            env=os.environ | {"GRPC_ENABLE_FORK_SUPPORT": "0"},  # it forks a process for each driver
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if "block forever" in line:
                break
        found = re.search(r"--address='([^']+):\d+'", said)
        assert found, said
        self.url = f"ray://{found[1]}:{port}"
        self._reader = threading.Thread(target=self.process.stdout.read)
        self._reader.start()

    def working(self) -> list[int]:
        """Return the processes that are at a recording."""
        return [pid for pid, name in self._processes() if name.startswith(b"ray::Remote.analyse")]

    def kill(self) -> None:
        """End it and all that it began, at once; a second time nothing is left to do."""
        for pid, _ in list(self._processes()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _processes(self) -> Iterator[tuple[int, bytes]]:
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and os.getsid(int(folder.name)) == self.process.pid:
                    yield int(folder.name), (folder / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "5")
        ray = Head(Path(folder))
        yield ray
        ray.kill()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> Path:
    """Six recordings of three and a half minutes, no two alike."""
    folder = tmp_path_factory.mktemp("ray") / "archive"
    folder.mkdir()
    for n in range(6):
        soundfile.write(folder / f"c{n}.wav", np.tile(np.roll(samples, 7000 * n, axis=0), (10, 1)), 8000)
    return folder


@pytest.fixture(scope="module")
def here(archive: Path) -> Path:
    """The report of one process of this machine."""
    out = archive.parent / "here"
    go(archive, out)
    return out


def go(archive: Path, out: Path, on: str | None = None, *, resume: bool = False, workers: int | None = None) -> None:
    wanted = Wanted(
        (archive,),
        report=out,
        resume=resume,
        on=on,
        workers=workers if on else 1,
        parquet=find_spec("pyarrow") is not None,
    )
    analyse(wanted, Settings(node="any"))


def assert_same(one: Path, other: Path, *, table: bool = True) -> None:
    for name in (*FILES, *["utterances.parquet/part-00000.parquet"] * table):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def when(holds: Callable[[], object], do: Callable[[], object]) -> threading.Thread:
    """Do something once something holds, beside the test."""

    def wait() -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until_s
            time.sleep(0.01)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("workers", [1, None, 3])
def test_whatever_the_number_of_workers_the_bytes_are_those_of_one_process(
    head: Head, archive: Path, here: Path, tmp_path: Path, workers: int | None
) -> None:
    go(archive, tmp_path / "there", head.url, workers=workers)  # three on two processors: one never begins
    assert_same(here, tmp_path / "there")


def test_a_recording_whose_worker_is_killed_is_done_again_and_is_there_once(
    head: Head, archive: Path, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = when(head.working, lambda: os.kill(head.working()[0], signal.SIGKILL))
    go(archive, tmp_path / "there", head.url)
    thread.join()
    assert "done at try 2, its worker had ended" in capsys.readouterr().err
    assert_same(here, tmp_path / "there")


def test_a_recording_that_kills_every_worker_is_set_aside_and_the_report_is_written(
    head: Head, archive: Path, tmp_path: Path
) -> None:
    killed: set[int] = set()

    def kill() -> bool:
        for pid in set(head.working()) - killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        return len(killed) == 3

    thread = when(kill, lambda: None)
    with pytest.raises(ArchiveError, match=r"c0\.wav: set aside, .* ended 3 times \(its process died\)"):
        go(archive / "c0.wav", tmp_path / "there", head.url)
    thread.join()
    assert (tmp_path / "there" / "index.html").is_file()


def test_a_run_that_was_begun_here_goes_on_there_and_the_other_way_round(
    head: Head, archive: Path, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for first, second in ((None, head.url), (head.url, None)):
        out = tmp_path / ("ray-last" if second else "ray-first")
        go(archive / "c3.wav", out, first)
        go(archive, out, second, resume=True)
        assert "1 recording done before and not analysed again" in capsys.readouterr().err
        assert_same(here, out)


def test_a_node_that_does_not_see_the_archive_is_named_with_the_path_and_ends_the_run(
    head: Head, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.parent)
    unseen = Path("/proc/self/cwd/archive")  # another folder for each process, as a mount that is missing
    with pytest.raises(EngineError, match=r"node \S+ cannot open /proc/self/cwd/archive/c\d\.wav \(no such file"):
        go(unseen, tmp_path / "out", head.url)


def test_ctrl_c_ends_cleanly_and_keeps_what_is_done(head: Head, archive: Path, here: Path, tmp_path: Path) -> None:
    out = tmp_path / "there"
    command = [STREAMER, "analyse", archive, "--report", out, "--parquet", "--on", head.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    thread = when(lambda: len(head.working()) == 2, lambda: process.send_signal(signal.SIGINT))
    _, said = process.communicate(timeout=PATIENCE_S)
    thread.join()
    assert process.returncode == 130, said
    assert "are kept, go on with the same command and --resume" in said
    assert "Traceback" not in said
    go(archive, out, resume=True)
    assert_same(here, out)


def test_a_ray_of_this_machine_is_begun_quietly_and_leaves_nothing(archive: Path, here: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    before = set(Path("/tmp").glob("ray-*"))  # noqa: S108 - only looked at
    done = subprocess.run(
        [STREAMER, "analyse", archive, "--report", tmp_path / "out", "--parquet", "--on", "ray", "--workers", "2"],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "analysed, " not in line and "waiting for Ray" not in line]
    rows = len((here / "utterances.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert [line.split()[:3] for line in lines] == [[str(rows), "utterances", "in"], ["report", "of", "6"]], done.stderr
    assert set(Path("/tmp").glob("ray-*")) <= before  # noqa: S108 - as above
    assert list(home.iterdir()) == []
    assert_same(here, tmp_path / "out")


def test_the_commands_of_the_guide_run(head: Head, archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "archive", ignore=shutil.ignore_patterns("c[2-9]*"))
    lines = command_lines(text("docs/archives-ray.md"), "streamer")
    assert len(lines) == 4
    for line in lines:
        here = line.replace("/mnt/archive", str(tmp_path / "archive")).replace("ray://head-node:10001", head.url)
        command = [STREAMER, *shlex.split(here, comments=True)[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        assert "report of 2 calls" in done.stderr
    assert_same(tmp_path / "out", tmp_path / "trial", table=False)


def test_a_cluster_that_goes_away_ends_the_run_in_words_and_what_is_done_is_kept(
    archive: Path, here: Path, tmp_path: Path, head: Head
) -> None:
    out = tmp_path / "there"
    thread = when(lambda: len(head.working()) == 2, head.kill)
    with pytest.raises(EngineError, match=r"lost the connection to Ray at ray://\S+ .* --resume"):
        go(archive, out, head.url)
    thread.join()
    go(archive, out, resume=True)
    assert_same(here, out)
