"""Whatever comes, in whatever pieces, and whoever takes what: the same messages in the same order as by the library."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from streamer.load.framing import BINARY, TEXT, Framing

OPCODES = {TEXT: Opcode.TEXT, BINARY: Opcode.BINARY}
MAX_SIZE = 70_000
Told = tuple[Opcode, bytes, bool]


@dataclass
class Read:
    """A connection: the library, alone or behind a framing."""

    taking: list[bool] = field(default_factory=list)
    """Of each frame that is offered, whether it is taken; none of those behind the last."""
    told: list[Told] = field(default_factory=list)
    fed: bytearray = field(default_factory=bytearray)
    offered: int = 0
    taken: int = 0

    def __post_init__(self) -> None:
        self.library = Protocol(SERVER, state=OPEN, max_size=MAX_SIZE)

    def feed(self, data: bytes) -> None:
        assert data, "the library is woken for nothing"
        self.fed += data
        self.library.receive_data(data)
        self.told += [
            (frame.opcode, bytes(frame.data), frame.fin)
            for frame in self.library.events_received()
            if isinstance(frame, Frame)
        ]

    def take(self, first: int, data: bytes) -> bool:
        wants = self.offered < len(self.taking) and self.taking[self.offered]
        self.offered += 1
        if not wants or self.library.state is not OPEN or self.library.current_size is not None:
            return False
        self.taken += 1
        self.told.append((OPCODES[first], data, True))
        return True


def wire(first: int, data: bytes, *, masked: bool = True, form: int = 0) -> bytes:
    """Return a frame; its length in a longer form than it needs where `form` is 126 or 127."""
    form = max(form, 127 if len(data) > 65_535 else 126 if len(data) > 125 else 0)
    size = len(data).to_bytes({0: 0, 126: 2, 127: 8}[form], "big") if form else b""
    head = bytes([first, (128 if masked else 0) | (form or len(data))]) + size
    if not masked:
        return head + data
    key = b"\x12\x00\xff\x81"
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


FIRSTS = st.sampled_from([TEXT, BINARY, 0x01, 0x02, 0x80, 0x00, 0x89, 0x8A])
DATA = st.one_of(st.binary(max_size=130), st.text(max_size=60).map(str.encode))
FRAMES = st.builds(wire, FIRSTS, DATA, form=st.sampled_from([0, 0, 0, 126, 127]))
BROKEN = st.one_of(
    st.builds(wire, st.integers(0, 255), DATA, masked=st.booleans()),
    st.just(wire(0x88, b"\x03\xe8")),
    st.binary(max_size=20),
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Frames, mostly those of audio; perhaps something that breaks the rules, and more behind it."""
    frames = draw(st.lists(st.one_of(st.builds(wire, st.just(TEXT), DATA), FRAMES), max_size=12))
    if draw(st.booleans()):
        frames.insert(draw(st.integers(0, len(frames))), draw(BROKEN))
    return b"".join(frames)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes at some places."""
    at = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(at)]


@given(streams(), st.lists(st.integers(0, 2000), max_size=20), st.lists(st.booleans(), max_size=14))
def test_all_is_told_in_the_same_order_as_by_the_library(data: bytes, cuts: list[int], taking: list[bool]) -> None:
    alone, ours = Read(), Read(taking)
    framing = Framing(ours.feed, ours.take)
    for piece in pieces(data, cuts):
        alone.feed(piece)
        framing.receive(piece)
    framing.finish()
    assert ours.told == alone.told
    assert str(ours.library.parser_exc) == str(alone.library.parser_exc)


@given(streams(), st.lists(st.integers(0, 2000), max_size=20))
def test_what_nobody_takes_reaches_the_library_byte_for_byte(data: bytes, cuts: list[int]) -> None:
    ours = Read()
    framing = Framing(ours.feed, ours.take)
    for piece in pieces(data, cuts):
        framing.receive(piece)
    framing.finish()
    assert bytes(ours.fed) == data


@given(st.lists(st.builds(wire, st.sampled_from([TEXT, BINARY]), DATA, form=st.just(0)), min_size=1, max_size=20))
def test_of_whole_messages_in_one_read_the_library_sees_nothing(frames: list[bytes]) -> None:
    ours = Read([True] * len(frames))
    Framing(ours.feed, ours.take).receive(b"".join(frames))
    assert (ours.taken, bytes(ours.fed)) == (len(frames), b"")


def test_nothing_that_was_read_with_a_frame_that_is_not_taken_is_offered() -> None:
    ours = Read([True, False, True])
    framing = Framing(ours.feed, ours.take)
    framing.receive(b"".join(wire(BINARY, b"%d" % n) for n in range(4)))
    assert (ours.offered, ours.taken) == (2, 1)
    framing.receive(wire(BINARY, b"4"))
    assert (ours.offered, ours.taken) == (3, 2)
    assert [data for _, data, _ in ours.told] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_message_of_every_size_is_taken_or_told() -> None:
    for size in (0, 1, 125, 126, 127, 65_535, 65_536, MAX_SIZE):
        data = bytes(size)
        ours = Read([True])
        Framing(ours.feed, ours.take).receive(wire(BINARY, data))
        assert ours.told == [(Opcode.BINARY, data, True)]
        assert ours.taken == 1


def test_a_frame_that_is_never_completed_is_the_librarys() -> None:
    ours = Read([True])
    framing = Framing(ours.feed, ours.take)
    whole = wire(BINARY, b"x" * 300)
    for byte in whole[:200]:
        framing.receive(bytes([byte]))
    framing.finish()
    assert bytes(ours.fed) == whole[:200]
    assert ours.offered == 0


def test_the_beginning_of_a_length_waits_for_its_rest_and_is_not_lost_at_the_end() -> None:
    ours = Read()
    framing = Framing(ours.feed, ours.take)
    framing.receive(b"\x82\xff\x00\x00")
    assert bytes(ours.fed) == b""
    framing.finish()
    framing.finish()
    assert bytes(ours.fed) == b"\x82\xff\x00\x00"
