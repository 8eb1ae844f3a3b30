"""The repository as a home: what a reporter, a contributor and a citing author find, and that it is in order."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.reading import ROOT, anchors, links, text

HOME = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", ".github/PULL_REQUEST_TEMPLATE.md")
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
QUESTIONS = {"input", "textarea", "dropdown", "checkboxes"}
"""Elements of a form that are answered; `markdown` is only read."""
ATTRIBUTES = {
    "markdown": {"value"},
    "input": {"label", "description", "placeholder", "value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "dropdown": {"label", "description", "multiple", "options", "default"},
    "checkboxes": {"label", "description", "options"},
}
"""What GitHub knows of each (docs.github.com, "Syntax for GitHub's form schema")."""
CFF_KEYS = {
    *("abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords"),
    *("license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact"),
    *("repository-code", "title", "type", "url", "version"),
}
"""Those of Citation File Format 1.2.0 (https://github.com/citation-file-format/citation-file-format)."""


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", HOME)
def test_links_lead_somewhere(name: str) -> None:
    for path, anchor in links(text(name)):
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name} links to {path}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{path}#{anchor}"


@pytest.mark.parametrize("name", [*HOME, "CITATION.cff", *(str(form.relative_to(ROOT)) for form in FORMS)])
def test_no_address_was_invented(name: str) -> None:
    document = text(name)
    assert re.findall(r"[\w.+-]+@[\w-]+\.\w+", document) == []
    assert set(re.findall(r"https?://([\w.-]+)", document)) <= {"www.contributor-covenant.org"}


def test_commands_for_contributors_are_targets_that_there_are() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    asked = re.findall(r"\bmake ([a-z]+)", text("CONTRIBUTING.md"))
    assert {"install", "test", "lint"} <= set(asked) <= targets


def test_a_vulnerability_is_never_reported_in_public() -> None:
    assert "private vulnerability reporting" in text("SECURITY.md")
    for name in ("CONTRIBUTING.md", ".github/ISSUE_TEMPLATE/bug.yml"):
        assert "vulnerability" in text(name)


def test_the_citation_is_in_the_format_and_of_this_version() -> None:
    cited, project = read(ROOT / "CITATION.cff"), tomllib.loads(text("pyproject.toml"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= cited.keys() <= CFF_KEYS
    assert (cited["cff-version"], cited["type"]) == ("1.2.0", "software")
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert cited["authors"] == [{"name": re.findall(r"Copyright \d+ (.+)", text("NOTICE"))[0]}]
    assert isinstance(cited.get("date-released", dt.date.min), dt.date)
    assert all(isinstance(cited[key], str) for key in ("message", "title", "abstract"))


@pytest.mark.parametrize("form", [form for form in FORMS if form.name != "config.yml"], ids=lambda form: form.stem)
def test_a_form_is_one_that_the_code_host_shows(form: Path) -> None:
    found = read(form)
    assert {"name", "description", "body"} <= found.keys() <= {"name", "description", "body", "labels", "title"}
    ids = [part["id"] for part in found["body"] if part["type"] in QUESTIONS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", one) for one in ids)
    labels = [part["attributes"]["label"] for part in found["body"] if part["type"] in QUESTIONS]
    assert len(set(labels)) == len(labels)
    for part in found["body"]:
        assert part.keys() <= {"type", "id", "attributes", "validations"}
        assert part["attributes"].keys() <= ATTRIBUTES[part["type"]]
        assert set(part.get("validations", {})) <= {"required"}
        options = part["attributes"].get("options", [])
        if part["type"] == "dropdown":
            assert len(options) == len({str(option) for option in options}) > 1
            assert all(isinstance(option, str) for option in options)  # a bare `no` would be False
        if part["type"] == "checkboxes":
            assert all(option.keys() <= {"label", "required"} for option in options)
    assert any(part.get("validations", {}).get("required") for part in found["body"])


def test_there_is_a_form_for_what_people_come_with_and_other_things_can_be_said() -> None:
    assert {form.stem for form in FORMS} == {"bug", "config", "dialect", "model"}
    assert read(ROOT / ".github/ISSUE_TEMPLATE/config.yml") == {"blank_issues_enabled": True}


def test_the_form_for_bugs_names_every_platform_that_the_server_speaks() -> None:
    from streamer.platforms import PATHS  # noqa: PLC0415 - nothing else here needs the server

    (way,) = [part for part in read(ROOT / ".github/ISSUE_TEMPLATE/bug.yml")["body"] if part.get("id") == "way"]
    offered = " ".join(way["attributes"]["options"]).lower()
    names = {path.strip("/").partition("/")[0] for path in PATHS} - {"v1"}
    assert names
    assert [name for name in names if name not in offered] == []
