"""Messages that are held: whoever gets them, all of them come, once, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from streamer.load.holding import MOST_HELD, Holding
from streamer.wire.events import Message

MESSAGE = st.tuples(st.sampled_from(["text", "bytes"]), st.booleans())
STEP = st.one_of(
    MESSAGE,
    st.sampled_from(["read", "fetch", "close", "piece", "last piece"]),
)


def is_audio(message: Message) -> bool:
    return isinstance(message, str)


class Stream:
    """A stream whose messages are numbers, as text where they are audio; an ear that takes those that it is told to."""

    def __init__(self, *, expects: bool = True) -> None:
        self.holding = Holding(self.queue_append)
        self.queue: list[Message] = []
        self.seen: list[int] = []
        self.to_fetch: list[Callable[[], None]] = []
        self.expects = expects
        self.paced = True
        self.holding.keeps_pace = lambda: self.paced
        self.waits = False
        self.wait()

    def queue_append(self, message: Message) -> None:
        self.queue.append(message)

    def wait(self) -> None:
        """Wait for a message, as a reader that has none does."""
        if not self.waits:
            self.waits = True
            self.holding.await_next(self)

    def read(self) -> None:
        """Take a message, if there is one."""
        self.wait()
        if self.queue:
            self.seen.append(int(self.queue.pop(0)))
            self.holding.note_read()
            self.waits = False

    def expect(self, hand_over: Callable[[], None]) -> bool:
        if self.expects:
            self.to_fetch.append(hand_over)
        return self.expects

    def overhear(self, messages: Sequence[Message]) -> int:
        assert not self.queue, "a message was shown while one before it waits"
        audio = list(takewhile(is_audio, messages))
        self.seen += map(int, audio)
        return len(audio)

    def come(self, form: str, number: int, *, audio: bool = True) -> None:
        message: Message = str(number) if audio else str(number).encode()
        if not self.holding.offer(form, message):
            self.queue.append(message)

    def fetch(self) -> None:
        due, self.to_fetch = self.to_fetch, []
        for hand_over in due:
            hand_over()


@given(st.lists(STEP, max_size=80), st.booleans(), st.booleans())
def test_whatever_happens_each_message_is_seen_once_and_in_its_order(
    steps: list[str | tuple[str, bool]], expects: bool, paced: bool
) -> None:
    stream = Stream(expects=expects)
    stream.paced = paced
    number = 0
    for step in steps:
        match step:
            case "read":
                stream.read()
            case "fetch":
                stream.fetch()
            case "close":
                stream.holding.flush()
            case "piece":
                stream.holding.pass_by(ends=False)
            case "last piece":
                stream.holding.pass_by(ends=True)
                stream.queue.append(str(number).encode())
                number += 1
            case (form, audio):
                stream.come(form, number, audio=bool(audio))
                number += 1
    stream.holding.flush()
    while stream.queue:
        stream.read()
    assert stream.seen == list(range(number))
    assert stream.holding.unread == 0


def test_audio_is_held_once_some_has_come_and_fetched_when_it_is_time() -> None:
    stream = Stream()
    stream.come("bytes", 0)
    assert stream.seen == [0]
    stream.come("bytes", 1)
    stream.come("bytes", 2)
    assert stream.seen == [0]
    assert len(stream.to_fetch) == 1
    stream.fetch()
    assert stream.seen == [0, 1, 2]


def test_no_more_is_held_than_may_be() -> None:
    stream = Stream()
    for number in range(MOST_HELD + 1):
        stream.come("bytes", number)
    assert stream.seen == list(range(MOST_HELD + 1))


def test_who_is_above_the_limits_is_read_and_not_shown() -> None:
    stream = Stream()
    stream.paced = False
    for number in range(3):
        stream.come("bytes", number)
    stream.fetch()
    assert stream.seen == [0]
    assert list(map(int, stream.queue)) == [1, 2]


def test_what_comes_while_the_reader_is_at_work_is_read() -> None:
    stream = Stream()
    stream.come("text", 0, audio=False)
    stream.read()
    stream.come("bytes", 1)
    assert list(map(int, stream.queue)) == [1]
