"""Every call has exactly one member, whoever computes it, wherever and in which version."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.errors import OptionError
from streamer_client.events import UnknownEvent
from streamer_client.share import ALL, MOST, Share

names = st.text(min_size=1).filter(lambda name: not set(name) & set("/+#"))
sizes = st.integers(1, MOST)
shares = sizes.flatmap(lambda of: st.builds(Share, st.integers(1, of), st.just(of)))

KNOWN = {
    ("default", "CA1"): 1886996292,
    ("acme", "CA1"): 347356930,
    ("default", "n-3f6c1a9be2d40517"): 3517969854,
    ("müller", "Anruf-ä-1"): 1002114879,
}
"""CRC-32 of `<tenant>/<call>`: what other languages and later versions must find, too."""


@given(names, names, sizes)
def test_every_call_belongs_to_exactly_one_member(tenant: str, call: str, size: int) -> None:
    assert sum(Share(member, size).has(tenant, call) for member in range(1, size + 1)) == 1


@given(names, names, names, shares)
def test_topics_and_calls_say_the_same_under_any_base(base: str, tenant: str, call: str, mine: Share) -> None:
    for last in ("state", "ended", "customer/utterance", "agent/partial"):
        assert mine.may_have(f"{base}/deeper/v1/{tenant}/calls/{call}/{last}", f"{base}/deeper") == mine.has(
            tenant, call
        )


@pytest.mark.parametrize(("call", "crc"), KNOWN.items())
def test_the_rule_is_the_one_that_is_written_down(call: tuple[str, str], crc: int) -> None:
    for of in (2, 3, 7, MOST):
        assert Share(crc % of + 1, of).has(*call)


def test_another_process_with_another_hash_seed_finds_the_same() -> None:
    code = (
        "from streamer_client.share import Share\n"
        "print([next(k for k in range(1, 8) if Share(k, 7).has('default', f'CA{n}')) for n in range(200)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "random")
    }
    own = [next(k for k in range(1, 8) if Share(k, 7).has("default", f"CA{n}")) for n in range(200)]
    assert said == {f"{own}\n"}


@pytest.mark.parametrize("shape", ["call-{}", "{}", "CA{:032x}", "1732{:06}.{}"])
@pytest.mark.parametrize("of", [2, 3, 5, 16])
def test_members_have_about_as_much(shape: str, of: int) -> None:
    calls = [shape.format(n, n * 7 % 1000) for n in range(8000)]
    had = [sum(Share(member, of).has("default", call) for call in calls) for member in range(1, of + 1)]
    assert max(had) < 1.2 * len(calls) / of


@given(shares)
def test_a_share_is_written_as_it_is_read(share: Share) -> None:
    assert Share.parse(str(share)) == share


def test_without_a_share_everything_is_ours() -> None:
    assert Share.parse("") == ALL == Share.parse("1/1")
    assert ALL.has("default", "CA1")


@pytest.mark.parametrize(
    "wrong", ["0/3", "4/3", "2", "2/", "2/0", "a/b", "2/3/4", "1/1001", "-1/3", " 1/3", "\u0661/3"]
)
def test_what_is_no_share_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(OptionError, match="such as 2/3"):
        Share.parse(wrong)


def test_alerts_go_by_their_call_and_what_belongs_to_no_call_is_everybodys(make: Any) -> None:
    members = [Share(member, 3) for member in (1, 2, 3)]
    for event in (make.alert(), make.utterance(), make.ended()):
        assert sum(member.takes(event) for member in members) == 1
    for event in (make.status(), UnknownEvent(id="1", type="emotion-streamer.laughter.v9")):
        assert all(member.takes(event) for member in members)
    for topic in ("emotion/v1/nodes/n/status", "emotion/v1/default/alerts/warning", "other/v1/default/calls/CA1/state"):
        assert all(member.may_have(topic, "emotion") for member in members)
