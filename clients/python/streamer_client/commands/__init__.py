"""The commands of the client: `replay`, `watch`, `alerts`, alone or mounted in the server's own command.

An error is one line on standard error and a code other than 0: 1 where something went wrong, 2 where the command line
is wrong, 130 after Ctrl-C. This folder must never hold what a program would want to call: that is the Python API.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer

from streamer_client.commands.acknowledge import acknowledge_command
from streamer_client.commands.alerts import alerts_command
from streamer_client.commands.dashboard import dashboard_command
from streamer_client.commands.home_assistant import home_assistant_command
from streamer_client.commands.replay import replay_command
from streamer_client.commands.tap import tap_command
from streamer_client.commands.watch import watch_command
from streamer_client.errors import ClientError, OptionError

app = typer.Typer(
    name="streamer-client",
    help="Replay calls to an Emotion Streamer, follow its events, raise alerts.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("replay")(replay_command)
app.command("watch")(watch_command)
app.command("alerts")(alerts_command)
app.command("acknowledge")(acknowledge_command)
app.command("dashboard")(dashboard_command)
app.command("home-assistant")(home_assistant_command)
app.command("tap")(tap_command)


def run_app(
    application: typer.Typer,
    name: str,
    arguments: Sequence[str] | None = None,
    problems: tuple[type[Exception], ...] = (),
) -> int:
    """Run a typer application as this project's commands run; return the exit code.

    Parameters
    ----------
    application : typer.Typer
    name : str
        What the command calls itself in help and errors.
    arguments : sequence of str, optional
        ``sys.argv`` without its first, if not given.
    problems : tuple of exception types
        Further errors that are the user's to mend, hence one line each.
    """
    mendable: tuple[type[Exception], ...] = (ClientError, *problems)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our bars still shows the words
    try:
        code = application(
            args=list(arguments) if arguments is not None else None, prog_name=name, standalone_mode=False
        )
    except mendable as problem:
        for line in str(problem).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        return 2 if isinstance(problem, OptionError) else 1
    except typer.TyperException as problem:
        path = getattr(getattr(problem, "ctx", None), "command_path", name)
        print(f"{name}: {problem.format_message().rstrip('.')}; see `{path} --help`", file=sys.stderr)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run `streamer-client`."""
    sys.exit(run_app(app, "streamer-client"))


__all__ = [
    "acknowledge_command",
    "alerts_command",
    "app",
    "dashboard_command",
    "main",
    "replay_command",
    "run_app",
    "watch_command",
]
