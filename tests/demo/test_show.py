"""The demo is the first thing anyone sees: it must show a call, its emotions and an alert, and end."""

from __future__ import annotations

import pytest

from streamer.demo import broker, show
from streamer.demo.show import DemoError


@pytest.mark.parametrize("software", ["mosquitto", "rumqttd"])
async def test_the_demo_shows_the_call_from_live_to_ended_with_an_alert(
    software: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], find_program
) -> None:
    if software == "mosquitto":
        find_program("mosquitto")
    else:
        monkeypatch.setattr(broker.shutil, "which", lambda *_, **__: None)
    await show.show(speed=None)
    shown = capsys.readouterr().out
    assert "● live" in shown
    assert "■ ended" in shown
    assert "angry" in shown
    assert "angry-customer" in shown
    assert shown.count("  customer  ") >= 5


async def test_a_recording_that_cannot_be_played_ends_the_demo_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    real = show.resources.files
    monkeypatch.setattr(show.resources, "files", lambda of: tmp_path if of == "streamer.demo" else real(of))
    with pytest.raises(DemoError, match="call failed"):
        await show.show(speed=None)
