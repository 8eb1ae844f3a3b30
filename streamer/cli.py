"""The command `streamer`: the server's own commands, and the client's mounted beside them.

Errors are one line on standard error and exit status 1; Ctrl-C is 130. This file must never hold anything that a test
could not reach without a terminal: it parses, calls, prints.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from streamer_client import commands as client
from streamer_client.running import on_signals, run

from streamer import __version__
from streamer.errors import StreamerError

if TYPE_CHECKING:
    from streamer.config import Settings

app = typer.Typer(
    name="streamer",
    help="Live telephone calls in, emotion events on MQTT out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="The configuration file; ./streamer.toml is read where it exists.", show_default=False
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"streamer {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Live telephone calls in, emotion events on MQTT out."""


def _examples(*lines: str) -> str:
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])  # \b keeps the lines apart


@app.command(
    short_help="Take calls until SIGTERM or Ctrl-C.",
    epilog=_examples(
        "streamer serve",
        "streamer serve --config streamer.toml --mqtt mqtts://broker:8883",
        "STREAMER_MQTT_URL=mqtt://broker streamer serve --port 9000",
    ),
)
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (server.host).", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="WebSocket port (server.port).", show_default=False)] = None,
    admin_port: Annotated[
        int | None, typer.Option(help="Health and metrics port (server.admin_port).", show_default=False)
    ] = None,
    mqtt: Annotated[str | None, typer.Option(metavar="URL", help="The broker (mqtt.url).", show_default=False)] = None,
    outbox: Annotated[
        str | None, typer.Option(metavar="PATH", help="File of events to deliver (outbox.path).", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="The model (emotion.model).", show_default=False)
    ] = None,
    analyse: Annotated[
        str | None,
        typer.Option(metavar="ROLE,ROLE", help="Whose emotions are named (emotion.analyse).", show_default=False),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes (server.workers).", show_default=False)] = None,
) -> None:
    """Take calls until SIGTERM or Ctrl-C; then let the calls end. A second signal hurries.

    With several workers SIGHUP replaces them, one after the other, by new ones with the configuration as it is then.
    """
    flags: dict[str, object] = {
        "server.host": host,
        "server.port": port,
        "server.admin_port": admin_port,
        "server.workers": workers,
        "mqtt.url": mqtt,
        "outbox.path": outbox,
        "emotion.model": model,
        "emotion.analyse": [role.strip() for role in analyse.split(",") if role.strip()] if analyse else None,
    }
    load = partial(_load, config, flags)
    serve_settings(load(), load)


@app.command(
    short_help="Show the whole thing, in about a minute.",
    epilog=_examples("streamer demo", "streamer demo --stay", "streamer demo --speed max"),
)
def demo(
    speed: Annotated[str, typer.Option(metavar="N|max", help="Times faster than life.")] = "1",
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep it all running after the call, to speak into the softphone page.")
    ] = False,
) -> None:
    """Show the whole thing: broker, server, dashboard and a recorded call in real time, about a minute."""
    from streamer_client.pace import parse_speed

    from streamer.demo.show import show

    _run(show(parse_speed(speed), stay=stay))


@app.command(
    short_help="Say what is wrong with the set-up, and what to do.",
    epilog=_examples("streamer check", "streamer check --config streamer.toml --print", "streamer check --json"),
)
def check(
    config: ConfigOption = None,
    print_settings: Annotated[
        bool, typer.Option("--print", help="Show the settings in force, secrets masked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON, for machines.")] = False,
) -> None:
    """Say whether configuration, model, machine and broker are right, and what to do if not.

    Each line begins with ok, warn (the server runs, but something should be better) or WRONG, which alone makes the
    exit status 1. Nothing is changed: what is published on the way is empty.
    """
    from streamer.checks import check_all, shown, to_json

    if print_settings and as_json:
        raise typer.BadParameter("--print writes another format than --json; use one of them")
    settings = _load(config, {})
    if print_settings:
        print(shown(settings))
    outcomes = run(check_all(settings, _file(config)))
    print(to_json(outcomes) if as_json else "\n".join(outcome.line for outcome in outcomes))
    if not all(outcome.ok for outcome in outcomes):
        raise typer.Exit(1)


@app.command(
    short_help="Analyse recordings, without server or broker.",
    epilog=_examples(
        "streamer analyse call.wav",
        "streamer analyse archive/ --report out/ --metadata calls.csv",
        "streamer analyse archive/ --report out/ --resume",
        "streamer analyse 'archive/**/*.gsm' --json",
        "streamer analyse /mnt/archive --report out/ --parquet --on ray://head-node:10001",
    ),
)
def analyse(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recordings of 1 to 8 channels, folders of them, patterns.")
    ],
    *,
    config: ConfigOption = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="The model (emotion.model).", show_default=False)
    ] = None,
    analyse_roles: Annotated[
        str | None,
        typer.Option(
            "--analyse", metavar="ROLE,ROLE", help="Whose emotions are named (emotion.analyse).", show_default=False
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a page per call, tables and events.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a report; what is done is not repeated.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one for each core if not given.", show_default=False)
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ray://HOST:PORT|ray",
            help="Spread the recordings over a Ray cluster, which sees the same paths; ray: one of this machine.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(metavar="TOML", help="Alert rules; the shipped ones if not given.", show_default=False),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Columns file, call_id, started_at, roles, notice, label.NAME.", show_default=False
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=PATTERN|off",
            help="Files of one call, as customer=*_in and agent=*_out. If not given: *_customer, *_caller, *_agent.",
            show_default=False,
        ),
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(
            metavar="LEFT,RIGHT", help="Who is on each channel: customer, agent, unknown.", show_default=False
        ),
    ] = None,
    notice: Annotated[
        bool, typer.Option("--notice", help="The people heard were told that emotion is inferred.")
    ] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Also write the utterances as Parquet into the report.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as JSON, one a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Analyse recordings here and now, without a server or a broker, as a live call would be.

    Without --report the events are printed. One recording that cannot be read does not stop the others; the exit
    status is then 1 and says which.
    """
    from streamer_client.commands.options import listed

    from streamer.archive.command import Wanted
    from streamer.archive.command import analyse as analyse_recordings

    flags: dict[str, object] = {
        "emotion.model": model,
        "emotion.analyse": list(listed(analyse_roles, "--analyse")) if analyse_roles else None,
    }
    wanted = Wanted(
        named=tuple(files),
        report=report,
        resume=resume,
        as_json=as_json,
        quiet=quiet,
        workers=workers,
        on=on,
        parquet=parquet,
        rules=rules,
        metadata=metadata,
        pairs=tuple(pair or ()),
        roles=listed(roles, "--roles") if roles is not None else None,
        notice=notice,
    )
    analyse_recordings(wanted, _load(config, flags))


@app.command(
    short_help="Say how many live calls this machine carries.",
    epilog=_examples(
        "streamer bench",
        "streamer bench --config streamer.toml --dialect native --frame-ms 100",
        "streamer bench --legs 200 --seconds 30",
        "streamer bench --json > capacity.json",
    ),
)
def bench(
    config: ConfigOption = None,
    legs: Annotated[
        int | None,
        typer.Option(min=2, help="Try so many parties, two a call, instead of a search.", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long each try is measured.")] = 10.0,
    dialect: Annotated[str, typer.Option(metavar="twilio|native", help="How the calls come.")] = "twilio",
    frame_ms: Annotated[int, typer.Option(metavar="20|40|60|80|100", help="Length of their messages in ms.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON; progress goes to stderr.")] = False,
) -> None:
    """Say how many live calls this machine carries, with your configuration, in some minutes.

    Starts a broker and the server with ports and an outbox of their own, plays made-up calls to it, more and more, and
    says how many it carried with nothing lost and no event late. Nothing of yours is touched. Linux only.

    The exit status is 0 where a load was carried, 1 where none was (with --legs: where that one was not).
    """
    from streamer.bench.command import Wanted
    from streamer.bench.command import bench as measure
    from streamer.bench.tape import DIALECTS, FRAMES_MS

    if dialect not in DIALECTS:
        raise typer.BadParameter(f"got {dialect!r}; there are {', '.join(DIALECTS)}", param_hint="--dialect")
    if frame_ms not in FRAMES_MS:
        raise typer.BadParameter(f"got {frame_ms}; there are {', '.join(map(str, FRAMES_MS))}", param_hint="--frame-ms")
    wanted = Wanted(legs=legs, seconds=seconds, dialect=dialect, frame_ms=frame_ms, as_json=as_json)
    if not measure(_load(config, {}), wanted):
        raise typer.Exit(1)


client.mount(app, "streamer", ("replay", "watch", "alerts", "acknowledge", "dashboard"))


def _load(config: Path | None, flags: dict[str, object]) -> Settings:
    from streamer.config import load

    return load(_file(config), os.environ, flags)


def _file(config: Path | None) -> Path | None:
    """Return which file counts: that of the flag, of the variable, or of the folder; None where there is none."""
    if config is not None:
        return config
    named = os.environ.get("STREAMER_CONFIG", "")
    here = Path("streamer.toml")
    return Path(named) if named else here if here.exists() else None


def serve_settings(settings: Settings, load: Callable[[], Settings]) -> None:
    """Take calls until a signal, with settings that are known.

    Parameters
    ----------
    settings
        In force from the start.
    load
        Reads them anew, for SIGHUP.
    """
    _run(_serve(settings, load) if settings.server.workers == 1 else _supervise(settings, load))


async def _serve(settings: Settings, load: Callable[[], Settings]) -> None:
    from streamer.descriptors import provide
    from streamer.logs import configure
    from streamer.renewal import look_at
    from streamer.server import node
    from streamer.service import set_aside

    configure(settings.log)
    provide(settings)
    async with node(settings) as server:
        set_aside()
        _on_signals(server.drain, partial(look_at, settings, load))
        await server.run()


async def _supervise(settings: Settings, load: Callable[[], Settings]) -> None:
    from streamer.descriptors import provide
    from streamer.logs import configure
    from streamer.workers.system import check_system

    check_system()
    from streamer.workers.supervisor import Supervisor

    configure(settings.log)
    provide(settings)
    supervisor = Supervisor(settings, load)
    _on_signals(supervisor.drain, supervisor.renew)
    await supervisor.run()


def _on_signals(drain: Callable[[], None], renew: Callable[[], None]) -> None:
    on_signals(drain)
    if hasattr(signal, "SIGHUP"):  # not on Windows
        on_signals(renew, (signal.SIGHUP,))


def _run(work: Coroutine[object, object, None]) -> None:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        run(work)
    else:
        uvloop.run(work)


def main() -> None:
    """Run the command line; end the process with its status."""
    sys.exit(client.run_app(app, "streamer", problems=(StreamerError,)))
