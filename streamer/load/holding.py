"""Messages of one stream that may be audio: held for a while, or left to who reads the stream, always in their order.

Whatever takes a stream's messages off its socket holds them here, whichever library that is. A message in the form in
which audio came before is held until its call fetches it (`streamer.rounds`), which saves its way through a queue and
a task. Everything else is left to the reader, behind what is held; and as long as the reader has something to read,
nothing is held, for it would overtake.

While a stream is held it need not even be read: the socket keeps what comes, and shortly before it is fetched one read
brings all of it, instead of one for each message. Only of a stream that comes no faster than it is spoken. This file
must never look into a message, lose one or change their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.session import Ear
from streamer.wire.events import Message

MOST_HELD: Final = 40
"""Messages; as many as two parties of a call bring in two fifths of a second."""
WORTH_DOZING: Final = 7
"""Rounds: what is spoken until one before them is worth telling the socket twice."""


def _always() -> bool:
    return True


def _never(_asleep: bool) -> None:
    """Go on reading: a transport that cannot do otherwise."""


class Holding:
    """Holds the messages of one stream.

    Parameters
    ----------
    leave
        Leaves a message to the reader.
    doze
        Has the socket read no more (True), or again.
    """

    __slots__ = (
        "_asleep",
        "_doze",
        "_fetched",
        "_form",
        "_held",
        "_hurries",
        "_is_expected",
        "_leave",
        "ear",
        "keeps_pace",
        "unread",
    )

    def __init__(self, leave: Callable[[Message], None], doze: Callable[[bool], None] = _never) -> None:
        self._leave = leave
        self._doze = doze
        self._asleep = False
        """Whether the socket is not read just now."""
        self._is_expected = False
        """Whether what is held will be fetched in a round that is to come."""
        self._fetched = 0
        """Messages that were taken since the last round."""
        self._hurries = False
        """Whether more came between two rounds than is spoken in that time."""
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
                if self.hold(form, message):
                    return True
            elif not self._held and ear.overhear((message,)):
                self._form = form
                return True
        self.pass_by(ends=True)
        return False

    def hold(self, form: object, message: Message) -> bool:
        """Hold a whole message in the form of this stream's audio; False if that cannot be, and nothing is done.

        For who has another way for it; the parameters are those of `offer`.
        """
        ear = self.ear
        if ear is None or form is not self._form or not (self._is_expected or self._expect(ear)):
            return False
        self._held.append(message)
        if len(self._held) >= MOST_HELD:
            self._give()
        return True

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
        self.wake()
        if self._held:
            self.ear = None
            held, self._held = self._held, []
            self.unread += len(held)
            for message in held:
                self._leave(message)

    def hand_over(self) -> None:
        """Have all that is held taken, up to the first message that needs more than that; it and the rest are read."""
        self._is_expected = False
        self._give()
        self._hurries, self._fetched = self._fetched > MOST_HELD, 0

    def wake(self) -> None:
        """Have the socket read, if it is not."""
        if self._asleep:
            self._asleep = False
            self._doze(False)  # noqa: FBT003 - a callback

    def _expect(self, ear: Ear) -> bool:
        """Ask an ear to fetch what will be held; if that is long hence, have the socket read no more until then."""
        rounds = ear.expect(self.hand_over)
        self._is_expected = rounds > 0
        if rounds >= WORTH_DOZING and not self._hurries:
            ear.remind(self.wake)
            self._asleep = True
            self._doze(True)  # noqa: FBT003 - a callback
        return self._is_expected

    def _give(self) -> None:
        held, ear = self._held, self.ear
        if ear is not None and held and self.keeps_pace():
            taken = ear.overhear(held)
            self._fetched += taken
            del held[:taken]
        self.flush()
