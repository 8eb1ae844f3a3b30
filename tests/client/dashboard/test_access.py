"""Who may see the dashboard: tokens, and how often one may be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dashboard import access
from streamer_client.dashboard.access import (
    Served,
    Throttle,
    Tokens,
    check_exposure,
    clean_name,
    is_loopback,
    one_token,
    read_tokens,
)
from streamer_client.errors import OptionError

GOOD = "0123456789abcdef"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tokens.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_person_has_a_token_and_a_name(tmp_path: Path) -> None:
    tokens = read_tokens(written(tmp_path, f"# the morning shift\n\nAda Lovelace {GOOD}\nBen {GOOD}2\n"))
    assert tokens.owner(GOOD) == "Ada Lovelace"
    assert tokens.owner(f"{GOOD}2") == "Ben"
    assert tokens.owner(f"{GOOD}3") is None
    assert not tokens.shared


def test_one_token_alone_is_shared(tmp_path: Path) -> None:
    tokens = read_tokens(written(tmp_path, f"{GOOD}\n"))
    assert (tokens.owner(GOOD), tokens.shared) == ("", True)
    assert one_token(GOOD).owner(GOOD) == ""


@given(st.text())
def test_nothing_but_the_token_opens(shown: str) -> None:
    assert Tokens({GOOD: "Ada"}).owner(shown) == ("Ada" if shown == GOOD else None)


@given(st.text(), st.text(), st.sampled_from(["Ada", "Ben", ""]))
def test_a_seal_holds_with_its_secret_and_its_token_for_its_owner_alone(secret: str, other: str, owner: str) -> None:
    seal = Tokens({GOOD: owner}).seal(GOOD, secret)
    assert GOOD.encode() not in seal
    assert Tokens({GOOD: owner}).holds(seal, secret, owner or "anybody")
    assert Tokens({GOOD: owner}).holds(seal, other, owner) is (other == secret)
    assert not Tokens({f"{GOOD}2": owner}).holds(seal, secret, owner)
    assert not Tokens({GOOD: "Somebody else"}).holds(seal, secret, owner)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no token"),
        ("Ada short\n", "line 1: a token needs 16 characters or more, this one has 5"),
        (f"Ada {GOOD}\nBen {GOOD}\n", "line 2: this token stands there already"),
        (f"{'x' * 81} {GOOD}\n", "line 1: a name has 1 to 80 characters, this one 81"),
        ("Ada 0123456789abcdéf\n", "letters, digits and signs of ASCII only"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_without_showing_a_token(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(OptionError, match=words) as problem:
        read_tokens(written(tmp_path, text))
    assert GOOD not in str(problem.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot read the tokens in .*nowhere"):
        read_tokens(tmp_path / "nowhere")
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match="it is not UTF-8"):
        read_tokens(tmp_path / "latin")
    with pytest.raises(OptionError, match="STREAMER_DASHBOARD_TOKEN: a token needs 16"):
        one_token("short")


@pytest.mark.parametrize(("name", "right"), [(" Ada ", True), ("Jörg", True), ("", False), ("a\tb", False)])
def test_a_name_is_one_line_of_text(name: str, right: bool) -> None:
    cleaned, problem = clean_name(name)
    assert cleaned == name.strip()
    assert (problem == "") is right


def test_who_is_wrong_too_often_waits_and_then_gets_one_more() -> None:
    throttle = Throttle(per_minute=3)
    for _ in range(3):
        assert throttle.wait_s("203.0.113.9", 0) == 0
        throttle.failed("203.0.113.9", 0)
    wait_s = throttle.wait_s("203.0.113.9", 0)
    assert wait_s == 21
    assert throttle.wait_s("203.0.113.9", wait_s) == 0
    assert throttle.wait_s("203.0.113.10", 0) == 0


def test_an_address_cannot_be_spelt_otherwise_or_taken_from_the_same_network() -> None:
    throttle = Throttle(per_minute=1)
    throttle.failed("::ffff:203.0.113.9", 0)
    throttle.failed("2001:db8::1", 0)
    throttle.failed("a socket", 0)
    for same in ("203.0.113.9", "2001:db8::2", "a socket"):
        assert throttle.wait_s(same, 0) > 0
    assert throttle.wait_s("2001:db8:0:1::1", 0) == 0


def test_addresses_that_were_wrong_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_MOST_ADDRESSES", 2)
    throttle = Throttle(per_minute=1)
    for number in range(3):
        throttle.failed(f"203.0.113.{number}", 0)
    assert throttle.wait_s("203.0.113.0", 0) == 0
    assert throttle.wait_s("203.0.113.2", 0) > 0


@pytest.mark.parametrize("served", [Served(), Served("::1"), Served("localhost"), Served("0.0.0.0", behind_proxy=True)])
def test_loopback_and_what_stands_behind_a_proxy_may_listen(served: Served) -> None:
    check_exposure(served)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "desk.example", "192.0.2.1", "::"])
def test_tokens_do_not_pass_in_the_clear(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(OptionError, match="--behind-proxy"):
        check_exposure(Served(host))
    check_exposure(Served(host, tls_cert_file=__file__))
