"""How often an address may be wrong: one token bucket for each, so that nobody can guess at leisure.

Addresses are those of the sockets; what a header says of another can be made up. This file must never read a clock,
and never grow with the number of addresses that try.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

from streamer.auth import is_loopback

MAX_ADDRESSES: Final = 10_000
"""Buckets that are remembered; beyond, those go first that were used least recently."""
_V6_PREFIX: Final = 64
"""One customer of a network has at least this much of IPv6, and could come from another address each time."""


class Throttle:
    """Counts failures for each address, and says when one has had too many.

    This machine's own addresses are never held back: behind a proxy here all the world has them, and one stranger
    would lock out everybody. There the proxy has to count, for it alone knows who is who.

    Parameters
    ----------
    per_minute
        Failures that an address may have at once, and how many it gets back in a minute; 0 = no limit.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._proved: OrderedDict[str, None] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Address to what is left of its tokens, and when that was so."""

    def holds_back(self, address: str, now_s: float) -> bool:
        """Whether an address has no failure left, so that it is not worth looking at what it presents."""
        whose = _whose(address)
        return whose not in self._proved and self._left(whose, now_s) < 1

    def proved(self, address: str) -> None:
        """Never hold an address back again from which a right credential came.

        For addresses that many share: there, the failures of one must not lock out the other.
        """
        whose = _whose(address)
        self._proved[whose] = None
        self._proved.move_to_end(whose)
        while len(self._proved) > MAX_ADDRESSES:
            self._proved.popitem(last=False)

    def failed(self, address: str, now_s: float) -> bool:
        """Count a failure of an address; True if it was the last that it had."""
        whose = _whose(address)
        left = self._left(whose, now_s)
        if not self._per_minute or not whose:
            return False
        left = max(0.0, left - 1)
        self._buckets[whose] = left, now_s
        self._buckets.move_to_end(whose)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return left < 1

    def _left(self, whose: str, now_s: float) -> float:
        left, at_s = self._buckets.get(whose, (float(self._per_minute or 1), now_s))
        return min(float(self._per_minute or 1), left + (now_s - at_s) * self._per_minute / 60)


def _whose(address: str) -> str:
    """Return what stands for an address: of IPv6 its network; empty where it is not held back at all."""
    if is_loopback(address):
        return ""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _V6_PREFIX), strict=False))
