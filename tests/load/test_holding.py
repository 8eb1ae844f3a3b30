"""Messages that are held: whoever gets them, all of them come, once, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.load.holding import MOST_HELD, WORTH_DOZING, Holding
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
        self.holding = Holding(self.queue_append, self._doze)
        self.asleep = False
        self.dozed = 0
        self.rounds = 1
        self.reminders: list[Callable[[], None]] = []
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

    def _doze(self, asleep: bool) -> None:
        assert asleep is not self.asleep
        self.asleep = asleep
        self.dozed += asleep

    def expect(self, hand_over: Callable[[], None]) -> int:
        if self.expects:
            self.to_fetch.append(hand_over)
        return self.rounds if self.expects else 0

    def remind(self, wake: Callable[[], None]) -> None:
        self.reminders.append(wake)

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
        wakes, self.reminders = self.reminders, []
        for wake in wakes:
            wake()
        due, self.to_fetch = self.to_fetch, []
        for hand_over in due:
            hand_over()


@given(st.lists(STEP, max_size=80), st.booleans(), st.booleans(), st.integers(1, 10))
def test_whatever_happens_each_message_is_seen_once_and_in_its_order(
    steps: list[str | tuple[str, bool]], expects: bool, paced: bool, rounds: int
) -> None:
    stream = Stream(expects=expects)
    stream.paced, stream.rounds = paced, rounds
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
    assert not stream.asleep


def test_a_stream_that_is_not_due_for_long_is_not_read_until_shortly_before() -> None:
    stream = Stream()
    stream.rounds = WORTH_DOZING
    stream.come("text", 0)
    assert not stream.asleep, "nothing is held yet"
    stream.come("text", 1)
    assert stream.asleep
    stream.come("text", 2)
    (wake,) = stream.reminders
    wake()
    assert not stream.asleep
    stream.come("text", 3)
    assert not stream.asleep
    stream.fetch()
    assert stream.seen == [0, 1, 2, 3]
    stream.come("text", 4)
    assert stream.asleep, "and again"


def test_a_stream_that_is_due_soon_is_read_all_along() -> None:
    stream = Stream()
    stream.rounds = WORTH_DOZING - 1
    for number in range(3):
        stream.come("text", number)
    assert not stream.dozed


@pytest.mark.parametrize("end", ["flush", "pass_by", "fetch"])
def test_whatever_ends_the_holding_has_the_stream_read_again(end: str) -> None:
    stream = Stream()
    stream.rounds = 9
    for number in range(2):
        stream.come("text", number)
    assert stream.asleep
    match end:
        case "flush":
            stream.holding.flush()
        case "pass_by":
            stream.holding.pass_by(ends=False)
        case _:
            stream.reminders.clear()
            stream.fetch()
    assert not stream.asleep


def test_who_sends_more_than_is_spoken_is_not_slowed_down() -> None:
    stream = Stream()
    stream.rounds = 9
    for number in range(2 * MOST_HELD + 2):
        stream.come("text", number)
    assert stream.dozed == 1, "its first messages do not tell"
    for rounds in range(1, 4):
        stream.fetch()
        for number in range(rounds * 1000, rounds * 1000 + 2 * MOST_HELD):
            stream.come("text", number)
    assert stream.dozed == 1
    stream.fetch()
    stream.come("text", 9000)
    stream.fetch()
    stream.come("text", 9001)
    assert stream.dozed == 2, "it has calmed down"


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
