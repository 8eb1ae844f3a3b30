"""Alert rules as TOML says them, checked at load.

A rule that cannot be right is refused here, in words that name file, rule, key and line: a compliance rule that is
silently never met is worse than none. This file must never look at an event.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from streamer_client.errors import RuleError
from streamer_client.events import EMOTIONS, Severity

_KINDS = ("within_s", "sustained_s", "trend")
_ONLY_FOR = {
    "count": ("within_s", "sustained_s"),
    "share": ("sustained_s",),
    "over": ("trend",),
    "rise": ("trend",),
}
_CHOICES = {"severity": tuple(Severity), "trend": ("rising",)}


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. Exactly one of `within_s`, `sustained_s` and `trend` says what kind it is."""

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
    cooldown_s: float = 0.0
    """After an alert this rule is silent for this long on the call's media clock."""


def load_rules(path: str | Path) -> tuple[Rule, ...]:
    """Read a file of rules.

    Raises
    ------
    RuleError
        The file cannot be read, is no TOML, holds no rule, or a rule that cannot be right.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise RuleError(f"cannot read the rules in {path}: {problem.strerror}; check the name") from problem
    except UnicodeDecodeError as problem:
        raise RuleError(f"the rules in {path} are no UTF-8 text; save them as UTF-8") from problem
    return parse_rules(text, str(path))


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
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise RuleError(f"{name} is no TOML: {problem}") from problem
    strangers = sorted(set(document) - {"rule"})
    if strangers:
        raise RuleError(f"{name}: unknown key {strangers[0]!r} at the top; each rule begins with [[rule]]")
    tables = document.get("rule")
    if not isinstance(tables, list) or not tables:
        raise RuleError(f"{name} holds no rule; each begins with [[rule]]")
    lines = _Lines(text)
    rules: dict[str, Rule] = {}
    for number, table in enumerate(tables):
        try:
            rule = _read(table, taken=rules)
        except _KeyProblem as problem:
            which = table.get("name") if isinstance(table, dict) else None
            label = f"rule {which!r}" if which else f"rule number {number + 1}"
            where = f", line {line}" if (line := lines.of(number, problem.key)) else ""
            raise RuleError(f"{name}: {label}, key {problem.key!r}{where}: {problem}") from problem
        rules[rule.name] = rule
    return tuple(rules.values())


class _KeyProblem(Exception):  # noqa: N818 - never leaves this file
    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _read(table: Any, taken: Container[str]) -> Rule:  # noqa: ANN401 - whatever the TOML says
    if isinstance(table, dict) and "silence_of" in table:
        raise _KeyProblem("silence_of", "silence on the other side is not supported yet; leave this rule out")
    try:
        rule = msgspec.convert(table, Rule)
    except msgspec.ValidationError as problem:
        words = str(problem)
        found = re.search(r"at `\$\.(\w+)|field `(\w+)`", words)
        key = (found[1] or found[2]) if found else "rule"
        if "unknown field" in words:
            words = f"there is no such key; choose from {', '.join(Rule.__struct_fields__)}"
        elif "missing required field" in words:
            words = "is missing, every rule needs it"
        elif key in _CHOICES:
            words = f"got {table[key]!r}; choose from {', '.join(_CHOICES[key])}"
        else:
            words = words.partition(" - at")[0].replace("`", "").replace("str", "text").replace("array", "list")
        raise _KeyProblem(key, words) from problem
    _check(rule)
    kind = next(kind for kind in _KINDS if getattr(rule, kind) is not None)
    strays = [key for key in table if key in _ONLY_FOR and kind not in _ONLY_FOR[key]]
    if strays:
        raise _KeyProblem(
            strays[0], f"a rule with {kind} has no such key; only {' or '.join(_ONLY_FOR[strays[0]])} has"
        )
    if rule.name in taken:
        raise _KeyProblem("name", f"{rule.name!r} is taken by a rule above; every rule has a name of its own")
    return rule


def _check(rule: Rule) -> None:
    """Refuse values whose type is right and whose meaning is not."""

    def refuse_unless(condition: bool, key: str, message: str) -> None:
        if not condition:
            raise _KeyProblem(key, f"got {getattr(rule, key)!r}; {message}")

    refuse_unless(bool(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", rule.name)), "name", "use a-z, 0-9 and -, up to 64")
    refuse_unless(bool(rule.message.strip()), "message", "say in one sentence what a supervisor should do")
    refuse_unless(bool(rule.emotions), "emotions", f"name at least one of {', '.join(EMOTIONS)}")
    unknown = [emotion for emotion in rule.emotions if emotion not in EMOTIONS]
    refuse_unless(not unknown, "emotions", f"choose from {', '.join(EMOTIONS)}")
    refuse_unless(rule.role in {"customer", "agent", "unknown"}, "role", "choose from customer, agent, unknown")
    refuse_unless(0 <= rule.min_confidence <= 1, "min_confidence", "give 0 to 1")
    refuse_unless(rule.count >= 1, "count", "give 1 or more")
    refuse_unless(rule.cooldown_s >= 0, "cooldown_s", "give 0 or more seconds")
    refuse_unless(rule.within_s is None or rule.within_s > 0, "within_s", "give more than 0 seconds")
    refuse_unless(rule.sustained_s is None or rule.sustained_s > 0, "sustained_s", "give more than 0 seconds")
    refuse_unless(0 < rule.share <= 1, "share", "give more than 0, up to 1")
    refuse_unless(0 < rule.rise <= 1, "rise", "give more than 0, up to 1")
    kinds = [key for key in _KINDS if getattr(rule, key) is not None]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none of them"
        raise _KeyProblem(kinds[-1] if kinds else "within_s", f"give one of within_s, sustained_s, trend; got {got}")
    if rule.trend is not None:
        refuse_unless(rule.over is not None and rule.over >= 3, "over", "a trend needs 3 utterances or more")


class _Lines:
    """Where in the text a rule's key stands; TOML's own reader does not tell."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._heads = [n for n, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]

    def of(self, rule: int, key: str) -> int | None:
        """Return the line, from 1, of a key of the rule, or of the rule's head where the key does not stand."""
        if rule >= len(self._heads):
            return None
        head = self._heads[rule]
        end = self._heads[rule + 1] if rule + 1 < len(self._heads) else len(self._lines)
        for number in range(head + 1, end):
            if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", self._lines[number]):
                return number + 1
        return head + 1
