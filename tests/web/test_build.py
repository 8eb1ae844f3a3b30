"""What is committed as pages is what a build of the sources gives, and what npm users would install is whole.

Skipped without Node or the compiler: `cd clients/web && npm ci`. The test never asks a registry.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.web.sites import PAGES, WEB

NODE: Final = shutil.which("node")
needs_compiler = pytest.mark.skipif(
    NODE is None or not (WEB / "node_modules/typescript").is_dir(), reason="needs: cd clients/web && npm ci"
)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def build(*arguments: str | Path) -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, WEB / "build.mjs", *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_compiler
def test_a_build_gives_exactly_what_is_committed(tmp_path: Path) -> None:
    build("--out", tmp_path)
    built, committed = files(tmp_path), files(PAGES)
    assert sorted(built) == sorted(committed), "run: cd clients/web && npm run build"
    changed = [name for name in built if built[name] != committed[name]]
    assert changed == [], "run: cd clients/web && npm run build"


@needs_compiler
def test_the_package_has_every_module_that_it_names_with_types(tmp_path: Path) -> None:
    copy = tmp_path / "web"
    shutil.copytree(WEB, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (copy / "node_modules").symlink_to(WEB / "node_modules")
    subprocess.run([str(NODE), copy / "build.mjs", "--dist"], check=True, capture_output=True, timeout=100)
    exports = json.loads((copy / "package.json").read_text())["exports"]
    named = [path for one in exports.values() for path in ([one] if isinstance(one, str) else one.values())]
    assert [path for path in named if "*" not in path and not (copy / path).is_file()] == []
    assert (copy / "dist/tap/packer.worklet.js").is_file()
    assert {path.name for path in (copy / "dist").iterdir()} == {"tap", "events"}


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (WEB / "package-lock.json").read_text(encoding="utf-8")


def test_pages_ask_no_other_host_and_carry_no_script_of_their_own() -> None:
    """A Content-Security-Policy of `'self'` is enough for every page."""
    for path in PAGES.rglob("*"):
        if path.suffix not in {".html", ".css", ".js"}:
            continue
        text = path.read_text(encoding="utf-8")
        code = re.sub(r"^\s*(//|\*|/\*).*$", "", text, flags=re.MULTILINE)
        loads = re.findall(r"""(?:src|href|from|import|url)\s*[=(]?\s*["']?(https?:)?//\S+""", code)
        assert loads == [], path
        if path.suffix == ".html":
            assert re.findall(r"<script(?![^>]*\bsrc=)", text) == [], path
            assert re.findall(r"\son\w+=|\sstyle=", text) == [], path
