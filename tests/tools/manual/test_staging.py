"""What the site is built from: the repository's own pages and what they lead to, at the same places."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.manual.staging import BrokenLinkError, lay_out, links, page, source_page


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository: pages, a picture, a source file, a folder of others."""
    root = tmp_path / "repository"
    files = {
        "README.md": "# Home\n[Guide](docs/guide.md#part)\n",
        "docs/guide.md": "# Guide\n![A picture](pictures/a.svg) [code](../streamer/call.py) [all](../results)\n",
        "docs/pictures/a.svg": "<svg/>",
        "streamer/call.py": 'TICKS = "```"\n',
        "results/one.md": "# One\n[Guide](../docs/guide.md)\n",
        "results/two.json": "{}\n",
        "results/.hidden": "",
        "docs/unlinked.md": "# Nobody leads here\n",
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return root


def test_pages_and_all_they_lead_to_stand_where_the_repository_has_them(repository: Path, tmp_path: Path) -> None:
    written = lay_out(repository, ["README.md"], tmp_path / "out")
    assert written == [
        "README.md",
        "docs/guide.md",
        "docs/pictures/a.svg",
        "results/index.md",
        "results/one.md",
        "results/two.json.md",
        "streamer/call.py.md",
    ]
    guide = (tmp_path / "out/docs/guide.md").read_text(encoding="utf-8")
    assert "(pictures/a.svg) [code](../streamer/call.py.md) [all](../results/index.md)" in guide
    assert "(docs/guide.md#part)" in (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "- [two.json](two.json.md)" in (tmp_path / "out/results/index.md").read_text(encoding="utf-8")


def test_what_was_there_before_is_gone(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.md").write_text("", encoding="utf-8")
    assert "old.md" not in lay_out(repository, ["README.md"], tmp_path / "out")
    assert not (tmp_path / "out/old.md").exists()


@pytest.mark.parametrize("target", ["nowhere.md", "../../outside.md", "/etc/passwd"])
def test_a_link_that_leads_nowhere_or_out_of_the_repository_is_refused(
    repository: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "outside.md").write_text("not ours", encoding="utf-8")
    (repository / "docs/guide.md").write_text(f"[x]({target})\n", encoding="utf-8")
    with pytest.raises(BrokenLinkError, match=r"docs/guide\.md leads to .*(nowhere|outside|passwd)"):
        lay_out(repository, ["README.md"], tmp_path / "out")


def test_fences_are_left_alone_and_addresses_elsewhere_too() -> None:
    text = "[a](b.py) [c](https://example.com/b.py) [d](#part)\n```md\n[a](b.py)\n- x\n```\n"
    assert links(text) == ["b.py"]
    turned = page(text, lambda path: path + ".md")
    assert turned == text.replace("[a](b.py) ", "[a](b.py.md) ")


def test_a_list_gets_the_empty_line_that_python_markdown_wants() -> None:
    text = "It must not:\n- one\n- two\n  more\n- three\n\nSteps\n1. a\n2. b\n"
    assert page(text, str) == "It must not:\n\n- one\n- two\n  more\n- three\n\nSteps\n\n1. a\n2. b\n"


@given(st.text(alphabet="ab`- \n1.#", max_size=60))
def test_only_empty_lines_are_ever_added(text: str) -> None:
    def kept(lines: str) -> list[str]:
        return [line for line in lines.split("\n") if line]

    assert kept(page(text, str)) == kept(text)


def test_a_source_file_is_fenced_by_more_ticks_than_it_has() -> None:
    assert source_page("a/b.py", "x = '````'\n") == "# `a/b.py`\n\n`````python\nx = '````'\n`````\n"
