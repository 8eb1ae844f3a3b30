from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.recordings.names import content_key, has_number, keyed, without_numbers

KEPT = [
    "call",
    "demo-0001",
    "CA-2024",
    "20261122-101504",
    "2026-11-22 10.15.04",
    "2026_11_22_1015",
    "20261122101504",
    "550e8400-e29b-41d4-a716-446655440000",
    "1700000000.123",
    "q600-200-20261122-101504-1700000000.123",
    "CA0123456789abcdef0123456789abcdef",
    "queue 12, desk 3456",
    "call 10:15:04.123",
    "2026-11-22, 10:15:04.123",
    "12, 34 - 56",
]


@pytest.mark.parametrize("name", KEPT)
def test_dates_times_and_ids_of_platforms_stay(name: str) -> None:
    assert not has_number(name)
    assert without_numbers(name, lambda _: "NUMBER") == name


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("4930123456", "X"),
        ("+49 (0)30 123456", "X"),
        ("out-4930123456-200-20261122-101504-1700000000.123", "out-X-20261122-101504-1700000000.123"),
        ("20261122-101504_0301234567_in", "20261122-101504_X_in"),
        ("call_to_030_123_4567", "call_to_X"),
        ("tel030-1234567", "telX"),
        ("+20010101", "X"),
        ("2125551234.20261122", "X.20261122"),
        ("2125551234.1", "X"),
        ("1732270504.123456789", "X"),
        ("in 0171 - 2345678", "in X"),
        ("0171 \u2013 2345678", "X"),
        ("0171,2345678", "X"),
        ("0171:2345678", "X"),
        ("tel=0171=2345678", "tel=X"),
        ("0171\u202f2345678", "X"),
        ("0171\u200b2345678", "X"),
        ("02:15:12-34567", "X"),
        ("٠٣٠١٢٣٤٥٦٧", "X"),
    ],
)
def test_numbers_go_however_they_are_written(name: str, becomes: str) -> None:
    assert without_numbers(name, lambda _: "X") == becomes
    assert has_number(name)


@given(
    st.text("0123456789", min_size=9, max_size=13).filter(lambda number: not number.startswith(("19", "20"))),
    st.sampled_from(["", "a-", "call_", "20261122-101504-", "1700000000.1-"]),
    st.sampled_from(["", "-b", "_in", "-20261122-101504"]),
)
def test_no_number_gets_through_wherever_it_stands(number: str, before: str, after: str) -> None:
    left = without_numbers(f"{before}{number}{after}", keyed(b"key"))
    assert number not in left


@given(
    st.lists(st.text("3456789", min_size=2, max_size=5), min_size=3, max_size=4),
    st.text(" ()._/,:=-\u2013\u00a0\u202f", max_size=3),
)
def test_no_separator_of_up_to_three_signs_hides_a_part_of_a_number(groups: list[str], between: str) -> None:
    number = between.join(["0171", "234", *groups])
    assert without_numbers(f"tel{number}", lambda _: "X") == "telX"


def test_a_pseudonym_follows_from_number_and_key_and_says_neither(tmp_path: Path) -> None:
    one, other = keyed(b"one"), keyed(b"other")
    assert one("030 1234567") == one("0301234567") != other("0301234567")
    assert one("0301234567").startswith("n-")
    (tmp_path / "a").write_bytes(b"a recording")
    (tmp_path / "b").write_bytes(b"a recording")
    (tmp_path / "c").write_bytes(b"another")
    assert content_key([tmp_path / "a"]) == content_key([tmp_path / "b"]) != content_key([tmp_path / "c"])
    assert content_key([tmp_path / "a", tmp_path / "c"]) != content_key([tmp_path / "c", tmp_path / "a"])
