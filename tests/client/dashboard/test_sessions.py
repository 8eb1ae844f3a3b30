"""Who is signed in, for how long, and what a restart and a changed token make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.dashboard import sessions as module
from streamer_client.dashboard.access import Tokens
from streamer_client.dashboard.sessions import LONGEST_S, Session, Sessions

ADA, BEN = "the-token-of-ada", "the-token-of-ben"
TOKENS = Tokens({ADA: "Ada", BEN: "Ben"})
IDLE_S = LONGEST_S / 2


def kept(sessions: Sessions) -> dict[bytes, Session]:
    """Return what a store would hold, had it heard of every change."""
    found = {digest: sessions.kept(digest) for digest in sessions.changed}
    return {digest: session for digest, session in found.items() if session is not None}


def restarted(before: Sessions, now_s: float, tokens: Tokens = TOKENS) -> Sessions:
    after = Sessions(tokens)
    after.load(kept(before), now_s)
    return after


def test_a_session_ends_when_it_is_idle_or_old_or_ended() -> None:
    sessions = Sessions(TOKENS)
    secret = sessions.begin(ADA, "Ada", 0)
    assert sessions.name(secret, IDLE_S) == "Ada"  # which counts as use
    assert sessions.name(secret, 2 * IDLE_S) == "Ada"
    assert sessions.name(secret, LONGEST_S + 1) is None
    idle = sessions.begin(BEN, "Ben", 0)
    assert sessions.name(idle, IDLE_S + 1) is None
    assert sessions.name(idle, 1) is None
    ended = sessions.begin(BEN, "Ben", 0)
    sessions.end(ended)
    sessions.end(ended)
    assert sessions.name(ended, 1) is None
    assert kept(sessions) == {}


@given(pauses=st.lists(st.floats(0, IDLE_S), max_size=6), away_s=st.floats(0, LONGEST_S))
def test_a_restart_makes_no_difference_but_for_the_last_minute_of_use(pauses: list[float], away_s: float) -> None:
    sessions = Sessions(TOKENS)
    secret = sessions.begin(ADA, "Ada", 0)
    now_s = 0.0
    for pause_s in pauses:
        now_s += pause_s
        sessions.name(secret, now_s)
    after = restarted(sessions, now_s)
    there = after.name(secret, now_s + away_s)
    if not IDLE_S - 60 < away_s <= IDLE_S:
        assert there == sessions.name(secret, now_s + away_s)


def test_what_is_kept_lets_nobody_in() -> None:
    sessions = Sessions(TOKENS)
    secret = sessions.begin(ADA, "Ada", 0)
    ((digest, session),) = kept(sessions).items()
    assert secret.encode() not in digest + session.seal
    assert restarted(sessions, 1).name(digest.hex(), 1) is None


@pytest.mark.parametrize(
    ("tokens", "stays"),
    [
        (TOKENS, ["Ada", "Ben"]),
        (Tokens({"another-token-ada": "Ada", BEN: "Ben"}), ["Ben"]),
        (Tokens({BEN: "Ben"}), ["Ben"]),
        (Tokens({BEN: "Ada", ADA: "Ben"}), []),
        (Tokens({"somebody-elses-00": ""}), []),
    ],
)
def test_whose_token_was_changed_meanwhile_has_to_show_the_new_one(tokens: Tokens, stays: list[str]) -> None:
    before = Sessions(TOKENS)
    secrets = {"Ada": before.begin(ADA, "Ada", 0), "Ben": before.begin(BEN, "Ben", 0)}
    after = restarted(before, 1, tokens)
    for _ in range(2):
        assert [name for name, secret in secrets.items() if after.name(secret, 2) == name] == stays
    assert len(after.changed) == 2 - len(stays)  # the file is to forget them


def test_a_changed_shared_token_ends_everybodys_session() -> None:
    before = Sessions(Tokens({ADA: ""}))
    secret = before.begin(ADA, "Whoever", 0)
    assert restarted(before, 1, Tokens({ADA: ""})).name(secret, 1) == "Whoever"
    assert restarted(before, 1, Tokens({BEN: ""})).name(secret, 1) is None


def test_sessions_that_nobody_uses_are_forgotten_without_being_asked_for() -> None:
    sessions = Sessions(TOKENS)
    sessions.begin(ADA, "Ada", 0)
    (digest,) = sessions.changed
    sessions.changed.clear()
    sessions.expire(IDLE_S)
    assert not sessions.changed
    sessions.expire(IDLE_S + 1)
    assert sessions.changed == {digest}
    assert sessions.kept(digest) is None


def test_a_clock_that_was_ahead_does_not_make_a_session_longer() -> None:
    sessions = Sessions(TOKENS)
    secret = sessions.begin(ADA, "Ada", 9 * LONGEST_S)
    after = restarted(sessions, 0)
    assert after.name(secret, 1) == "Ada"
    assert after.name(secret, LONGEST_S + 1) is None


def test_the_disk_hears_of_use_once_a_minute() -> None:
    sessions = Sessions(TOKENS)
    secret = sessions.begin(ADA, "Ada", 0)
    sessions.changed.clear()
    for at_s, count in ((1, 0), (59, 0), (61, 1)):
        sessions.name(secret, at_s)
        assert len(sessions.changed) == count


def test_sessions_are_bounded_and_the_least_used_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    sessions = Sessions(TOKENS)
    first, second = sessions.begin(ADA, "Ada", 0), sessions.begin(BEN, "Ben", 1)
    sessions.name(first, 2)
    sessions.begin(BEN, "Ben", 3)
    assert sessions.name(first, 4) == "Ada"
    assert sessions.name(second, 4) is None
