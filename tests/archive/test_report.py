from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.rules import default_rules
from streamer_client.events import decode, encode

from streamer.archive.report import ReportError, page_name, write_report
from streamer.archive.results import CallResult, with_alerts
from streamer.archive.ways import Ways
from tests.browser import chromium, needs_chromium

HOSTILE = "../../<img src=x onerror=alert(1)>"


@pytest.fixture
def results(said_otherwise: Any, analysed: Any) -> list[CallResult]:
    rules = default_rules()
    return [
        with_alerts(analysed, rules),
        with_alerts(said_otherwise(call_id=HOSTILE, top="angry", labels={"=cmd": "+1"}), rules),
        with_alerts(said_otherwise(call_id="unsure", top="sad", uncertain=True), rules),
    ]


def test_a_report_has_a_page_for_each_call_tables_and_every_event(
    tmp_path: Path, results: list[CallResult], ways: Ways
) -> None:
    out = tmp_path / "out"
    assert write_report(out, results, ways, failed=0) == 3
    said = [decode(line) for line in (out / "events.jsonl").read_bytes().splitlines()]
    assert [encode(one) for one in said] == [encode(one) for result in results for one in result.events]  # type: ignore[arg-type]
    for name, lines in (("utterances", 9), ("calls", 6), ("alerts", 1)):
        assert len((out / f"{name}.csv").read_text(encoding="utf-8").splitlines()) == 1 + lines
    for link in re.findall(r'href="([^"]+)"', (out / "index.html").read_text(encoding="utf-8")):
        assert (out / link).is_file()
    assert sorted(one.name for one in (out / "calls").iterdir()) == sorted(page_name(one.call_id) for one in results)
    assert {one.name for one in tmp_path.iterdir()} == {"out"}, "nothing is written beside it"


def test_a_second_report_takes_the_place_of_the_first(tmp_path: Path, results: list[CallResult], ways: Ways) -> None:
    write_report(tmp_path, results, ways, failed=0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_report(tmp_path, results, ways, failed=0)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_pages_of_calls_that_are_no_longer_there_go_and_what_is_not_ours_stays(
    tmp_path: Path, results: list[CallResult], ways: Ways
) -> None:
    write_report(tmp_path, results, ways, failed=0)
    strangers = [tmp_path / "calls" / name for name in ("note.html", "empty.html", "call.txt", ".other.html.new")]
    for path in strangers:
        path.write_text("<!doctype html>\nmine" * (path.name != "empty.html"), encoding="utf-8")
    page = tmp_path / "calls" / page_name(results[2].call_id)
    (tmp_path / "calls" / f".{page.name}.new").write_bytes(page.read_bytes()[:1000])
    write_report(tmp_path, results[:2], ways, failed=0)
    kept = {page_name(one.call_id) for one in results[:2]} | {path.name for path in strangers}
    assert {path.name for path in (tmp_path / "calls").iterdir()} == kept


def test_a_folder_that_it_makes_is_for_its_user_alone(tmp_path: Path, ways: Ways) -> None:
    write_report(tmp_path / "out", [], ways, failed=0)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir(mode=0o755)
    write_report(tmp_path / "shared", [], ways, failed=0)
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_a_report_that_breaks_off_leaves_the_first_page_and_the_tables_as_they_were(
    tmp_path: Path, results: list[CallResult], ways: Ways
) -> None:
    write_report(tmp_path, results, ways, failed=0)
    before = {name: (tmp_path / name).read_bytes() for name in ("index.html", "calls.csv", "events.jsonl")}

    def killed() -> Any:
        yield results[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path, killed(), ways, failed=0)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, ways: Ways) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="cannot write the report to"):
        write_report(tmp_path / "file", [], ways, failed=0)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_page_lies_in_its_folder_under_a_name_of_its_own_on_any_file_system(first: str, second: str) -> None:
    name = page_name(first)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*\.html", name)
    assert len(name) < 100
    assert (name == page_name(second)) == (first == second)


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_work_for_everybody_and_ask_nobody(
    tmp_path: Path, results: list[CallResult], ways: Ways, scheme: Any
) -> None:
    write_report(tmp_path, results, ways, failed=1)
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme=scheme)
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        for file in ("index.html", *(f"calls/{page_name(one.call_id)}" for one in results)):
            await page.goto((tmp_path / file).as_uri())
            assert await page.locator("h1").count() == 1
            collapsed = await page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse")
            assert collapsed == "collapse", "the page's own policy forbids its style"
            assert await page.locator("img").count() == 0
        assert complaints == []
        assert all(url.startswith(tmp_path.as_uri()) for url in asked)
        await page.close()
        # The policy of the pages forbids scripts, that of the checker as well.
        checked = await browser.new_context(
            bypass_csp=True, color_scheme=scheme, viewport={"width": 390, "height": 800}
        )
        page = await checked.new_page()
        for file in ("index.html", *(f"calls/{page_name(one.call_id)}" for one in results)):
            await page.goto((tmp_path / file).as_uri())
            found = (await Axe().run(page)).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= 390, f"{file} is wider than a telephone"
