"""Alert rules as TOML says them, checked at load.

A rule that cannot be right is refused here, in words that name file, rule, key and line: a compliance rule that is
silently never met is worse than none. This file must never look at an event.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from streamer_client.alerts.tables import KeyProblem, Lines, convert, located, read_text, tables
from streamer_client.errors import RuleError
from streamer_client.events import EMOTIONS, Severity

BUS = "mqtt"
"""Name of the output that every alert service has."""
ROLES = ("customer", "agent", "unknown")
_KINDS = ("within_s", "sustained_s", "trend", "silence_of")
_ONLY_FOR = {
    "count": ("within_s", "sustained_s"),
    "share": ("sustained_s",),
    "over": ("trend",),
    "rise": ("trend",),
    "silence_s": ("silence_of",),
    "longest_utterance_s": ("silence_of",),
}
_CHOICES = {"severity": tuple(Severity), "trend": ("rising",)}
_NO_EFFECT_ON_STATE = frozenset({"severity", "message", "cooldown_s", "outputs"})


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. Exactly one of `within_s`, `sustained_s`, `trend` and `silence_of` says what kind it is."""

    name: str
    """Short, in lower case; stands in every alert."""
    severity: Severity
    message: str
    """One sentence a supervisor can act on."""
    emotions: tuple[str, ...]
    """An utterance qualifies when its verdict is certain and one of these, with at least `min_confidence`."""
    min_confidence: float = 0.0
    """0 to 1. For a trend: what the newest utterance's score must have reached."""
    role: str = "customer"
    tenants: tuple[str, ...] = ()
    """Only calls of these; empty = of all that the service follows."""
    labels: dict[str, str] = {}
    """Only calls that carry all of these, with these very values."""
    within_s: float | None = None
    """Fires when `count` qualifying utterances end within this many seconds."""
    count: int = 1
    """For `within_s` and `sustained_s`: least number of qualifying utterances."""
    sustained_s: float | None = None
    """Fires when a stretch has lasted this long. A stretch begins with a qualifying utterance; it is over when less
    than `share` of its certain speech qualifies, or when half of `sustained_s` went by without a qualifying one."""
    share: float = 1.0
    """For `sustained_s`: above 0, up to 1."""
    trend: Literal["rising"] | None = None
    """Fires when the scores of `emotions`, added up, climb over the last `over` certain utterances."""
    over: int | None = None
    """For `trend`: how many utterances, 3 or more."""
    rise: float = 0.3
    """For `trend`: how much the straight line through the scores must climb from the first utterance to the last."""
    silence_of: str | None = None
    """Fires when this role says nothing for `silence_s` after a qualifying utterance. Only in calls where this role is
    analysed: of others the bus carries no utterances, and nobody can tell silence from speech."""
    silence_s: float | None = None
    """For `silence_of`: seconds."""
    longest_utterance_s: float = 15.0
    """For `silence_of`: the server's ``speech.max_utterance_ms``. What a party is saying at this moment is heard no
    later than so long after it began."""
    cooldown_s: float = 0.0
    """After an alert this rule is silent for this long on the call's media clock."""
    outputs: tuple[str, ...] = ()
    """Where its alerts go, by name; ``mqtt`` is the bus. Empty = everywhere."""


def load_rules(path: str | Path) -> tuple[Rule, ...]:
    """Read a file of rules.

    Raises
    ------
    RuleError
        The file cannot be read, is no TOML, holds no rule, or a rule that cannot be right.
    """
    return parse_rules(read_text(path, "rules"), str(path))


def default_rules() -> tuple[Rule, ...]:
    """Return the rules that ship with this package: angry, distressed and escalating customers."""
    source = resources.files("streamer_client.alerts") / "default_rules.toml"
    return parse_rules(source.read_text(encoding="utf-8"), "default_rules.toml")


def parse_rules(text: str, name: str) -> tuple[Rule, ...]:
    """Return the rules in a TOML text; `name` is what messages call it.

    Raises
    ------
    RuleError
        It is no TOML, holds no rule, or a rule that cannot be right.
    """
    found = tables(text, name, "rule")
    if not found:
        raise RuleError(f"{name} holds no rule; each begins with [[rule]]")
    outputs = {BUS, *_output_names(tables(text, name, "output"))}
    lines = Lines(text, "rule")
    rules: dict[str, Rule] = {}
    for number, table in enumerate(found):
        try:
            rule = _read(table, taken=rules, outputs=outputs)
        except KeyProblem as problem:
            which = table.get("name") if isinstance(table, dict) else None
            label = f"rule {which!r}" if which else f"rule number {number + 1}"
            raise located(problem, name, label, lines.of(number, problem.key)) from problem
        rules[rule.name] = rule
    return tuple(rules.values())


def fingerprint(rule: Rule) -> str:
    """Return a digest of all that decides what a rule's memory of a call means.

    A rule whose fingerprint has changed cannot go on with what it remembered: it began under other terms. Its words,
    its severity, its outputs and its cool-down may change.
    """
    terms = {key: value for key, value in msgspec.to_builtins(rule).items() if key not in _NO_EFFECT_ON_STATE}
    return hashlib.sha256(msgspec.json.encode(terms, order="deterministic")).hexdigest()[:16]


def _output_names(found: list[Any]) -> set[str]:
    """Return what the file's outputs are called; whether they are right is not looked at here."""
    named = [table.get("name", table.get("kind")) for table in found if isinstance(table, dict)]
    return {name for name in named if isinstance(name, str)}


def _read(table: Any, taken: Container[str], outputs: set[str]) -> Rule:  # noqa: ANN401 - whatever the TOML says
    rule = convert(table, Rule, "rule", _CHOICES)
    _check(rule)
    kind = next(kind for kind in _KINDS if getattr(rule, kind) is not None)
    strays = [key for key in table if key in _ONLY_FOR and kind not in _ONLY_FOR[key]]
    if strays:
        raise KeyProblem(strays[0], f"a rule with {kind} has no such key; only {' or '.join(_ONLY_FOR[strays[0]])} has")
    if rule.name in taken:
        raise KeyProblem("name", f"{rule.name!r} is taken by a rule above; every rule has a name of its own")
    stranger = next((name for name in rule.outputs if name not in outputs), None)
    if stranger is not None:
        raise KeyProblem("outputs", f"there is no output {stranger!r} in this file; choose from {_listed(outputs)}")
    return rule


def _check(rule: Rule) -> None:
    """Refuse values whose type is right and whose meaning is not."""

    def refuse_unless(condition: bool, key: str, message: str) -> None:
        if not condition:
            raise KeyProblem(key, f"got {getattr(rule, key)!r}; {message}")

    refuse_unless(bool(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", rule.name)), "name", "use a-z, 0-9 and -, up to 64")
    refuse_unless(bool(rule.message.strip()), "message", "say in one sentence what a supervisor should do")
    refuse_unless(bool(rule.emotions), "emotions", f"name at least one of {', '.join(EMOTIONS)}")
    unknown = [emotion for emotion in rule.emotions if emotion not in EMOTIONS]
    refuse_unless(not unknown, "emotions", f"choose from {', '.join(EMOTIONS)}")
    refuse_unless(rule.role in ROLES, "role", f"choose from {', '.join(ROLES)}")
    refuse_unless(0 <= rule.min_confidence <= 1, "min_confidence", "give 0 to 1")
    refuse_unless(1 <= rule.count <= 1000, "count", "give 1 to 1000")
    refuse_unless(rule.over is None or rule.over <= 1000, "over", "give 3 to 1000")
    # Written so that TOML's nan, which compares with nothing, is refused as well; inf would be met never.
    for key in ("within_s", "sustained_s", "silence_s", "longest_utterance_s"):
        value = getattr(rule, key)
        refuse_unless(value is None or 0 < value < float("inf"), key, "give more than 0 seconds")
    refuse_unless(rule.cooldown_s >= 0, "cooldown_s", "give 0 or more seconds")
    refuse_unless(0 < rule.share <= 1, "share", "give more than 0, up to 1")
    refuse_unless(0 < rule.rise <= 1, "rise", "give more than 0, up to 1")
    refuse_unless(all(tenant and not set(tenant) & set("/+#") for tenant in rule.tenants), "tenants", "name tenants")
    kinds = [key for key in _KINDS if getattr(rule, key) is not None]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none of them"
        raise KeyProblem(kinds[-1] if kinds else "within_s", f"give one of {', '.join(_KINDS)}; got {got}")
    if rule.trend is not None:
        refuse_unless(rule.over is not None and rule.over >= 3, "over", "a trend needs 3 utterances or more")
    if rule.silence_of is not None:
        others = [role for role in ROLES if role != rule.role]
        refuse_unless(rule.silence_of in others, "silence_of", f"choose from {', '.join(others)}: the other side")
        refuse_unless(rule.silence_s is not None, "silence_s", "say how many seconds nobody answers")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
