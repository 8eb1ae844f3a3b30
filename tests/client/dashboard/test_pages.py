"""The files that browsers get."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from streamer_client.dashboard.pages import read_pages
from streamer_client.errors import ClientError


def test_the_package_brings_the_dashboard_the_softphone_and_the_tap() -> None:
    pages = read_pages()
    for path in ("/", "/index.html", "/login", "/softphone/", "/tap/index.js", "/shared/emotions.css"):
        assert pages[path].body, path
    assert pages["/"].content_type == "text/html; charset=utf-8"
    assert pages["/tap/index.js"].content_type == "text/javascript; charset=utf-8"
    assert not [path for path in pages if path.endswith((".ts", ".map", ".py"))]


def test_no_page_asks_another_host_for_anything() -> None:
    for path, page in read_pages().items():
        if page.content_type.startswith("text/html"):
            assert b'src="http' not in page.body, path
            assert b'href="http' not in page.body, path
            assert b"<style" not in page.body, path
            assert b" style=" not in page.body, path
            assert b"<script>" not in page.body, path


def test_whatever_a_file_names_by_its_place_is_served_there() -> None:
    """A page that worked from the build's folder would be bare where its parts are served elsewhere."""
    pages = read_pages()
    named = [
        (path, urlsplit(urljoin(f"http://here{path}", found.decode())).path)
        for path, page in pages.items()
        for found in re.findall(
            rb"""(?:from |import\(|href=|src=)["'](\.[^"'#?]*|[\w./-]+\.(?:css|js|svg))["']""", page.body
        )
    ]
    assert ("/", "/shared/emotions.css") in named
    assert ("/softphone/view.js", "/shared/emotions.js") in named
    assert [one for one in named if one[1] not in pages] == []


def test_files_of_other_kinds_have_their_type_and_another_tag_when_they_change(tmp_path: Path) -> None:
    part = tmp_path / "dashboard"
    (part / "deep").mkdir(parents=True)
    (part / "index.html").write_text("one", encoding="utf-8")
    (part / "deep" / "a.svg").write_text("<svg/>", encoding="utf-8")
    (part / "deep" / "a.unknown-kind").write_bytes(b"?")
    (part / "a.d.ts").write_bytes(b"left out")
    before = read_pages(tmp_path)
    assert before["/deep/a.svg"].content_type == "image/svg+xml"
    assert before["/deep/a.unknown-kind"].content_type == "application/octet-stream"
    assert "/a.d.ts" not in before
    (part / "index.html").write_text("two", encoding="utf-8")
    (part / "login.html").write_text("who?", encoding="utf-8")
    after = read_pages(tmp_path)
    assert after["/"].etag != before["/"].etag
    assert (before["/login"].body, after["/login"].body) == (b"one", b"who?")


def test_an_installation_without_the_page_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="install emotion-streamer-client again"):
        read_pages(tmp_path)
