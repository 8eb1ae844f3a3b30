from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.archive.html import STYLE, facts, length, name, page, table, text


class Reader(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.words += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@given(st.text())
def test_no_text_becomes_markup_between_tags_or_in_an_attribute(words: str) -> None:
    between = Reader(f"<p>{text(words)}</p>")
    inside = Reader(f'<p title="{text(words)}">x</p>')
    assert between.tags == inside.tags == ["p"]
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "".join(between.words))
    assert name(words).startswith("<bdi>")


def test_a_page_asks_no_host_and_runs_nothing_but_its_own_style() -> None:
    whole = page("Call </title><script>alert(1)</script>", ["<main>", "</main>"])
    assert "<script" not in whole
    assert not re.search(r"(?:src|href)=|@import|url\(", whole)
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in whole
    assert f"<style>{STYLE}</style>" in whole


def test_a_table_has_headings_for_rows_and_columns() -> None:
    markup = table("All <calls>", [("call", False), ("n", True)], [[("<b>x</b>", ""), ("7", "n")]])
    assert '<th scope="col">call</th><th scope="col" class="n">n</th>' in markup
    assert '<th scope="row"><b>x</b></th><td class="n">7</td>' in markup
    assert "<caption>All &lt;calls&gt;</caption>" in markup
    assert "<b>1</b><span>&lt;call&gt;</span>" in facts([("1", "<call>")])


@pytest.mark.parametrize(("ms", "words"), [(0, "0:00"), (59_999, "0:59"), (3_599_000, "59:59"), (3_661_000, "1:01:01")])
def test_a_length_reads_like_a_clock(ms: int, words: str) -> None:
    assert length(ms) == words
