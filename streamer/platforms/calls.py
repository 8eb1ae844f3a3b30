"""Ids for calls that nobody named. This file must never see a message or an address: either may hold a number."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import structlog

log = structlog.get_logger()


def id_maker(dialect: str, remedy: str) -> Callable[[], str]:
    """Return what makes an id for a call and says in the log that it had to.

    Parameters
    ----------
    dialect
        Whose call it is.
    remedy
        What to do so that calls are named, for the operator.
    """

    def make() -> str:
        call_id = f"{dialect}-{secrets.token_hex(8)}"
        log.warning("call without an id: made one up", dialect=dialect, call=call_id, remedy=remedy)
        return call_id

    return make
