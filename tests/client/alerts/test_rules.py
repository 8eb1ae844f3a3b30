from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.rules import default_rules, fingerprint, load_rules, parse_rules
from streamer_client.errors import RuleError
from streamer_client.events import Severity

GOOD = """
[[rule]]
name = "angry"
severity = "warning"
message = "Listen in."
emotions = ["angry"]
within_s = 60
"""


def test_the_shipped_rules_are_the_three_of_the_manual() -> None:
    rules = {rule.name: rule for rule in default_rules()}
    assert list(rules) == ["angry-customer", "distressed-customer", "escalation"]
    angry, distressed, escalation = rules.values()
    assert (angry.emotions, angry.count, angry.within_s) == (("angry",), 2, 60)
    assert (distressed.emotions, distressed.sustained_s) == (("sad", "fear"), 90)
    assert (escalation.emotions, escalation.trend, escalation.over) == (("angry",), "rising", 5)
    assert distressed.severity is Severity.CRITICAL
    assert {rule.role for rule in rules.values()} == {"customer"}


def test_a_rule_says_what_it_must_and_the_rest_has_defaults() -> None:
    (rule,) = parse_rules(GOOD, "rules.toml")
    assert (rule.name, rule.role, rule.count, rule.cooldown_s) == ("angry", "customer", 1, 0)


def test_a_rule_may_name_surprise_for_models_that_know_it() -> None:
    (rule,) = parse_rules(GOOD.replace('["angry"]', '["angry", "surprise"]'), "rules.toml")
    assert rule.emotions == ("angry", "surprise")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('severity = "urgent"', "key 'severity', line 4: got 'urgent'; choose from info, warning, critical"),
        ('name = "Angry Customer"', "key 'name', line 3: got 'Angry Customer'; use a-z"),
        ('emotions = ["angyr"]', "key 'emotions', line 6: got .*choose from neutral, happy"),
        ('emotions = "angry"', "key 'emotions', line 6: Expected list, got text"),
        ("emotions = []", "key 'emotions', line 6: .*name at least one"),
        ('message = " "', "key 'message', line 5: .*say in one sentence"),
        ("within_s = 0", "key 'within_s', line 7: got 0.0; give more than 0"),
        ('within_s = "60"', "key 'within_s', line 7: Expected float"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule_key_and_line(line: Any, words: str) -> None:
    key = line.partition(" ")[0]
    text = "\n".join(line if old.startswith(key) else old for old in GOOD.splitlines())
    with pytest.raises(RuleError, match=f"^rules.toml: rule .*{words}"):
        parse_rules(text, "rules.toml")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("colour = 1", "key 'colour', line 8: there is no such key; choose from name, "),
        ("silence_of = 'agent'", "key 'silence_of', line 8: give one of .*; got within_s and silence_of"),
        ("silence_s = 9", "key 'silence_s', line 8: a rule with within_s has no such key; only silence_of has"),
        ("outputs = ['pager']", "key 'outputs', line 8: there is no output 'pager' in this file; choose from mqtt"),
        ("tenants = ['a/b']", "key 'tenants', line 8"),
        ("labels.queue = 3", "key 'labels', line 8: Expected text, got int"),
        ("[rule.labels]\nqueue = 3", "key 'labels', line 8: Expected text, got int"),
        ("labels = {queue = 3}", "key 'labels', line 8: Expected text, got int"),
        ("sustained_s = 9", "give one of within_s, sustained_s, trend, silence_of; got within_s and sustained_s"),
        ("share = 0.5", "key 'share', line 8: a rule with within_s has no such key; only sustained_s has"),
        ("over = 5", "key 'over', line 8: a rule with within_s has no such key; only trend has"),
        ("min_confidence = 50", "key 'min_confidence', line 8: got 50.0; give 0 to 1"),
        ("count = 0", "key 'count', line 8: got 0; give 1 to 1000"),
        ("cooldown_s = nan", "key 'cooldown_s', line 8: got nan"),
        ("cooldown_s = -1", "key 'cooldown_s', line 8"),
        ("role = 'boss'", "key 'role', line 8: got 'boss'; choose from customer, agent, unknown"),
        (GOOD, "rule 'angry', key 'name', line 10: 'angry' is taken"),
    ],
)
def test_a_key_that_does_not_belong_is_named(more: Any, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse_rules(GOOD + more, "rules.toml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("within_s = 60", "trend = 'rising'"), "key 'over', line 2: .*a trend needs 3 utterances or more"),
        (("within_s = 60", "trend = 'rising'\nover = 2"), "key 'over', line 8: got 2"),
        (("within_s = 60", "trend = 'falling'\nover = 5"), "key 'trend', line 7: got 'falling'; choose from rising"),
        (("within_s = 60", "sustained_s = 9\nshare = 0"), "key 'share', line 8: got 0.0"),
        (("within_s = 60", "trend = 'rising'\nover = 5\ncount = 2"), "key 'count', line 9: a rule with trend has no"),
        (("within_s = 60", ""), "give one of within_s, sustained_s, trend, silence_of; got none of them"),
        (("within_s = 60", "within_s = inf"), "key 'within_s', line 7: got inf"),
        (("within_s = 60", "silence_of = 'agent'"), "key 'silence_s', line 2: .*how many seconds"),
        (
            ("within_s = 60", "silence_of = 'customer'\nsilence_s = 9"),
            "'silence_of', line 7: .*choose from agent",
        ),
        (("within_s = 60", "silence_of = 'agent'\nsilence_s = nan"), "key 'silence_s', line 8: got nan"),
        (("within_s = 60", "silence_of = 'agent'\nsilence_s = 9\ncount = 2"), "key 'count', line 9: a rule with sil"),
        (('name = "angry"\n', ""), "rule number 1, key 'name', line 2: is missing, every rule needs it"),
    ],
)
def test_a_rule_of_no_kind_or_of_half_a_kind_is_refused(change: Any, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse_rules(GOOD.replace(*change), "rules.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no rule; each begins with"),
        ("rule = 3", "holds no rule"),
        ("\n[rules]", "^rules.toml, line 2: unknown key 'rules' at the top"),
        ("\n\nrule = 3", "^rules.toml, line 3: holds no rule"),
        ("[[rule]", r"is no TOML: .*line 1"),
        ('[[rule]]\nname = "a"\nname = "b"', r"is no TOML: .*line 3"),
        ("[[rule]]\nname = [\n1,\n", r"is no TOML: .*line 3, the last one"),
        ("rule = [3]", "rule number 1, key 'rule'"),
    ],
)
def test_a_file_without_rules_is_refused(text: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse_rules(text, "rules.toml")


@given(st.text(alphabet=st.sampled_from('[]rule="1.\n #{}ab')))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        parse_rules(text, "rules.toml")
    except RuleError as problem:
        assert "\n" not in str(problem)  # noqa: PT017 - hardly any random text is a set of rules


def test_rules_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(GOOD)
    assert [rule.name for rule in load_rules(tmp_path / "rules.toml")] == ["angry"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"cannot read the rules in nowhere\.toml: No such file"):
        load_rules("nowhere.toml")
    (tmp_path / "rules.toml").write_bytes(b"\xff")
    with pytest.raises(RuleError, match="no UTF-8"):
        load_rules(tmp_path / "rules.toml")


OUTPUTS = """
[[output]]
kind = "webhook"
url = "https://crm.example"

[[output]]
kind = "log"
name = "file"
"""


def test_a_rule_may_name_outputs_of_its_file_and_the_bus() -> None:
    (rule,) = parse_rules(GOOD + "outputs = ['webhook', 'file', 'mqtt']" + OUTPUTS, "rules.toml")
    assert rule.outputs == ("webhook", "file", "mqtt")


def test_a_rule_may_be_about_some_calls_only() -> None:
    (rule,) = parse_rules(GOOD + "labels = {queue = 'sales'}\ntenants = ['acme']", "rules.toml")
    assert (rule.labels, rule.tenants) == ({"queue": "sales"}, ("acme",))


def test_a_rule_about_silence_names_the_other_side_and_the_time() -> None:
    (rule,) = parse_rules(GOOD.replace("within_s = 60", "silence_of = 'agent'\nsilence_s = 20"), "rules.toml")
    assert (rule.silence_of, rule.silence_s, rule.longest_utterance_s) == ("agent", 20, 15)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (('message = "Listen in."', 'message = "Help."'), True),
        (('severity = "warning"', 'severity = "critical"'), True),
        (("within_s = 60", "within_s = 60\ncooldown_s = 9\noutputs = ['mqtt']"), True),
        (("within_s = 60", "within_s = 61"), False),
        (('["angry"]', '["angry", "sad"]'), False),
        (("within_s = 60", "within_s = 60\nlabels = {queue = 'sales'}"), False),
    ],
)
def test_a_fingerprint_changes_with_what_decides_what_is_remembered(change: Any, same: bool) -> None:
    (before,), (after,) = parse_rules(GOOD, "a"), parse_rules(GOOD.replace(*change), "b")
    assert (fingerprint(before) == fingerprint(after)) is same
