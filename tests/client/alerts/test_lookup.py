from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamer_client.alerts.lookup import find_alert
from streamer_client.alerts.state import Effect, State
from streamer_client.errors import OptionError


def test_an_alert_is_found_while_the_service_has_its_state_open(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "a state #1.sqlite"
    state = State(path)
    try:
        state.apply(Effect(alerts=[(make.alert(), ("mqtt",))]), 0.0)
        assert find_alert(path, "CA1-alert") == make.alert()
        with pytest.raises(OptionError, match=r"there is no alert 'CA2-alert' in .*; check the id, or give --call"):
            find_alert(path, "CA2-alert")
    finally:
        state.close()


def test_no_state_is_said_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"there is no alert state .*nowhere; give --call, as the alert names it"):
        find_alert(tmp_path / "nowhere", "x")
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello, this is no database at all" * 100)
    with pytest.raises(OptionError, match=r"cannot read .* as an alert state"):
        find_alert(tmp_path / "x", "x")
