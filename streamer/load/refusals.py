"""Why a call is not taken, in the words that its peer gets.

This file must never decide: `limits.Admission` does.
"""

from __future__ import annotations

from typing import Final

from streamer.auth import Pass
from streamer.limits import Admission
from streamer.wire.events import Fault

DRAINING: Final = Fault("draining", "this server is going down; connect again, another will answer", close_code=1001)
OVERLOADED: Final = Fault(
    "overloaded", "this server has too much to do with the calls it has; try again later or another", close_code=1013
)
FULL: Final = Fault(
    "full", "this server carries as many calls as it may (server.max_calls); try again or another", close_code=1013
)
OF_THE_NODE: Final = frozenset({DRAINING.code, OVERLOADED.code, FULL.code})
"""Codes of refusals for which the peer can do nothing."""


def why_refused(admission: Admission, admitted: Pass) -> Fault:
    """Return why there is no slot now for a call that came in like this.

    Parameters
    ----------
    admission
        What has refused it.
    admitted
        As whom it came in.
    """
    if admission.draining:
        return DRAINING
    if admission.full:
        return FULL
    if admission.overloaded:
        return OVERLOADED
    key, tenant = admitted.key_id, admitted.tenant
    if admission.key_full(key):
        most = admission.limit_of(key)
        said = f"the key {key!r} has as many calls as it may (max_calls = {most}); try again later"
    else:
        most = admission.limit_of_tenant(tenant)
        said = f"the tenant {tenant!r} has as many calls as it may (limits.calls_per_tenant: {most}); try again later"
    return Fault("full", said, close_code=1013)
