"""The outputs of a rules file, and how each mistake in them is told."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.outputs import load_outputs
from streamer_client.alerts.outputs.load import parse_outputs
from streamer_client.alerts.outputs.log import Log
from streamer_client.alerts.outputs.mail import Mail
from streamer_client.alerts.outputs.webhook import Webhook
from streamer_client.errors import RuleError

KEY = "whsec_" + base64.b64encode(bytes(32)).decode()
GOOD = """
[[rule]]
name = "angry"
severity = "warning"
message = "Listen in."
emotions = ["angry"]
within_s = 60

[[output]]
kind = "log"
path = "alerts.jsonl"

[[output]]
kind = "webhook"
name = "crm"
url = "https://crm.example/alerts"
secret_env = "KEY"
severities = ["critical"]

[[output]]
kind = "mail"
host = "mail.example"
from = "alerts@firm.example"
to = ["desk@firm.example"]
user = "alerts"
password_env = "PASSWORD"
"""
ENVIRONMENT = {"KEY": KEY, "PASSWORD": "word"}


def test_the_outputs_of_a_file_are_loaded_in_order(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(GOOD)
    outputs = load_outputs(tmp_path / "rules.toml", ENVIRONMENT)
    assert [type(output) for output in outputs] == [Log, Webhook, Mail]
    assert [output.name for output in outputs] == ["log", "crm", "mail"]


def test_a_file_without_outputs_has_none() -> None:
    assert parse_outputs(GOOD.partition("[[output]]")[0], "f", {}) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('kind = "log"\n', ""), "output number 1, key 'kind', line 9: is missing.*choose from log, webhook, mail"),
        (('kind = "log"', 'kind = "sms"'), "output number 1, key 'kind', line 10: got 'sms'; choose from log, webh"),
        (("path =", "paht ="), "output number 1, key 'paht', line 11: there is no such key; choose from name, sev"),
        (('"alerts.jsonl"', "3"), "key 'path', line 11: Expected text, got int"),
        (('"alerts.jsonl"', '"no/where"'), "key 'path', line 11: there is no folder no; make it"),
        (('["critical"]', '["urgent"]'), "output 'crm', key 'severities', line 18: got .*choose from info, warning"),
        (('["critical"]', "[]"), "output 'crm', key 'severities', line 18: name at least one"),
        (('"crm"', '"The CRM"'), "output 'The CRM', key 'name', line 15: got 'The CRM'; use a-z, 0-9 and -"),
        (('"crm"', '"mqtt"'), "output 'mqtt', key 'name', line 15: 'mqtt' is taken"),
        (('"crm"', '"log"'), "output 'log', key 'name', line 15: 'log' is taken"),
        (("https://", "http://"), "output 'crm', key 'url', line 16: crm.example is another machine"),
        (('secret_env = "KEY"', 'secret = "x"'), "'crm', key 'secret', line 17: secrets do not stand in this file"),
        (('_env = "PASSWORD"', ' = "x"'), "key 'password', line 26: secrets do not stand in this file"),
        (('host = "mail.example"\n', ""), "key 'host', line 20: is missing, every output needs it"),
        (('"alerts@firm', '"alerts@@firm'), "key 'from', line 23: got 'alerts@@firm.example'; expected one address"),
        (('user = "alerts"', 'tls = "ssl"'), "key 'tls', line 25: got 'ssl'; choose from starttls, implicit, none"),
    ],
)
def test_a_mistake_is_named_with_file_output_key_and_line(change: Any, words: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(RuleError, match=f"^rules.toml: .*{words}"):
        parse_outputs(GOOD.replace(*change), "rules.toml", ENVIRONMENT)


def test_no_secret_is_ever_in_a_message() -> None:
    with pytest.raises(RuleError) as caught:
        parse_outputs(GOOD.replace('password_env = "PASSWORD"', 'password = "hunter2"'), "f", ENVIRONMENT)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(RuleError) as caught:
        parse_outputs(GOOD, "f", ENVIRONMENT | {"KEY": "whsec_hunter2"})
    assert "hunter2" not in str(caught.value)


@given(st.text(alphabet=st.sampled_from('[]output="kindlog.\n #{}1')))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        parse_outputs("[[output]]\n" + text, "rules.toml", {})
    except RuleError as problem:
        assert "\n" not in str(problem)  # noqa: PT017 - hardly any random text is an output
