"""Topics: where events go, what an id may look like, and that no number gets through."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.bus.topics import LONGEST_LEVEL, Topics, call_id, pseudonym, pseudonymise, safe

SALT = b"a secret"
PSEUDONYM = re.compile(r"n-[0-9a-f]{16}")

any_text = st.text(max_size=300)
digits = st.text("0123456789", min_size=7, max_size=15)


@given(any_text)
@example("")
@example("$SYS")
@example("a/b+c#d")
@example("\x00\x1f\ud800 ")
def test_a_safe_level_is_never_empty_never_long_and_can_be_published_to(text: str) -> None:
    level = safe(text)
    assert 1 <= len(level) <= LONGEST_LEVEL
    assert not set(level) & set("+#/$ \x00")
    assert level.isprintable()
    level.encode("utf-8")


@given(any_text)
def test_making_safe_twice_changes_nothing_more(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@given(st.lists(st.text("ab/_+#$ ", max_size=6), unique=True, min_size=2, max_size=20))
def test_different_ids_stay_different(texts: list[str]) -> None:
    assert len({safe(text) for text in texts}) == len(texts)


def test_long_ids_that_differ_only_at_their_end_stay_different() -> None:
    assert safe("x" * 500 + "a") != safe("x" * 500 + "b")


@pytest.mark.parametrize(
    "platform_id",
    [
        "CA0123456789abcdef0123456789abcdef",
        "MZ00112233445566778899001122334455",
        "1732271234.57",
        "pbx1-1732271234.57",
        "auto-repairs-40",
        "12345678-1234-1234-1234-123456789012",
        "a84b4c76e66710@pc33.atlanta.example.com",
        "v3:T02llQxIyaRkhfRKxgP8nY511EhFLizdvdUKJiSw8d9A",
        "42",
    ],
)
def test_a_platforms_id_stays_as_it_is(platform_id: str) -> None:
    assert call_id(platform_id, SALT) == platform_id


@given(st.uuids())
def test_every_uuid_stays_as_it_is(value: uuid.UUID) -> None:
    assert call_id(str(value), SALT) == str(value)


@given(digits, st.sampled_from(["{}", "+{}", "tel:+{}", "sip:{}@pbx.example", "{}@10.0.0.1", '"B" <sips:{}@x;a=b>']))
def test_a_number_becomes_a_pseudonym_whatever_it_is_wrapped_in(number: str, form: str) -> None:
    shown = pseudonymise(form.format(number), SALT)
    assert PSEUDONYM.fullmatch(shown)
    assert shown == pseudonym(number, SALT)


@given(digits, st.data())
def test_the_same_number_spelled_in_two_ways_is_one_pseudonym(number: str, data: st.DataObject) -> None:
    separators = [data.draw(st.sampled_from(["", " ", "-", ".", " ("])) for _ in number]
    spelled = "".join(mark + digit for mark, digit in zip(separators, number, strict=True))
    assert pseudonymise(spelled, SALT) == pseudonymise(number, SALT) or re.fullmatch(r"1\d{9}\.\d+", spelled)


@pytest.mark.parametrize(
    "spelling",
    ["+49 30 1234567", "0049301234567", "+49 (0)30 123 45 67", "tel:+49-30-1234567", "49.30.1234567", "+٤٩301234567"],
)
def test_international_spellings_of_one_number_are_one_pseudonym(spelling: str) -> None:
    assert pseudonymise(spelling, SALT) == pseudonym("49301234567", SALT)


@pytest.mark.parametrize("spelling", ["2125551234.20261122", "2125551234.1", "1732271234.123456789"])
def test_a_number_of_ten_digits_with_a_date_behind_a_dot_is_no_uniqueid(spelling: str) -> None:
    assert PSEUDONYM.fullmatch(call_id(spelling, SALT))


@given(st.text("abcxyz_", max_size=5), digits, st.text("abcxyz_", max_size=5))
def test_a_number_with_a_plus_is_replaced_wherever_it_stands(before: str, number: str, after: str) -> None:
    shown = pseudonymise(f"{before}+{number}{after}", SALT)
    assert number not in shown
    assert shown == f"{before}{pseudonym(number, SALT)}{after}"


@given(any_text)
def test_pseudonyms_are_not_made_into_pseudonyms_again(text: str) -> None:
    once = call_id(text, SALT)
    assert call_id(once, SALT) == once


def test_another_salt_gives_another_pseudonym() -> None:
    assert pseudonym("+4930123456", b"a") != pseudonym("+4930123456", b"b")


def test_an_empty_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="empty salt"):
        pseudonym("+4930123456", b"")


def test_topics_are_those_of_the_contract() -> None:
    topics = Topics("emotion")
    assert topics.utterance("acme", "CA1", "customer") == "emotion/v1/acme/calls/CA1/customer/utterance"
    assert topics.partial("acme", "CA1", "agent") == "emotion/v1/acme/calls/CA1/agent/partial"
    assert topics.state("default", "CA1") == "emotion/v1/default/calls/CA1/state"
    assert topics.ended("default", "CA1") == "emotion/v1/default/calls/CA1/ended"
    assert topics.alert("default", "critical") == "emotion/v1/default/alerts/critical"
    assert topics.acknowledgement("default") == "emotion/v1/default/acknowledgements"
    assert topics.status("node-1") == "emotion/v1/nodes/node-1/status"


def test_a_base_may_have_levels() -> None:
    assert Topics("site/emotion").status("n") == "site/emotion/v1/nodes/n/status"


@pytest.mark.parametrize("base", ["", "/emotion", "emotion/", "a//b", "emotion/#", "+", "$SYS"])
def test_a_base_that_nobody_can_publish_under_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt\.base"):
        Topics(base)


@given(any_text, any_text)
def test_no_id_can_leave_its_level(tenant: str, call: str) -> None:
    assert Topics().state(tenant, call).count("/") == 5
