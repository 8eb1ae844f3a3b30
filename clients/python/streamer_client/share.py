"""Which member of a group a call belongs to: how several consumers share the work and each still sees whole calls.

An MQTT shared subscription spreads the messages of one call over all members, so none of them could keep count of a
call. Here every member gets every message, and passes over the calls that are not its own: which those are follows
from the call alone, so members agree without ever having heard of each other. Pure. This file must never change the
rule below: members of different versions would both take a call, or neither.

The rule, for consumers in any language: CRC-32 (that of zip, gzip and PNG: ISO 3309, polynomial 0xEDB88320) of the
UTF-8 bytes of ``<tenant>/<call>`` as these stand in the topic, modulo N; member K of N has those with remainder K - 1.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, Self

import msgspec

from streamer_client.errors import OptionError
from streamer_client.events import Event, StatusEvent, UnknownEvent

MOST: Final = 1000
"""Members that a group can have; each is sent everything, so long before this the broker is the limit."""
_WRITTEN: Final = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", re.ASCII)


class Share(msgspec.Struct, frozen=True):
    """The calls of one member of a group; made by :meth:`parse`."""

    member: int = 1
    """1 to `of`."""
    of: int = 1
    """Members of the group; 1 = this one has all calls."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the share that a text such as ``2/3`` (the second of three) means; an empty one is everything.

        Raises
        ------
        OptionError
            It is not of that form, there is no such member, or there are more than 1000.
        """
        if not text:
            return cls()
        found = _WRITTEN.fullmatch(text)
        if found is None or not int(found[1]) <= int(found[2]) <= MOST:
            raise OptionError(f"got share={text!r}; give K/N for member K of N, such as 2/3, N up to {MOST}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.member}/{self.of}"

    def has(self, tenant: str, call: str) -> bool:
        """Return whether a call is this member's.

        Parameters
        ----------
        tenant, call : str
            As they stand in the call's topics and events.
        """
        return zlib.crc32(f"{tenant}/{call}".encode(errors="replace")) % self.of == self.member - 1

    def may_have(self, topic: str, base: str) -> bool:
        """Return whether what comes on a topic can be this member's: no, if the topic names a call of another one.

        Parameters
        ----------
        topic : str
            Where it came.
        base : str
            First levels of every topic, as configured in the server.
        """
        match topic.removeprefix(f"{base}/v1/").split("/"):
            case [tenant, "calls", call, *_]:
                return self.has(tenant, call)
        return True

    def takes(self, event: Event | UnknownEvent) -> bool:
        """Return whether an event is this member's, which of alerts and acknowledgements no topic tells.

        What belongs to no call, the status of a node, is everybody's; so is an event of a type not known here, whose
        topic has been looked at.
        """
        if isinstance(event, StatusEvent | UnknownEvent):
            return True
        return self.has(event.data.call.tenant, event.data.call.id)


ALL: Final = Share()
"""The share of a consumer that is alone."""
