"""The demo is the first thing anyone sees: it must show a call, its emotions and an alert, and end."""

from __future__ import annotations

import asyncio
import re

import pytest
from rich.console import Console

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


async def test_told_to_stay_it_serves_on_after_the_call_until_it_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    over = asyncio.Event()
    farewell = show._farewell

    def say_farewell(console: Console) -> None:
        farewell(console)
        over.set()

    monkeypatch.setattr(show, "_farewell", say_farewell)
    showing = asyncio.create_task(show.show(speed=None, stay=True))
    await asyncio.wait({showing, asyncio.ensure_future(over.wait())}, return_when=asyncio.FIRST_COMPLETED)
    shown = capsys.readouterr().out
    (softphone,) = re.findall(r"http://\S+/softphone/", shown)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(softphone.split(":")[2].partition("/")[0]))
    writer.write(b"GET /softphone/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert b" 200 " in await reader.readline()
    writer.close()
    assert not showing.done()
    showing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing


async def test_a_recording_that_cannot_be_played_ends_the_demo_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    real = show.resources.files
    monkeypatch.setattr(show.resources, "files", lambda of: tmp_path if of == "streamer.demo" else real(of))
    with pytest.raises(DemoError, match="call failed"):
        await show.show(speed=None)
