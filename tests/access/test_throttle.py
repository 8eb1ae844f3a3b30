"""How often an address may be wrong, in made-up time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.access.throttle import MAX_ADDRESSES, Throttle

STRANGER = "192.0.2.1"


def exhaust(throttle: Throttle, address: str, failures: int, now_s: float = 0) -> None:
    for _ in range(failures):
        throttle.failed(address, now_s)


@settings(deadline=None)
@given(st.integers(1, 60), st.lists(st.floats(0, 30), max_size=80))
def test_whatever_the_rhythm_nobody_is_looked_at_more_often_than_the_bucket_allows(
    per_minute: int, waits: list[float]
) -> None:
    throttle = Throttle(per_minute)
    now_s, looked = 0.0, 0
    for wait in waits:
        now_s += wait
        if not throttle.holds_back(STRANGER, now_s):
            looked += 1
            throttle.failed(STRANGER, now_s)
    assert looked <= per_minute + now_s * per_minute / 60 + 1e-6


def test_the_last_failure_is_told_and_after_it_the_address_is_held_back() -> None:
    throttle = Throttle(3)
    assert [throttle.failed(STRANGER, 0) for _ in range(3)] == [False, False, True]
    assert throttle.holds_back(STRANGER, 0)
    assert throttle.holds_back(STRANGER, 19.9)
    assert not throttle.holds_back(STRANGER, 20.1)
    assert throttle.failed(STRANGER, 20.1)
    assert throttle.holds_back(STRANGER, 20.2)


def test_after_a_minute_of_quiet_everything_is_as_at_first() -> None:
    throttle = Throttle(3)
    exhaust(throttle, STRANGER, 3)
    exhaust(throttle, STRANGER, 2, now_s=3600)
    assert not throttle.holds_back(STRANGER, 3600)
    exhaust(throttle, STRANGER, 1, now_s=3600)
    assert throttle.holds_back(STRANGER, 3600)


def test_one_address_is_no_other() -> None:
    throttle = Throttle(1)
    exhaust(throttle, STRANGER, 1)
    assert not throttle.holds_back("192.0.2.2", 0)
    assert not throttle.holds_back("", 0)


@pytest.mark.parametrize(
    ("wrong", "other", "one"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_of_ipv6_a_network_is_one_and_an_ipv4_address_is_itself_however_it_comes(
    wrong: str, other: str, one: bool
) -> None:
    throttle = Throttle(1)
    exhaust(throttle, wrong, 1)
    assert throttle.holds_back(other, 0) is one


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_never_held_back_for_behind_a_proxy_all_the_world_has_its_address(address: str) -> None:
    throttle = Throttle(1)
    exhaust(throttle, address, 50)
    assert not throttle.holds_back(address, 0)


def test_without_a_limit_nobody_is_held_back() -> None:
    throttle = Throttle(0)
    exhaust(throttle, STRANGER, 1000)
    assert not throttle.holds_back(STRANGER, 0)


def test_it_remembers_no_more_addresses_than_it_may_and_forgets_the_oldest() -> None:
    throttle = Throttle(1)
    exhaust(throttle, STRANGER, 1)
    for n in range(MAX_ADDRESSES - 1):
        exhaust(throttle, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1)
    assert throttle.holds_back(STRANGER, 0)
    exhaust(throttle, "198.51.100.1", 1)
    assert not throttle.holds_back(STRANGER, 0)
    assert throttle.holds_back("198.51.100.1", 0)


def test_where_a_right_credential_came_from_failures_hold_nobody_back_and_elsewhere_they_do() -> None:
    throttle = Throttle(1)
    exhaust(throttle, STRANGER, 1)
    throttle.proved("::ffff:192.0.2.1")
    assert not throttle.holds_back(STRANGER, 0)
    exhaust(throttle, STRANGER, 9)
    assert not throttle.holds_back(STRANGER, 0)
    exhaust(throttle, "192.0.2.2", 1)
    assert throttle.holds_back("192.0.2.2", 0)


def test_of_those_too_it_remembers_no_more_than_it_may() -> None:
    throttle = Throttle(1)
    throttle.proved(STRANGER)
    for n in range(MAX_ADDRESSES):
        throttle.proved(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    exhaust(throttle, STRANGER, 1)
    assert throttle.holds_back(STRANGER, 0)
    exhaust(throttle, "10.0.0.0", 1)
    assert not throttle.holds_back("10.0.0.0", 0)
