"""Build the site: ``make site``, or ``python -m tools.manual [FOLDER]`` with MkDocs installed.

Warnings are errors: a page that is missing, a link or an anchor that leads nowhere. The site loads nothing from
anywhere else, so any web server, or none, can show it. This program needs the dependency group ``docs`` and nothing of
the product.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.manual.navigation import HOME, INDEX, for_mkdocs, sections
from tools.manual.staging import BrokenLinkError, lay_out

ROOT: Final = Path(__file__).resolve().parents[2]
THEME: Final = Path(__file__).with_name("theme")


def build(into: Path) -> int:
    """Build the site into a folder; return MkDocs' exit status.

    Raises
    ------
    BrokenLinkError
        A page leads to what is not there.
    """
    staged = into.with_name(f"{into.name}-source")
    index = (ROOT / INDEX).read_text(encoding="utf-8")
    pages = [path for _, below in sections(index) for _, path in below]
    lay_out(ROOT, [HOME, INDEX, *pages], staged / "pages")
    settings = Path(__file__).with_name("mkdocs.yml").read_text(encoding="utf-8")
    places = {"docs_dir": str(staged / "pages"), "site_dir": str(into), "nav": for_mkdocs(index)}
    own = "".join(f"{key}: {json.dumps(value)}\n" for key, value in places.items())
    theme = settings.replace("custom_dir: theme", f"custom_dir: {json.dumps(str(THEME))}")
    (staged / "mkdocs.yml").write_text(theme + own, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", staged / "mkdocs.yml"]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    done = subprocess.run(command, env=quiet, check=False, stderr=subprocess.PIPE, text=True)
    # Not by --quiet: MkDocs then counts no warnings, and nothing would fail.
    sys.stderr.writelines(line for line in done.stderr.splitlines(keepends=True) if not line.startswith("INFO"))
    return done.returncode


def main() -> None:
    """Build it where the first argument says, else into build/site."""
    into = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "site").resolve()
    try:
        status = build(into)
    except (BrokenLinkError, ValueError) as problem:
        sys.exit(f"manual: {problem}")
    if status == 0:
        print(f"{into / 'index.html'}   to search it: python -m http.server --directory {into}")
    sys.exit(status)


if __name__ == "__main__":
    main()
