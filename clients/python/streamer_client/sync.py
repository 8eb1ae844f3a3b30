"""Follow the events on the bus from a script without asyncio: ``for event in subscribe_sync(...)``.

The subscription lives in a thread of its own, with an event loop of its own, so this works in a notebook, too. This
file must never know what an event means, and never leave its thread behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread, current_thread
from types import TracebackType
from typing import Any, Self

from streamer_client.errors import OptionError
from streamer_client.events import Event
from streamer_client.subscribe import Subscription, subscribe

_STANDS = object()
_OVER = object()
_LISTEN_S = 1.0
"""Longest single wait: on Windows a wait without an end would not see Ctrl-C."""


class SyncSubscription:
    """A stream of events for plain code; made by :func:`subscribe_sync`.

    Iterate it, or enter it first (``with``) to be sure that the subscription stands before something else is started.
    A loop that is left, by ``break``, an exception or Ctrl-C, hangs up; inside ``with`` the end of the block does.
    """

    def __init__(self, subscription: Subscription, *, timeout_s: float | None = None) -> None:
        self.subscription = subscription
        """What counts ``duplicates``, ``unreadable``, ``passed_over`` and so on; read it, do not iterate it."""
        self._timeout_s = timeout_s
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = Flag()

    def __enter__(self) -> Self:
        with self._lock:
            if self._thread is not None or self._closed.is_set():
                raise OptionError("this subscription was opened before; make a new one with subscribe_sync")
            # Daemon: a program that ends without closing must not hang on us.
            self._thread = Thread(target=self._run, name="events", daemon=True)
            self._thread.start()
        try:
            item = self._next(None)
        except BaseException:
            self.close()
            raise
        if item is not _STANDS:
            self.close()
            self._raise(item)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Iterate until `timeout_s` brings no event, or :meth:`close` is called.

        After a silence of `timeout_s` inside a ``with`` block one may iterate again.

        Raises
        ------
        BrokerError
            The first connection cannot be made, or the broker forbids the subscription.
        """
        if self._thread is None:
            with self:
                yield from self._events()
        else:
            yield from self._events()

    def close(self) -> None:
        """Hang up; may be called from any thread, and more than once. A loop in another thread ends.

        What has come and was not handed out yet is gone.
        """
        with self._lock:
            self._closed.set()
            loop, task, thread = self._loop, self._task, self._thread
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # the loop is closed already: what it ran has ended by itself
                loop.call_soon_threadsafe(task.cancel)
        if thread is not None and thread is not current_thread():
            thread.join()
        self._items.put(_OVER)

    def _events(self) -> Iterator[Event]:
        while not self._closed.is_set():
            try:
                item = self._next(self._timeout_s)
            except TimeoutError:
                return
            if self._closed.is_set():
                return
            if not isinstance(item, Event):
                self._raise(item)
                return
            yield item

    def _next(self, timeout_s: float | None) -> Any:  # noqa: ANN401 - an event, a mark or an exception
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = _LISTEN_S if end_s is None else min(_LISTEN_S, end_s - time.monotonic())
            try:
                return self._items.get(timeout=max(0.0, left_s))
            except Empty:
                if end_s is not None and time.monotonic() >= end_s:
                    raise TimeoutError from None

    def _raise(self, item: object) -> None:
        """Raise what ended the thread; put it back, so that whoever iterates again is told as well."""
        self._items.put(item)
        if isinstance(item, BaseException):
            raise item

    def _run(self) -> None:
        # The selector loop on every system: on Windows the other one cannot serve the MQTT client.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            try:
                runner.run(self._follow())
            except asyncio.CancelledError:
                self._items.put(_OVER)
            except BaseException as problem:  # noqa: BLE001 - raised again where somebody can act on it
                self._items.put(problem)
            else:
                self._items.put(_OVER)

    async def _follow(self) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with self.subscription as events:
            self._items.put(_STANDS)
            async for event in events:
                self._items.put(event)


def subscribe_sync(
    *arguments: Any,  # noqa: ANN401 - as subscribe takes them
    timeout_s: float | None = None,
    **named: Any,  # noqa: ANN401
) -> SyncSubscription:
    """Follow events without asyncio: ``for event in subscribe_sync("mqtt://broker")``.

    Parameters
    ----------
    timeout_s : float, optional
        A loop ends when no event has come for so long, in s; for ever if not given.
    *arguments, **named
        As :func:`streamer_client.subscribe.subscribe` takes them; its callbacks are called in another thread.

    Raises
    ------
    BrokerError
        When iteration begins: the broker cannot be reached or does not let us in.
    OptionError
        An argument that cannot be right.
    """
    if timeout_s is not None and not timeout_s > 0:
        raise OptionError(f"got timeout_s={timeout_s}; give seconds above 0, or None to wait for ever")
    make: Callable[..., Subscription] = subscribe
    return SyncSubscription(make(*arguments, **named), timeout_s=timeout_s)
