"""The commands of the client: `replay`, `watch`, `alerts`, alone or mounted in the server's own command.

An error is one line on standard error and a code other than 0: 1 where something went wrong, 2 where the command line
is wrong, 130 after Ctrl-C. This folder must never hold what a program would want to call: that is the Python API.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
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

_COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "replay": (replay_command, "Play recordings to a server as live calls."),
    "watch": (watch_command, "Follow events and alerts as they are published."),
    "alerts": (alerts_command, "Apply alert rules to live calls."),
    "acknowledge": (acknowledge_command, "Say that somebody takes care of an alert."),
    "dashboard": (dashboard_command, "Show calls and alerts on one page, live."),
    "home-assistant": (home_assistant_command, "Let Home Assistant find calls and alerts."),
    "tap": (tap_command, "Stream this computer's sound to a server."),
}
"""Each command, and what the list of commands says of it: one line that is not cut."""


def mount(application: typer.Typer, program: str, names: Iterable[str] = tuple(_COMMANDS)) -> None:
    """Add commands of this folder to a typer application.

    Parameters
    ----------
    application : typer.Typer
    program : str
        With it the examples in their help begin, so that they can be pasted.
    names : iterable of str
        Which; all if not given.
    """
    for name in names:
        command, summary = _COMMANDS[name]
        text = inspect.getdoc(command) or ""
        pastable = re.sub(rf"^  {name}(?= |$)", f"  {program} {name}", text, flags=re.MULTILINE)
        application.command(name, help=pastable, short_help=summary)(command)


mount(app, "streamer-client")


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
    "mount",
    "replay_command",
    "run_app",
    "watch_command",
]
