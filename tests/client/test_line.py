"""What a line does to a call's messages, as properties over what is drawn."""

from __future__ import annotations

import math
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.line import Break, Due, Faults, Line, chunks_ms, parse_break, parse_chunk

BLOCK_MS = 20.0
CHUNKS = [f"{block} {track}" for block in range(50) for track in ("in", "out")]
percents = st.sampled_from([0.0, 2.0, 30.0, 100.0])


def line(name: str = "call", *, is_text: bool = True, **faults: Any) -> Line:
    return Line(Faults(**faults), name, is_text=is_text)


def carried(over: Line, blocks: int = 50) -> list[Due]:
    """Send two tracks of blocks and a last word."""
    leaving = []
    for block in range(blocks):
        leaving += over.media([f"{block} in", f"{block} out"], BLOCK_MS * (block + 1))
    return leaving + over.control(["stop"], BLOCK_MS * blocks)


def texts(leaving: list[Due]) -> list[str]:
    return [str(due.message) for due in leaving]


def test_a_line_without_faults_changes_nothing() -> None:
    leaving = carried(line())
    assert texts(leaving) == [*CHUNKS, "stop"]
    assert [due.at_ms for due in leaving] == [BLOCK_MS * (n // 2 + 1) for n in range(100)] + [1000]


@given(loss=percents, reorder=percents, jitter=st.sampled_from([0.0, 200.0]), seed=st.integers(0, 9))
def test_whatever_goes_wrong_nothing_is_doubled_early_or_overtaken_on_the_wire(
    loss: float, reorder: float, jitter: float, seed: int
) -> None:
    over = line(loss_percent=loss, reorder_percent=reorder, jitter_ms=jitter, seed=seed)
    *leaving, last = carried(over)
    sent = texts(leaving)
    assert len(set(sent)) == len(sent) == len(CHUNKS) - over.lost
    assert set(sent) <= set(CHUNKS)
    assert last.message == "stop"
    assert all(first.at_ms <= second.at_ms for first, second in pairwise([*leaving, last]))
    assert all(due.at_ms >= BLOCK_MS * (int(text.split()[0]) + 1) for due, text in zip(leaving, sent, strict=True))


@given(jitter=st.floats(1, 500), seed=st.integers(0, 9))
def test_jitter_keeps_the_order_and_delays_by_no_more_than_it_says(jitter: float, seed: int) -> None:
    leaving = carried(line(jitter_ms=jitter, seed=seed))
    assert texts(leaving) == [*CHUNKS, "stop"]
    for due, plain in zip(leaving, carried(line()), strict=True):
        assert plain.at_ms <= due.at_ms <= plain.at_ms + jitter
    assert len({due.at_ms - plain.at_ms for due, plain in zip(leaving, carried(line()), strict=True)}) > 5


def test_under_much_jitter_bursts_arise() -> None:
    leaving = carried(line(jitter_ms=200))
    moments = [due.at_ms for due in leaving]
    assert max(moments.count(moment) for moment in moments) >= 4


def test_about_so_many_messages_are_lost_as_asked_for_and_the_last_word_is_none_of_them() -> None:
    over = line(loss_percent=10)
    leaving = carried(over, blocks=1000)
    assert over.lost == 2001 - len(leaving)
    assert 150 <= over.lost <= 250
    everything = line(loss_percent=100)
    assert texts(carried(everything)) == ["stop"]
    assert everything.lost == 100


@given(reorder=st.floats(0, 100), seed=st.integers(0, 9))
def test_reordered_messages_change_places_with_the_next_of_their_track(reorder: float, seed: int) -> None:
    leaving = carried(line(reorder_percent=reorder, seed=seed))
    for track in ("in", "out"):
        places = [int(text.split()[0]) for text in texts(leaving) if text.endswith(track)]
        assert sorted(places) == list(range(50))
        assert all(abs(place - n) <= 1 for n, place in enumerate(places))


def test_at_a_hundred_percent_every_two_neighbours_change_places() -> None:
    over = line(reorder_percent=100)
    leaving = [due for n in range(4) for due in over.media([f"{n}"], n)] + over.control(["stop"], 4)
    assert texts(leaving) == ["1", "0", "3", "2", "stop"]


def test_what_is_held_back_leaves_before_the_last_word() -> None:
    over = line(reorder_percent=100)
    assert over.media(["a"], 20) == []
    assert texts(over.control(["stop"], 40)) == ["a", "stop"]


def test_nothing_leaves_in_a_stall_and_everything_at_its_end() -> None:
    leaving = carried(line(stalls=(Break(500, 200), Break(100, 200))))
    moments = [due.at_ms for due in leaving]
    assert not [moment for moment in moments if 100 <= moment < 300 or 500 <= moment < 700]
    assert moments.count(300) == moments.count(700) == 2 * 11
    assert texts(leaving) == [*CHUNKS, "stop"]


def test_a_stall_beyond_the_end_holds_the_last_word() -> None:
    assert carried(line(stalls=(Break(990, 5000),)))[-1].at_ms == 5990


def test_a_pause_covers_its_beginning_and_not_its_end() -> None:
    over = line(pauses=(Break(100, 50), Break(200, 10)))
    assert [over.is_paused(at) for at in (99.9, 100, 149.9, 150, 205, 210)] == [False, True, True, False, True, False]


def test_messages_that_are_no_media_are_never_lost_nor_moved() -> None:
    binary = line(is_text=False, loss_percent=100)
    assert texts(binary.media([b"audio", "ping"], 20)) == ["ping"]
    assert binary.lost == 1


def test_the_same_seed_and_call_give_the_same_faults_and_others_do_not() -> None:
    asked = {"loss_percent": 20, "reorder_percent": 20, "jitter_ms": 50}
    assert carried(line(**asked)) == carried(line(**asked))
    assert carried(line(**asked)) != carried(line(**asked, seed=1))
    assert carried(line(**asked)) != carried(line("another", **asked))


def test_more_jitter_does_not_change_what_is_lost() -> None:
    assert sorted(texts(carried(line(loss_percent=20)))) == sorted(texts(carried(line(loss_percent=20, jitter_ms=99))))


@pytest.mark.parametrize(
    "wrong",
    [
        {"jitter_ms": -1},
        {"jitter_ms": math.inf},
        {"jitter_ms": math.nan},
        {"loss_percent": 101},
        {"loss_percent": -1},
        {"reorder_percent": math.nan},
        {"pauses": (Break(-1, 10),)},
        {"pauses": (Break(0, 0),)},
        {"stalls": (Break(math.nan, 1),)},
        {"stalls": (Break(0, math.inf),)},
        {"stalls": (Break(100, 10), Break(95, 10))},
    ],
)
def test_figures_that_cannot_be_right_are_refused(wrong: Any) -> None:
    with pytest.raises(OptionError, match=r"give|overlap"):
        Faults(**wrong)


def test_chunks_are_all_alike_or_drawn_from_a_range() -> None:
    assert list(islice(chunks_ms(20, 0, "call"), 3)) == [20, 20, 20]
    drawn = list(islice(chunks_ms((20, 200), 0, "call"), 500))
    assert (min(drawn), max(drawn)) == (20, 200)
    assert drawn == list(islice(chunks_ms((20, 200), 0, "call"), 500))
    assert drawn != list(islice(chunks_ms((20, 200), 1, "call"), 500))


@pytest.mark.parametrize("wrong", [0, -5, 5001, (0, 20), (20, 5001), (200, 20)])
def test_chunks_that_no_platform_sends_are_refused(wrong: Any) -> None:
    with pytest.raises(OptionError, match="give 1 to 5000"):
        chunks_ms(wrong, 0, "")


def test_chunks_and_breaks_are_read() -> None:
    assert (parse_chunk("20"), parse_chunk("20-200")) == (20, (20, 200))
    assert parse_break("12.5:3", "--stall") == Break(12_500, 3000)


@pytest.mark.parametrize("text", ["", "a", "20-", "-20", "1.5", "20-30-40"])
def test_other_chunks_are_refused_in_words(text: str) -> None:
    with pytest.raises(OptionError, match="or a range like 20-200"):
        parse_chunk(text)


@pytest.mark.parametrize("text", ["", "3", ":", "a:3", "3:a", "1:2:3"])
def test_other_breaks_are_refused_in_words(text: str) -> None:
    with pytest.raises(OptionError, match=r"got --pause .*; give AT:SECONDS"):
        parse_break(text, "--pause")
