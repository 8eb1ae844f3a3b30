"""No fenced block of the manual goes unread: each is run by a test, or held to the program, or has its reason.

What is run stands in `covered.py` with the test that does; what is read is read here, by language. A block that none of
these knows fails, with what to do about it.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from streamer_client.alerts.outputs.load import parse_outputs
from streamer_client.alerts.rules import parse_rules
from streamer_client.events import decode

from streamer.config import load
from streamer.platforms import PATHS
from tests.conftest import MakeBroker
from tests.docs.commands import PROGRAMS_OF_OURS, hold, lines
from tests.docs.covered import OTHERS, RUN
from tests.docs.reading import GUIDES, ROOT, text

DOCUMENTS = [*GUIDES, ROOT / "clients/web/README.md", ROOT / "models/README.md", ROOT / "docker/README.md"]
_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1``` *$", re.MULTILINE | re.DOTALL)
ALL = [
    (path.relative_to(ROOT).as_posix(), language, body)
    for path in DOCUMENTS
    if path.exists()
    for _, language, body in _FENCE.findall(path.read_text(encoding="utf-8"))
]
READ_HERE = {"json", "sh", "toml", "xml", "yaml"}
"""Languages that a test below reads, block by block."""


def these(*languages: str) -> Any:
    """Run a test for each block of some languages."""
    found = [(name, body) for name, language, body in ALL if language in languages]
    return pytest.mark.parametrize(("name", "body"), found, ids=[f"{name}-{at}" for at, (name, _) in enumerate(found)])


def test_every_block_is_run_or_read_or_has_its_reason() -> None:
    unknown = {(name, language) for name, language, _ in ALL if language not in READ_HERE} - {*RUN, *OTHERS}
    assert unknown == set(), "let a test run it and say so in tests/docs/covered.py, or give the reason there"


def test_what_is_said_of_blocks_is_said_of_some() -> None:
    there = {(name, language) for name, language, _ in ALL}
    assert {*RUN, *OTHERS} - there == set()
    assert RUN.keys() & OTHERS.keys() == set()


@pytest.mark.parametrize(("block", "test"), RUN.items(), ids=[f"{name}-{language}" for name, language in RUN])
def test_the_test_that_runs_a_block_is_there_and_names_its_document(block: tuple[str, str], test: str) -> None:
    source = text(test)
    name = block[0]
    short = name.removeprefix("docs/")
    assert name in source or f'"{short}"' in source or f'"docs" / "{short}"' in source, f"{test} does not name {name}"


@these("toml")
def test_a_configuration_or_a_set_of_rules_is_one_that_the_program_takes(
    name: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tomllib.loads(body)
    if "corpora" in tables:
        assert name == "docs/training.md", "tests/docs/test_training.py reads that one"
        return
    for secret in re.findall(r'(?:_file|_url) = "([^"/]+)"|url_file = "([^"/]+)"', body):
        (tmp_path / "".join(secret)).write_text("whsec_" + "A" * 43 + "=", encoding="utf-8")
    (tmp_path / "chat.url").write_text("https://chat.example.com/T0", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    if "rule" in tables:
        assert parse_rules(body, name)
    if "output" in tables:
        assert parse_outputs(body, name, {})
    if not {"rule", "output"} & tables.keys():
        (tmp_path / "streamer.toml").write_text(body, encoding="utf-8")
        load(tmp_path / "streamer.toml", {}, {})


@these("json")
def test_json_is_json_and_an_event_in_it_is_one(name: str, body: str) -> None:  # noqa: ARG001 - the name is for the report
    value = json.loads(body)
    if isinstance(value, dict) and "specversion" in value:
        assert msgspec.to_builtins(decode(body))["data"]["call"]["id"]


@these("xml")
def test_xml_is_xml(name: str, body: str) -> None:  # noqa: ARG001 - as above
    ET.fromstring(body)  # noqa: S314 - our own document


@these("python")
def test_python_is_python(name: str, body: str) -> None:
    compile(body, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@these("js")
def test_javascript_is_javascript(name: str, body: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs the program node")
    # A guide may import one name twice, as alternatives; as a program that would be an error.
    imports = dict.fromkeys(re.findall(r"^import .*$", body, re.MULTILINE))
    rest = re.sub(r"^import .*$", "", body, flags=re.MULTILINE)
    (tmp_path / "block.mjs").write_text("\n".join(imports) + rest, encoding="utf-8")
    done = subprocess.run([node, "--check", tmp_path / "block.mjs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (name, done.stderr)


@pytest.mark.parametrize(("name", "body"), [(name, body) for name, _, body in ALL if "://" in body])
def test_an_address_of_ours_leads_to_a_platform_or_a_page_that_there_is(name: str, body: str) -> None:  # noqa: ARG001
    ours = re.findall(r"\bwss?://(?![^/\s]*broker)[^/\s\"'<,]+(/[\w/-]+)", body)
    assert [path for path in ours if path not in PATHS] == []
    admin = re.findall(r"http://127\.0\.0\.1:9464(/\w*)", body)
    assert set(admin) <= {"/livez", "/readyz", "/metrics"}


INLINE = [
    (path.relative_to(ROOT).as_posix(), span)
    for path in DOCUMENTS
    if path.exists()
    for span in re.findall(
        r"`(streamer(?:-client)? [a-z][^`]*)`",
        _FENCE.sub("", path.read_text(encoding="utf-8")).partition("\n## Not yet")[0],
    )
]


@pytest.mark.parametrize(("name", "span"), INLINE)
def test_a_command_within_a_sentence_is_there_with_its_flags(name: str, span: str) -> None:
    program, command, *rest = span.split()
    group: Any = typer.main.get_command(PROGRAMS_OF_OURS[program])
    assert command in group.commands, f"{name}: {span}"
    options = {flag for option in group.commands[command].params for flag in option.opts}
    assert {word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"} <= options | {"--help"}


@these("sh")
def test_a_command_is_one_of_ours_or_of_a_program_that_is_known(name: str, body: str) -> None:
    for program, *rest in lines(body):
        hold(name, program, rest)


def test_commands_in_indented_blocks_are_there_too() -> None:
    """models/README.md shows its commands indented; they are held to the same."""
    shown = re.findall(r"^    ((?:uv|python) .*)$", text("models/README.md"), re.MULTILINE)
    assert len(shown) > 5
    for line in shown:
        program, *rest = shlex.split(line)
        hold("models/README.md", program, rest)


@pytest.mark.parametrize("name", ["docs/mqtt.md", "docs/dashboard.md"])
def test_a_broker_takes_the_rights_of_the_guide(name: str, mosquitto_with: MakeBroker, tmp_path: Path) -> None:
    (rights,) = (body for doc, _, body in ALL if doc == name and body.startswith("user "))
    (tmp_path / "acl").write_text(rights, encoding="utf-8")
    assert mosquitto_with(f"acl_file {tmp_path / 'acl'}").url
