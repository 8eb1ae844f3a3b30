from __future__ import annotations

from typing import Any

from rich.console import Console
from streamer_client.board import ALERTS_SHOWN, Board


def drawn(board: Board) -> str:
    console = Console(width=140, height=50)
    with console.capture() as shown:
        console.print(board)
    return shown.get()


def test_an_empty_board_says_so_and_how_the_connection_is() -> None:
    board = Board()
    board.status = "connected to mqtt://host:1883"
    assert "connected to mqtt://host:1883" in drawn(board)
    assert "no utterance yet" in drawn(board)


def test_the_newest_utterances_stay_in_order_and_all_are_counted(make: Any) -> None:
    board = Board(rows=3)
    for n in range(1, 6):
        board.add(make.utterance(n, call=f"CA{n}"))
    lines = [line for line in drawn(board).splitlines() if "customer" in line]
    assert [line.split()[1] for line in lines] == ["CA3", "CA4", "CA5"]
    assert "5 utterances" in drawn(board)


def test_alerts_stand_below_the_table_the_newest_last(make: Any) -> None:
    board = Board()
    for n in range(ALERTS_SHOWN + 2):
        board.add(make.alert(f"CA{n}"))
    lines = [line for line in drawn(board).splitlines() if "▲ CRITICAL" in line]
    assert len(lines) == ALERTS_SHOWN
    assert f"CA{ALERTS_SHOWN + 1} customer: Listen in." in lines[-1]


def test_live_calls_are_counted_until_they_end(make: Any) -> None:
    board = Board()
    board.add(make.state("CA1"))
    board.add(make.state("CA2"))
    assert "2 live" in drawn(board)
    board.add(make.ended("CA1"))
    assert "1 live" in drawn(board)
    board.add(make.ended("CA2"))
    board.add(make.status())
    assert "live" not in drawn(board)
