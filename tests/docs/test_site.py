"""The manual as a site: it builds without a warning, nothing in it is broken, and it loads nothing from elsewhere.

`make site` sets up what builds it (`.docs`); without that these tests are skipped and say so.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.browser import chromium, needs_chromium
from tests.docs.reading import ROOT, text
from tools.manual.navigation import INDEX, sections

PYTHON = ROOT / ".docs/bin/python"
MARKDOWN = re.compile(r"^ *(?:```|[-*] \S|\|.*\|)|\]\(|\*\*\S")
PAGES = ("index.html", "docs/concepts.html", "docs/configuration.html")
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="needs the site's tools: make site")


def built(into: Path) -> subprocess.CompletedProcess[str]:
    """Build the site as `make site` does."""
    command = [PYTHON, "-m", "tools.manual", into]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for all tests here."""
    into = tmp_path_factory.mktemp("manual") / "site"
    done = built(into)
    assert (done.returncode, done.stderr) == (0, "")
    return into


class Read(HTMLParser):
    """What a page names: ids, links, what it loads, pictures without words."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.wordless: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        self.ids |= {own["id"]} if "id" in own else set()
        if tag == "a":
            self.links += [own["href"]] if "href" in own else []
        elif tag == "link" and own.get("rel") not in {"canonical", "next", "prev"}:
            self.loads.append(own["href"])
        elif "src" in own:
            self.loads.append(own["src"])
        if tag == "img" and not own.get("alt"):
            self.wordless.append(own.get("src", ""))


@functools.cache
def read(page: Path) -> Read:
    return Read(page)


def pages(site: Path) -> list[Path]:
    return [page for page in sorted(site.rglob("*.html")) if page.name != "404.html"]


def test_every_link_leads_to_a_page_and_every_anchor_to_a_place_on_it(site: Path) -> None:
    broken = []
    for page in pages(site):
        for link in read(page).links:
            if "://" in link or link.startswith("mailto:"):
                continue
            path, anchor = urldefrag(unquote(link))
            target = (page.parent / path).resolve() if path else page
            is_page = target.is_file()
            if not is_page or (anchor and target.suffix == ".html" and anchor not in read(target).ids):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert broken == []


def test_every_guide_is_a_page_that_the_navigation_leads_to(site: Path) -> None:
    home = {(site / urldefrag(link)[0]).resolve() for link in read(site / "index.html").links if "://" not in link}
    for _, below in sections(text(INDEX)):
        for title, path in below:
            assert (site / path).with_suffix(".html").resolve() in home, title


def test_every_picture_has_words(site: Path) -> None:
    assert [(page.name, *read(page).wordless) for page in pages(site) if read(page).wordless] == []


def test_no_markdown_is_left_on_a_page(site: Path) -> None:
    """Code hosts and Python-Markdown differ: a list below a paragraph, a table in a list."""
    left = []
    for page in pages(site):
        article = re.sub(r"(?s)^.*<article|</article.*$|<(pre|code)\b.*?</\1>", "", page.read_text(encoding="utf-8"))
        words = re.sub(r"<[^>]+>", "", article)
        left += [f"{page.name}: {line.strip()}" for line in words.splitlines() if MARKDOWN.search(line)]
    assert left == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert [load for page in pages(site) for load in read(page).loads if "//" in load] == []
    for style in site.rglob("*.css"):
        assert "@import" not in style.read_text(encoding="utf-8")


def test_the_search_knows_every_guide(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    known = {urldefrag(one["location"])[0] for one in index["docs"]}
    guides = {path for _, below in sections(text(INDEX)) for _, path in below}
    assert {path.removesuffix(".md") + ".html" for path in guides} <= known


def test_a_broken_link_fails_the_build_and_is_named(tmp_path: Path) -> None:
    for path in ("tools", "docs", "README.md"):
        (tmp_path / path).symlink_to(ROOT / path)
    code = (
        "import tools.manual.__main__ as site, pathlib\n"
        f"site.ROOT = pathlib.Path({str(tmp_path / 'repository')!r})\n"
        f"raise SystemExit(site.build(pathlib.Path({str(tmp_path / 'out')!r})))\n"
    )
    (tmp_path / "repository/docs").mkdir(parents=True)
    (tmp_path / "repository/README.md").write_text("# Home\n[x](docs/README.md#nowhere)\n", encoding="utf-8")
    (tmp_path / "repository/docs/README.md").write_text("# Manual\n", encoding="utf-8")
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "#nowhere" in done.stderr


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    """The site on a port of its own."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@needs_chromium
@pytest.mark.parametrize("look", ["light", "dark"])
async def test_pages_are_accessible_and_ask_nobody_else(served: str, look: Any) -> None:
    asked: list[str] = []
    async with chromium() as browser:
        view = await browser.new_context(color_scheme=look)
        page = await view.new_page()
        page.on("request", lambda request: asked.append(request.url))
        found = {}
        for name in PAGES:
            await page.goto(f"{served}/{name}")
            await page.wait_for_load_state("networkidle")
            violations = (await Axe().run(page)).response["violations"]
            serious = [one for one in violations if one["impact"] in {"serious", "critical"}]
            found |= {f"{name}: {one['id']}": [node["html"][:120] for node in one["nodes"][:3]] for one in serious}
        await view.close()
    assert found == {}
    assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []


@needs_chromium
async def test_the_search_finds_a_word(served: str) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{served}/index.html")
        await page.get_by_role("textbox", name="Search").fill("hangover")
        result = page.locator(".md-search-result__link").first
        await result.wait_for()
        assert "html" in (await result.get_attribute("href") or "")
