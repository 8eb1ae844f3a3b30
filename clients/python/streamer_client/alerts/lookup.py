"""Find an alert by its id in the state that the alert service keeps, while the service uses it.

Reads only. This file must never make, lock or change a state.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from streamer_client.errors import OptionError
from streamer_client.events import AlertEvent, decode


def find_alert(state: str | Path, name: str) -> AlertEvent:
    """Return the alert with an id.

    Parameters
    ----------
    state : str or Path
        File of ``streamer alerts --state``.
    name : str
        The alert's id.

    Raises
    ------
    OptionError
        There is no such file, it is no state, or the alert is not in it.
    """
    path = Path(state)
    help_ = "give --call, as the alert names it, or the --state of the alert service"
    if not path.is_file():
        raise OptionError(f"the call of alert {name!r} is not known, for there is no alert state {path}; {help_}")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT event FROM alerts WHERE id = ?", (name,)).fetchone()
    except sqlite3.Error as problem:
        raise OptionError(f"cannot read {path} as an alert state ({problem}); {help_}") from problem
    alert = decode(found[0]) if found else None
    if not isinstance(alert, AlertEvent):
        raise OptionError(f"there is no alert {name!r} in {path}; check the id, or {help_}")
    return alert
