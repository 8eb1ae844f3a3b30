"""Ask a public database whether a locked dependency has a known vulnerability; fails where one has.

Runs `uv audit` over uv.lock (every group: what tests and builds runs on our machines, too), which asks https://osv.dev.
A database that cannot be reached is said in a line that begins with NOT AUDITED and is no failure: a release must not
wait for somebody else's server, and nobody may mistake silence for a clean bill. Run it by `make audit`.

This file must never let a vulnerability pass without a reason and a day on which it is looked at again
(tools/audit_ignored.toml).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

IGNORED = Path(__file__).with_name("audit_ignored.toml")
NOT_AUDITED = "NOT AUDITED"
_FOUND = 1
_UNREACHABLE = ("error sending request", "Request failed", "HTTP status server error")


class Ignored(NamedTuple):
    """A vulnerability that is let pass."""

    id: str
    reason: str
    until: dt.date


class Verdict(NamedTuple):
    """What came out."""

    ok: bool
    says: str


def read_ignored(text: str, today: dt.date) -> list[Ignored]:
    """Return the exceptions.

    Raises
    ------
    ValueError
        One has no reason, or its day has come.
    """
    found = []
    for entry in tomllib.loads(text).get("ignored", []):
        one = Ignored(entry.get("id", ""), entry.get("reason", "").strip(), entry.get("until"))
        if not (one.id and one.reason and isinstance(one.until, dt.date)):
            raise ValueError(f"{IGNORED.name}: {entry} needs an id, a reason and a day (until = 2027-01-31)")
        if one.until <= today:
            raise ValueError(f"{IGNORED.name}: the day of {one.id} has come ({one.until}); look at it again")
        found.append(one)
    return found


def judge(status: int, out: str, err: str) -> Verdict:
    """Return what an end of `uv audit` means.

    Parameters
    ----------
    status
        0 = nothing found, 1 = something found, anything else = it did not come to an answer.
    out
        Its JSON.
    err
        Its words.
    """
    if status not in {0, _FOUND}:
        if any(words in err for words in _UNREACHABLE):
            return Verdict(ok=True, says=f"{NOT_AUDITED}: the database of vulnerabilities cannot be reached from here")
        return Verdict(ok=False, says=f"the audit failed; it needs a uv that has `uv audit`. It says:\n{err.strip()}")
    try:
        report = json.loads(out)
        audited, vulnerabilities = report["summary"]["audited_packages"], report["vulnerabilities"]
        lines = [_line(found) for found in vulnerabilities]
        # A package that was withdrawn, archived or quarantined; said, and for a person to judge.
        lines += [f"status: {status}" for status in report["adverse_statuses"]]
    except (ValueError, KeyError, TypeError) as problem:
        return Verdict(ok=False, says=f"the audit's answer is not understood ({problem!r}); has `uv audit` changed?")
    if not audited:
        return Verdict(ok=False, says="the audit looked at no package")
    if status == _FOUND and not lines:
        return Verdict(ok=False, says=f"the audit found something that it does not name:\n{err.strip()}")
    lines.append(f"{audited} packages audited, {len(vulnerabilities)} known vulnerabilities")
    return Verdict(ok=not vulnerabilities, says="\n".join(lines))


def _line(found: dict[str, Any]) -> str:
    package = found["dependency"]
    fixed = ", ".join(found["fix_versions"]) or "no version yet"
    names = " ".join([found["id"], *found["aliases"]])
    return f"{package['name']} {package['version']}: {names}: {found['summary']} (fixed in {fixed}) {found['link']}"


def command(uv: str, ignored: Iterable[Ignored], service: str = "") -> list[str]:
    """Return how the audit is asked for."""
    asked = [uv, "audit", "--locked", "--no-progress", "--output-format", "json"]
    asked += ["--preview-features", "audit-command,json-output"]
    for one in ignored:
        asked += ["--ignore", one.id]
    return [*asked, "--service-url", service] if service else asked


def main(arguments: list[str]) -> int:
    """Audit; return the exit status."""
    parser = argparse.ArgumentParser(description="Is there a known vulnerability in a locked dependency?")
    parser.add_argument("--uv", default="uv", help="the program uv")
    parser.add_argument("--service", default="", help="another database that speaks OSV's protocol")
    given = parser.parse_args(arguments)
    try:
        ignored = read_ignored(IGNORED.read_text(encoding="utf-8"), dt.datetime.now(dt.UTC).date())
    except ValueError as problem:
        print(problem)
        return 1
    for one in ignored:
        print(f"let pass until {one.until}: {one.id}: {one.reason}")
    asked = command(given.uv, ignored, given.service)
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    verdict = judge(done.returncode, done.stdout, done.stderr)
    print(verdict.says)
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
