"""`alerts`: apply compliance rules to the bus. The face of :mod:`streamer_client.alerts.runner`, nothing more."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from streamer_client.alerts.explain import explain, read_events
from streamer_client.alerts.outputs import load_outputs, try_outputs
from streamer_client.alerts.outputs.place import Place
from streamer_client.alerts.rules import Rule, default_rules, load_rules
from streamer_client.alerts.runner import KEEP_DAYS, run_alerts
from streamer_client.broker import DEFAULT_URL, Broker
from streamer_client.commands.options import (
    Base,
    CaFile,
    CertFile,
    KeyFile,
    Mqtt,
    PasswordFile,
    Share,
    Tenant,
    Username,
    Version,
)
from streamer_client.errors import OptionError
from streamer_client.pretty import style_event
from streamer_client.running import on_signals, run
from streamer_client.watch import on_status


def alerts_command(
    *,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="Rules and outputs in TOML; the shipped rules if not given."),
    ] = None,
    state: Annotated[
        Path,
        typer.Option(
            "--state",
            metavar="FILE",
            help="What it has heard and still has to deliver; keep it, and a restart misses and repeats nothing.",
        ),
    ] = Path("alerts.sqlite"),
    name: Annotated[
        str,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Under it the broker keeps what comes while this is away; the one in the state if not given.",
        ),
    ] = "",
    keep_days: Annotated[
        float, typer.Option("--keep-days", metavar="N", min=0, help="How long delivered alerts stay in the state.")
    ] = KEEP_DAYS,
    check: Annotated[bool, typer.Option("--check", help="Only check rules and outputs, and exit.")] = False,
    test_outputs: Annotated[
        bool, typer.Option("--test-outputs", help="Only send each output a test alert, and say what came of it.")
    ] = False,
    recording: Annotated[
        str,
        typer.Option(
            "--explain",
            metavar="FILE",
            help="Only say why each rule fires or not on events recorded by watch --json; - is standard input.",
        ),
    ] = "",
    mqtt: Mqtt = DEFAULT_URL,
    tenant: Tenant = "default",
    share: Share = "",
    base: Base = "emotion",
    version: Version = "5",
    username: Username = "",
    password_file: PasswordFile = "",
    ca_file: CaFile = "",
    cert_file: CertFile = "",
    key_file: KeyFile = "",
) -> None:
    """Apply alert rules to live calls, publish the alerts, and print each.

    \b
    Examples:
      alerts
      alerts --rules rules.toml --check
      alerts --rules rules.toml --test-outputs
      alerts --rules rules.toml --explain call.jsonl
      alerts --rules rules.toml --state /var/lib/alerts.sqlite --mqtt mqtt://broker.example
      alerts --share 2/3 --name second --state second.sqlite
      alerts --tenant + --mqtt mqtts://broker.example --username alerts --password-file secret.txt
    """  # noqa: D301 - \b keeps the examples' lines apart
    loaded = load_rules(rules) if rules is not None else default_rules()
    if recording:  # before the outputs: who explains need not have their secrets
        _explain(loaded, recording)
        return
    outputs = load_outputs(rules) if rules is not None else ()
    if test_outputs and not outputs:
        raise OptionError("there is no output to try; name some as [[output]] in the file of --rules")
    console = Console()
    typer.echo(f"{len(loaded)} rules: {', '.join(rule.name for rule in loaded)}", err=True)
    if outputs:
        typer.echo(f"{len(outputs)} outputs besides the bus: {', '.join(output.name for output in outputs)}", err=True)
    if check:
        for line in filter(None, map(_warning, loaded)):
            typer.echo(line, err=True)
    if test_outputs:
        _try_outputs(outputs)
    if check or test_outputs:
        return
    broker = Broker(mqtt, version, username, password_file, ca_file, cert_file, key_file)
    whose = "every tenant" if tenant == "+" else f"tenant {tenant}"
    if share:
        whose += f" (share {share})"
    typer.echo(f"following {whose} at {broker.address}, state {state}; Ctrl-C ends it", err=True)
    run(
        _until_told(
            run_alerts(
                loaded,
                broker=broker,
                tenant=tenant,
                base=base,
                share=share,
                state=state,
                name=name,
                outputs=outputs,
                keep_days=keep_days,
                on_alert=lambda alert: console.print(style_event(alert), soft_wrap=True),
                on_status=on_status(lambda line: typer.echo(line, err=True)),
            )
        )
    )


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Work until SIGTERM; as process 1 of a container nothing is ended by it that does not listen to it."""
    told = asyncio.Event()
    on_signals(told.set, (signal.SIGTERM,))
    working, waiting = asyncio.create_task(work, name="alerts"), asyncio.create_task(told.wait(), name="until told")
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        working.result()


def _warning(rule: Rule) -> str | None:
    """Return what is right about a rule, and yet not what its author may expect."""
    if rule.silence_of is None:
        return None
    return (
        f"rule {rule.name}: only calls in which the {rule.silence_of} is analysed can be judged (emotion.analyse of "
        "the server, with a lawful_basis); of others the bus carries no utterances of that side"
    )


def _explain(rules: Sequence[Rule], file: str) -> None:
    try:
        for line in _explained(rules, file):
            typer.echo(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads us (`| head`) has enough. What is left has nowhere to go, nor has Python's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explained(rules: Sequence[Rule], file: str) -> Iterator[str]:
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as lines:
            yield from explain(rules, read_events(lines))
    except OSError as problem:
        raise OptionError(f"cannot read {file}: {problem.strerror}; record one with watch --json") from problem


def _try_outputs(outputs: Sequence[Place]) -> None:
    async def try_all() -> bool:
        outcomes = [outcome async for outcome in try_outputs(outputs)]
        for outcome in outcomes:
            typer.echo(outcome.line)
        return all(not outcome.error for outcome in outcomes)

    if not run(try_all()):
        raise typer.Exit(1)
