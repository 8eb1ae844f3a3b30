"""The alert service's session at the broker: its name, its subscriptions, and its way back after every loss.

What the broker keeps under the name belongs to one state file; each knows of the other. This file must never read a
message.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from random import Random

from streamer_client.alerts.disk import Disk
from streamer_client.alerts.fence import Fence
from streamer_client.alerts.link import ForbiddenError, Link
from streamer_client.broker import Broker, backoff
from streamer_client.errors import BrokerError, OptionError
from streamer_client.share import ALL, Share
from streamer_client.subscribe import Status, topics

log = logging.getLogger(__name__)
_LONGEST_NAME = 64
StatusCallback = Callable[[Status, str], None]


class Session:
    """Opens one connection after the other.

    Parameters
    ----------
    broker : Broker
    tenant, base : str
        As in :func:`streamer_client.subscribe.topics`.
    share : Share
        Which calls; one state is of one share for good.
    on_status : callable, optional
        Told when the connection is there, and when it is not.

    Raises
    ------
    OptionError
        A tenant or base that cannot be right.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        tenant: str,
        base: str,
        share: Share = ALL,
        on_status: StatusCallback | None = None,
    ) -> None:
        # An objection is a state that is taken away; a node's status tells it from a server that died.
        kinds = ["utterance", "ended", "acknowledgement", "state", "status"]
        self.fence: Fence | None = None
        """None where the broker keeps nothing for us."""
        self._broker = broker
        self._base = base
        self._share = share
        self._filters = topics(kinds, tenant=tenant, base=base)
        # Its own alerts as well: how it finds out which of them the broker has taken.
        self._kept_filters = [*self._filters, *topics(("alert",), tenant=tenant, base=base)]
        self._tell = on_status or (lambda _status, _reason: None)
        self._client_id: str | None = None
        self._disk: Disk | None = None
        self._stale: list[str] = []
        self._resumes = False

    async def keep(self, name: str, disk: Disk) -> None:
        """Have the broker keep the session from now on, also while this program does not run.

        Parameters
        ----------
        name : str
            Unique at the broker; empty = the one that the state holds, made up where it holds none.
        disk : Disk
            Where name and subscriptions are remembered.

        Raises
        ------
        OptionError
            A name that cannot be right, or a state of another share.
        """
        await self._hold_to_share(disk)
        if len(name) > _LONGEST_NAME or not all(one.isascii() and (one.isalnum() or one in "-_") for one in name):
            raise OptionError(f"got name {name!r}; use letters, digits, - and _, up to {_LONGEST_NAME}")
        before = await disk(lambda state: state.get("name"))
        name = name or before or secrets.token_hex(4)
        self._client_id = f"emotion-alerts-{name}"
        self.fence = Fence(f"{self._base}/v1/services/{self._client_id}/fence")
        self._filters = [*self._kept_filters, self.fence.topic]
        known = await disk(lambda state: state.get("filters"))
        if before == name and known is not None:
            # The session still has the subscriptions of an earlier run, with another tenant perhaps.
            self._stale = sorted(set(known.split()) - set(self._filters))
            self._resumes = True
        elif before not in {None, name}:
            log.warning("the name was %s and is %s now: what came under the old one is not fetched", before, name)
        await disk(lambda state: state.put("name", name))
        self._disk = disk

    async def _hold_to_share(self, disk: Disk) -> None:
        """Refuse a state of another share: messages of calls that are ours now were passed over and acknowledged."""
        asked, before = str(self._share), await disk(lambda state: state.get("share"))
        if before is None and await disk(lambda state: state.get("name")) is not None:
            before = str(ALL)  # of a version that knew no shares
        if before not in {None, asked}:
            raise OptionError(
                f"got share={asked} with a state of share {before}; to change how many share the calls, start the new "
                "ones with a state and a name of their own beside the old ones (docs/scaling.md)"
            )
        await disk(lambda state: state.put("share", asked))

    async def connect(self) -> Link:
        """Return a connection.

        Raises
        ------
        BrokerError
            The broker cannot be reached, does not let us in or forbids a subscription.
        """
        link = await Link.open(self._broker, self._client_id, self._filters, self._stale)
        if self._resumes and not link.resumed:
            log.warning(
                "the broker has not kept the session %s: what was said while this service was away has not been heard, "
                "and an alert that was being published may come a second time, with the same id",
                self._client_id,
            )
        if self._disk is not None:
            filters = "\n".join(self._filters)
            await self._disk(lambda state: state.put("filters", filters))
        self._resumes = self._disk is not None
        self._stale = []
        self._tell("connected", self._broker.address)
        return link

    async def reconnect(self, reason: str) -> Link:
        """Return a new connection, however long that takes; `reason` is why the last one was lost.

        Raises
        ------
        ForbiddenError
            The broker no longer lets us follow what we must.
        """
        self._tell("lost", reason)
        for delay_s in backoff(Random()):  # noqa: S311 - jitter, no secret
            await asyncio.sleep(delay_s)
            try:
                return await self.connect()
            except ForbiddenError:
                raise
            except BrokerError as problem:
                # Every new reason once: a broker that stays away for a day is not a day of messages.
                if str(problem) != reason:
                    reason = str(problem)
                    self._tell("lost", reason)
        raise AssertionError  # backoff never ends
