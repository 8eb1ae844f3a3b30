"""The `[[output]]` tables of a rules file, checked at load.

An output that cannot be right is refused here, in words that name file, output, key and line: an alert that nobody is
told of is worse than a service that does not start. This file must never send anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from streamer_client.alerts.outputs.log import Log, LogSettings
from streamer_client.alerts.outputs.mail import Mail, MailSettings
from streamer_client.alerts.outputs.place import Place
from streamer_client.alerts.outputs.webhook import Webhook, WebhookSettings
from streamer_client.alerts.tables import KeyProblem, Lines, convert, located, read_text, tables
from streamer_client.events import Severity

_CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "log": {"format": ("json", "text")},
    "webhook": {"format": ("cloudevent", "slack")},
    "mail": {"tls": ("starttls", "implicit", "none")},
}
KINDS = tuple(_CHOICES)
RESERVED = ("mqtt",)
"""Names of outputs that are always there: the bus."""


def load_outputs(path: str | Path, environment: Mapping[str, str] = os.environ) -> tuple[Place, ...]:
    """Read the outputs of a file of rules; none where it names none.

    Parameters
    ----------
    path : str or Path
        Names of files in it are looked for from the current folder.
    environment : mapping
        Where variables that outputs name are looked up.

    Raises
    ------
    RuleError
        The file cannot be read, is no TOML, or holds an output that cannot be right.
    """
    return parse_outputs(read_text(path, "rules"), str(path), environment)


def parse_outputs(text: str, name: str, environment: Mapping[str, str]) -> tuple[Place, ...]:
    """Return the outputs in a TOML text; `name` is what messages call it.

    Raises
    ------
    RuleError
        It is no TOML, or holds an output that cannot be right.
    """
    lines = Lines(text, "output")
    places: dict[str, Place] = {}
    for number, table in enumerate(tables(text, name, "output")):
        try:
            place = _read(table, environment, taken={*places, *RESERVED})
        except KeyProblem as problem:
            which = table.get("name") if isinstance(table, dict) else None
            label = f"output {which!r}" if which else f"output number {number + 1}"
            raise located(problem, name, label, lines.of(number, problem.key)) from problem
        places[place.name] = place
    return tuple(places.values())


def _read(
    table: Any,  # noqa: ANN401 - whatever the TOML says
    environment: Mapping[str, str],
    taken: Container[str],
) -> Place:
    kind = table.get("kind") if isinstance(table, dict) else None
    if kind is None:
        raise KeyProblem("kind", f"is missing, every output needs it; choose from {', '.join(KINDS)}")
    if kind not in KINDS:
        raise KeyProblem("kind", f"got {kind!r}; choose from {', '.join(KINDS)}")
    if kind in {"webhook", "mail"}:
        for key in ("secret", "password"):
            if key in table:
                raise KeyProblem(
                    key, f"secrets do not stand in this file; put it into one of its own and name that: {key}_file"
                )
    settings_of, make = _makers(environment)[kind]
    choices = _CHOICES[kind] | {"severities": tuple(Severity)}
    settings = convert(table, settings_of, "output", choices)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", settings.name):
        raise KeyProblem("name", f"got {settings.name!r}; use a-z, 0-9 and -, up to 64")
    if settings.name in taken:
        raise KeyProblem("name", f"{settings.name!r} is taken; every output has a name of its own")
    if not settings.severities:
        raise KeyProblem("severities", f"name at least one of {', '.join(Severity)}")
    place: Place = make(settings)
    return place


def _makers(environment: Mapping[str, str]) -> dict[str, tuple[type[Any], Callable[[Any], Place]]]:
    return {
        "log": (LogSettings, Log),
        "webhook": (WebhookSettings, partial(Webhook, environment=environment)),
        "mail": (MailSettings, partial(Mail, environment=environment)),
    }
