"""`streamer analyse`: which recordings, what is done already, the rest on an engine, then the report.

Results go to standard output, everything else to standard error. This file must never analyse anything itself, and
never let what is done be lost: a result is in the journal before it is shown.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
import typer
from rich.console import Console
from streamer_client.alerts.rules import Rule, default_rules, load_rules
from streamer_client.events import encode
from streamer_client.pretty import format_event, style_event
from streamer_client.recordings.finding import Source, Unusable, find, parse_pairs
from streamer_client.recordings.metadata import NOTHING, Row, read_table
from streamer_client.recordings.names import content_key, has_number, keyed, without_numbers

from streamer.archive.analysis import Analysed, Job, tenant_salt
from streamer.archive.engine import run
from streamer.archive.engines import Plan
from streamer.archive.journal import Entry, Journal, Print, key
from streamer.archive.parquet import needs_parquet, prove_parquet, write_parquet
from streamer.archive.report import ReportError, make_folder, write_report
from streamer.archive.results import CallResult, all_results, with_alerts
from streamer.archive.throughput import Throughput
from streamer.archive.ways import Ways
from streamer.bus.topics import pseudonym
from streamer.config import Settings, read_secret
from streamer.emotion.model import load, locate
from streamer.errors import StreamerError
from streamer.leg import prove

JOURNAL: Final = "journal.sqlite"
"""In the folder of the report. It holds the recordings' paths, which the report does not."""

_WITHOUT_NOTICE: Final = (
    "emotion.require_notice is set: no emotion is named in calls without a notice; give --notice, or a column 'notice' "
    "in --metadata, where the people were told"
)


class ArchiveError(StreamerError):
    """Not every recording could be analysed; one line for each that could not."""


class Wanted(msgspec.Struct, frozen=True):
    """What the command line says."""

    named: tuple[Path, ...]
    report: Path | None = None
    resume: bool = False
    as_json: bool = False
    quiet: bool = False
    workers: int | None = None
    on: str | None = None
    parquet: bool = False
    rules: Path | None = None
    metadata: Path | None = None
    pairs: tuple[str, ...] = ()
    roles: tuple[str, ...] | None = None
    notice: bool = False


def analyse(wanted: Wanted, settings: Settings) -> None:
    """Analyse recordings and print or write what was found.

    Raises
    ------
    StreamerError, streamer_client.errors.ClientError
        What cannot be right, before anything is analysed; and at the end, which recordings could not be.
    KeyboardInterrupt
        After saying how to go on.
    """
    if wanted.resume and wanted.report is None:
        raise ArchiveError("--resume goes on with a report; say which with --report FOLDER")
    if wanted.parquet and wanted.report is None:
        raise ArchiveError("--parquet is written into a report; say where with --report FOLDER")
    if wanted.report is not None and needs_parquet(wanted.report, wanted=wanted.parquet):
        prove_parquet()
    rules = load_rules(wanted.rules) if wanted.rules is not None else default_rules()
    prove(settings.speech)
    card = load(locate(settings.emotion.model)).card
    ways = Ways.of(settings, card, notice=wanted.notice, roles=wanted.roles)
    salt = _salt(settings)
    plan = Plan(settings, ways, salt, wanted.on, wanted.workers)
    plan.prove()
    found = find(wanted.named, patterns=parse_pairs(wanted.pairs), roles_are_given=wanted.roles is not None)
    sources = [one for one in found if isinstance(one, Source)]
    rows, notes = read_table(wanted.metadata).match(sources) if wanted.metadata else ([NOTHING] * len(sources), [])
    if card.restriction:
        notes = [*notes, f"beware: {card.restriction}"]
    if settings.emotion.require_notice and not wanted.notice and not all(row.notice for row in rows):
        notes = [*notes, _WITHOUT_NOTICE]
    say = _sayer(quiet=wanted.quiet)
    for note in notes:
        say(note)
    problems = [str(one.error) for one in found if isinstance(one, Unusable)]
    run_ = _Run(wanted, rules, plan, say)
    calls = list(zip(sources, rows, strict=True))
    if wanted.report is None:
        problems += run_.shown(_named(calls, {}, salt))
    else:
        problems += run_.reported(wanted.report, calls, salt, failed=len(problems))
    if problems:
        raise ArchiveError("\n".join(problems))


class _Run:
    """One run of the command."""

    def __init__(
        self,
        wanted: Wanted,
        rules: Sequence[Rule],
        plan: Plan,
        say: Callable[[str], None],
    ) -> None:
        self._wanted = wanted
        self._rules = rules
        self._plan = plan
        self._say = say
        self._show = None if wanted.quiet and not wanted.as_json else _shower(as_json=wanted.as_json)

    def shown(self, jobs: Sequence[Job]) -> list[str]:
        """Analyse and print; return what went wrong."""
        return self._through(jobs, lambda _job, _result: None, done_before=0)

    def reported(
        self, folder: Path, calls: Sequence[tuple[Source, Row]], salt: bytes | None, *, failed: int
    ) -> list[str]:
        """Analyse what is not done, keep it, write the report; return what went wrong."""
        path = folder / JOURNAL
        if path.exists() and not self._wanted.resume:
            raise ArchiveError(
                f"{folder} holds the results of an earlier run; go on with it by --resume, or choose another folder"
            )
        try:
            make_folder(folder)
        except OSError as problem:
            raise ReportError(f"cannot make the folder {folder}: {problem.strerror or problem}") from problem
        with Journal(path, self._plan.ways) as journal:
            gone = journal.gone()
            prints, todo, changed, problems = {}, [], [], []
            for source, row in calls:
                try:
                    prints[key(source)] = found = Print.of(source, row)
                except OSError as problem:
                    problems.append(f"cannot read {source.path}: {(problem.strerror or str(problem)).lower()}")
                    continue
                done = journal.is_done(source, found)
                changed += [key(source)] * (done is None)
                if not done:
                    todo.append((source, row))
            self._told(len(calls) - len(todo) - len(problems), len(changed), len(gone))
            names = {files: name for files, name in journal.names().items() if files not in gone}
            jobs = _named(todo, names, salt)
            # What changed goes before the run: under corrected ids two may have changed names with one another.
            journal.drop({*gone, *changed})
            try:
                problems += self._through(
                    jobs,
                    lambda job, result: journal.add(job.source, prints[key(job.source)], job.name, result),
                    done_before=len(calls) - len(todo),
                )
            except KeyboardInterrupt:
                typer.echo(
                    f"stopped; {len(journal)} calls are kept, go on with the same command and --resume", err=True
                )
                raise
            count = self._written(folder, journal, failed=failed + len(problems))
        self._say(f"report of {count} call{'s' * (count != 1)}: {folder / 'index.html'}")
        return problems

    def _written(self, folder: Path, journal: Journal, *, failed: int) -> int:
        """Write the report; return how many calls are in it."""
        places: list[tuple[str, str]] = []

        def noted() -> Iterator[Entry]:
            for entry in journal.entries():
                places.append((entry.result.ended.data.call.id, entry.files))
                yield entry

        count = write_report(folder, all_results(noted(), self._rules), self._plan.ways, failed=failed)
        if needs_parquet(folder, wanted=self._wanted.parquet):
            # In the order of the calls' ids, one call in memory at a time.
            results = (journal.result(files) for _, files in sorted(places))
            rows = write_parquet(folder, results, self._plan.ways)
            self._say(f"{rows} utterances in {folder / 'utterances.parquet'}")
        return count

    def _told(self, done: int, changed: int, gone: int) -> None:
        if done:
            self._say(f"{done} recording{'s' * (done != 1)} done before and not analysed again")
        if changed:
            self._say(f"{changed} recording{'s' * (changed != 1)} changed since, or known otherwise: analysed again")
        if gone:
            self._say(f"{gone} recording{'s' * (gone != 1)} no longer there: taken out of the journal and the report")

    def _through(self, jobs: Sequence[Job], keep: Callable[[Job, Analysed], None], *, done_before: int) -> list[str]:
        """Analyse; keep and show each result as it comes; return what went wrong."""
        problems = []
        with (
            _interruptible(),
            self._plan.engine(len(jobs), self._say) as engine,
            Throughput(len(jobs), done_before, time.monotonic, quiet=self._wanted.quiet) as throughput,
            closing(run(jobs, engine)) as outcomes,
        ):
            for outcome in outcomes:
                if outcome.tries > 1 and not isinstance(outcome.result, str):
                    self._say(f"{outcome.job.source.path}: done at try {outcome.tries}, its worker had ended")
                if isinstance(outcome.result, str):
                    problems.append(outcome.result)
                    throughput.failed()
                    continue
                keep(outcome.job, outcome.result)
                throughput.done(outcome.result.ended.data.duration_ms / 1000)
                if self._show is not None and (self._wanted.report is None or self._wanted.as_json):
                    self._show(with_alerts(outcome.result, self._rules), throughput.console)
        return problems


def _salt(settings: Settings) -> bytes | None:
    file = settings.privacy.salt_file
    return tenant_salt(read_secret("", file, "privacy.salt_file")) if file else None


def _named(calls: Sequence[tuple[Source, Row]], names: dict[str, str], salt: bytes | None) -> list[Job]:
    """Return the jobs, each call under an id of its own; one that had an id before keeps it."""
    own = {key(source) for source, _ in calls}
    taken = {name for files, name in names.items() if files not in own}
    jobs = []
    for source, row in calls:
        wanted = row.call_id or names.get(key(source)) or _name(source, salt)
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted}-{count}"
        taken.add(name)
        jobs.append(Job(source, name, row))
    return jobs


def _name(source: Source, salt: bytes | None) -> str:
    """Return what a call is called after its files: a telephone number among them becomes a pseudonym."""
    if not has_number(source.stem):
        return source.stem
    if salt is not None:
        return without_numbers(source.stem, lambda number: pseudonym(number, salt))
    try:
        return without_numbers(source.stem, keyed(content_key(source.paths)))
    except OSError:  # what cannot be read is said when it is analysed
        return without_numbers(source.stem, lambda _: "n")


def _sayer(*, quiet: bool) -> Callable[[str], None]:
    def say(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    return say


def _shower(*, as_json: bool) -> Callable[[CallResult, Console | None], None]:
    """Return what prints the events of a call; through the progress where both are on one screen."""

    def show(result: CallResult, console: Console | None) -> None:
        for event in result.events:
            if as_json:
                typer.echo(encode(event))
            elif console is not None and sys.stdout.isatty():
                console.print(style_event(event), soft_wrap=True)
            else:
                typer.echo(format_event(event))

    return show


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: what is done is kept, and the workers go with it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: a program that embeds this has its own way
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
