"""The dependency audit: what an answer means, what may be let pass, and the real command against a made-up database."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.tools.programs import uv
from tools import audit
from tools.audit import IGNORED, NOT_AUDITED, command, judge, main, read_ignored

TODAY = dt.date(2026, 11, 22)
CLEAN: dict[str, Any] = {"summary": {"audited_packages": 101}, "vulnerabilities": [], "adverse_statuses": []}
FOUND: dict[str, Any] = {
    "dependency": {"name": "msgspec", "version": "0.22.0"},
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2026-0001"],
    "summary": "reads too much",
    "link": "https://example.com/advisory",
    "fix_versions": ["9.9"],
}


def test_nothing_found_passes_and_says_how_much_was_looked_at() -> None:
    verdict = judge(0, json.dumps(CLEAN), "")
    assert verdict.ok
    assert verdict.says == "101 packages audited, 0 known vulnerabilities"


def test_a_vulnerability_fails_and_is_named_with_what_is_needed_to_act() -> None:
    verdict = judge(1, json.dumps(CLEAN | {"vulnerabilities": [FOUND]}), "")
    assert not verdict.ok
    for word in ("msgspec 0.22.0", "GHSA-aaaa-bbbb-cccc", "CVE-2026-0001", "reads too much", "9.9", "https://"):
        assert word in verdict.says
    assert (
        "no version yet" in judge(1, json.dumps(CLEAN | {"vulnerabilities": [FOUND | {"fix_versions": []}]}), "").says
    )


def test_a_package_that_was_withdrawn_is_said_and_left_to_a_person() -> None:
    verdict = judge(1, json.dumps(CLEAN | {"adverse_statuses": [{"name": "x", "status": "archived"}]}), "")
    assert verdict.ok
    assert "archived" in verdict.says


@pytest.mark.parametrize(
    "err",
    [
        "error: Request failed after 3 retries\n  cause: error sending request for url (https://...)",
        "error: HTTP status server error (503 Service Unavailable) for url (https://...)",
    ],
)
def test_a_database_that_cannot_be_reached_is_said_and_is_no_failure(err: str) -> None:
    verdict = judge(2, "", err)
    assert verdict.ok
    assert verdict.says.startswith(NOT_AUDITED)


@pytest.mark.parametrize(
    ("status", "out", "err"),
    [
        (2, "", "error: unrecognized subcommand 'audit'"),
        (2, "", "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided."),
        (0, "", ""),
        (0, "{}", ""),
        (0, json.dumps(CLEAN | {"summary": {"audited_packages": 0}}), ""),
        (1, json.dumps(CLEAN), "found something"),
        (1, json.dumps(CLEAN | {"vulnerabilities": [{}]}), ""),
    ],
)
def test_whatever_is_not_understood_fails(status: int, out: str, err: str) -> None:
    assert not judge(status, out, err).ok


def test_an_exception_needs_a_reason_and_a_day_that_has_not_come() -> None:
    good = '[[ignored]]\nid = "GHSA-1"\nreason = "not used"\nuntil = 2026-11-23\n'
    (one,) = read_ignored(good, TODAY)
    assert "GHSA-1" in command("uv", [one])
    for bad in (
        good.replace('reason = "not used"\n', ""),
        good.replace("not used", " "),
        good.replace("until = 2026-11-23\n", ""),
        good.replace("2026-11-23", '"soon"'),
        good.replace("2026-11-23", "2026-11-22"),
    ):
        with pytest.raises(ValueError, match="audit_ignored"):
            read_ignored(bad, TODAY)


def test_the_list_in_the_repository_can_be_read() -> None:
    read_ignored(IGNORED.read_text(encoding="utf-8"), dt.date.min)


@pytest.fixture
def database() -> Iterator[str]:
    """A database that knows one vulnerability, in msgspec."""
    known = {
        "id": FOUND["id"],
        "modified": "2026-01-01T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": FOUND["aliases"],
        "summary": FOUND["summary"],
        "affected": [
            {
                "package": {"name": "msgspec", "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}],
            }
        ],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
            brief = {"vulns": [{"id": known["id"], "modified": known["modified"]}]}
            self._answer({"results": [brief if one["package"]["name"] == "msgspec" else {} for one in asked]})

        def do_GET(self) -> None:
            self._answer(known)

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_real_command_finds_what_the_database_knows_and_lets_pass_what_is_listed(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert main(["--uv", uv(), "--service", database]) == 1
    assert "msgspec" in capsys.readouterr().out
    listed = tmp_path / "audit_ignored.toml"
    monkeypatch.setattr(audit, "IGNORED", listed)
    listed.write_text('[[ignored]]\nid = "CVE-2026-0001"\nreason = "made up"\nuntil = 9999-01-01\n', encoding="utf-8")
    assert main(["--uv", uv(), "--service", database]) == 0
    assert "let pass until 9999-01-01: CVE-2026-0001: made up" in capsys.readouterr().out
    listed.write_text('[[ignored]]\nid = "CVE-2026-0001"\n', encoding="utf-8")
    assert main(["--uv", uv(), "--service", database]) == 1


def test_the_real_command_passes_where_nobody_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    assert main(["--uv", uv(), "--service", "http://127.0.0.1:1/"]) == 0
    assert capsys.readouterr().out.startswith(NOT_AUDITED)
