"""Messages of one stream that may be audio: held for a while, or left to who reads the stream, always in their order.

Whatever takes a stream's messages off its socket holds them here, whichever library that is. A message in the form in
which audio came before is held until its call fetches it (`streamer.rounds`), which saves its way through a queue and
a task. Everything else is left to the reader, behind what is held; and as long as the reader has something to read,
nothing is held, for it would overtake. This file must never look into a message, lose one or change their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.session import Ear
from streamer.wire.events import Message

MOST_HELD: Final = 40
"""Messages; as many as two parties of a call bring in two fifths of a second."""


class Holding:
    """Holds the messages of one stream.

    Parameters
    ----------
    leave
        Leaves a message to the reader.
    """

    __slots__ = ("_form", "_held", "_leave", "ear", "keeps_pace", "unread")

    def __init__(self, leave: Callable[[Message], None]) -> None:
        self._leave = leave
        self._held: list[Message] = []
        self._form: object = None
        """In what the audio comes, as soon as some has."""
        self.ear: Ear | None = None
        """Takes messages at once, while nothing waits for the reader that came before them."""
        self.keeps_pace: Callable[[], bool] = _always
        """Holds what came against the limits; who is above them has all read by the reader, more slowly."""
        self.unread = 0
        """Messages that wait for the reader."""

    def await_next(self, ear: Ear | None) -> None:
        """Take note that the reader waits for a message: until it has one, `ear` may take them."""
        self.ear = None if self.unread else ear

    def note_read(self) -> None:
        """Take note that the reader has a message, and does not wait."""
        self.ear = None
        self.unread -= 1

    def offer(self, form: object, message: Message) -> bool:
        """Hold or have taken a whole message; False: the caller leaves it to the reader now, all held have gone ahead.

        Parameters
        ----------
        form
            Text or bytes: the one in which a stream's audio comes is the same for all its time.
        message
            What came.
        """
        ear = self.ear
        if ear is not None:
            if form is self._form:
                if self._held or ear.expect(self.hand_over):
                    self._held.append(message)
                    if len(self._held) >= MOST_HELD:
                        self.hand_over()
                    return True
            elif not self._held and ear.overhear((message,)):
                self._form = form
                return True
        self.pass_by(ends=True)
        return False

    def pass_by(self, *, ends: bool) -> None:
        """Take note that the caller leaves a message to the reader, or a piece of one.

        Parameters
        ----------
        ends
            Whether it is the message's last piece.
        """
        self.flush()
        self.ear = None  # until this has been read: what comes next must not overtake it
        self.unread += ends

    def flush(self) -> None:
        """Leave all that is held to the reader."""
        if self._held:
            self.ear = None
            held, self._held = self._held, []
            self.unread += len(held)
            for message in held:
                self._leave(message)

    def hand_over(self) -> None:
        """Have all that is held taken, up to the first message that needs more than that; it and the rest are read."""
        held, ear = self._held, self.ear
        if ear is not None and held and self.keeps_pace():
            del held[: ear.overhear(held)]
        self.flush()


def _always() -> bool:
    return True
