"""Make the pictures of the manual: real pages in a real browser, real commands' output; nothing is painted by hand.

The dashboard's pictures show a made-up floor (`made_floor.py`): real event types through a real broker into the real
dashboard, of calls that nobody made. The terminal's show the demo's call through the real server and model. Run it
again after a change of a page::

    python tools/screenshots.py                  all of them
    python tools/screenshots.py dashboard watch  some

It must never load anything from another host, nor show a call of a real person.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiomqtt
import numpy as np
import soundfile
from playwright.async_api import Browser
from rich.console import Console, RenderableType
from streamer_client.alerts.rules import default_rules
from streamer_client.alerts.runner import run_alerts
from streamer_client.board import Board
from streamer_client.broker import Broker
from streamer_client.dashboard.access import Served, one_token
from streamer_client.dashboard.server import dashboard as serve_dashboard
from streamer_client.events import AlertEvent, EndedEvent, encode
from streamer_client.pretty import style_event
from streamer_client.replay import replay
from streamer_client.subscribe import Status, subscribe
from streamer_client.watch import KINDS

from streamer.demo.broker import running_broker

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
PICTURES: Final = ROOT / "docs" / "pictures"
LARGEST_BYTES: Final = 250_000
TOKEN: Final = "only-for-pictures"  # noqa: S105 - of a dashboard that lives for seconds
PATIENCE_MS: Final = 60_000

VIEWS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
    "wall": {"viewport": {"width": 1440, "height": 810}, "color_scheme": "dark"},
    "call": {"viewport": {"width": 1440, "height": 1080}, "color_scheme": "light"},
}


async def dashboard() -> None:
    """Write dashboard-{light,dark,phone,wall,call}.png."""
    from tests.browser import chromium  # noqa: PLC0415 - found by the path above
    from tools.made_floor import floor, topic_of  # noqa: PLC0415

    with running_broker() as broker:
        async with (
            serve_dashboard(served=Served(port=0), broker=Broker(broker.url), tokens=one_token(TOKEN)) as running,
            chromium() as browser,
        ):
            async with aiomqtt.Client("127.0.0.1", urlsplit(broker.url).port or 1883) as client:
                for event in floor(time.time(), live=34, over=260):
                    await client.publish(topic_of(event), encode(event), qos=1)
            for name in VIEWS:
                await _shot(browser, running.url, name)


async def _shot(browser: Browser, url: str, name: str) -> None:
    context = await browser.new_context(**VIEWS[name])
    page = await context.new_page()
    await page.goto(f"{url}?wall" if name == "wall" else url)
    await page.fill("#login-name", "Maria")
    await page.fill("#login-token", TOKEN)
    await page.click("#login-form button")
    await page.locator(".call").nth(3).wait_for(timeout=PATIENCE_MS)
    await page.locator("#calls-count", has_text="34 live").wait_for(timeout=PATIENCE_MS)
    if name == "call":
        address = await page.locator(".alert.warning a").first.get_attribute("href")
        await page.evaluate("address => { location.hash = address; }", address)
        await page.wait_for_selector(".timeline .block", timeout=PATIENCE_MS)
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement?.blur()")
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await page.screenshot(path=PICTURES / f"dashboard-{name}.png")
    await context.close()


async def watch() -> None:
    """Write watch.svg and alerts.svg: what `streamer watch` and `streamer alerts` show of the demo's call.

    Broker, server, alert service and subscriber are the real ones; only the terminal is rich's picture of one.
    """
    from tests.nodes import serve, url  # noqa: PLC0415

    board, alerts, listening = Board(12), list[AlertEvent](), asyncio.Event()

    def tell(status: Status, reason: str) -> None:
        board.status = f"connected to {reason}" if status == "connected" else f"{reason} (trying again)"

    with running_broker() as broker, tempfile.TemporaryDirectory() as folder:
        ruling = asyncio.create_task(
            run_alerts(
                default_rules(),
                broker=Broker(broker.url),
                on_alert=alerts.append,
                on_status=lambda status, _: listening.set() if status == "connected" else None,
            )
        )
        async with (
            serve(Path(folder), mqtt__url=broker.url) as node,
            subscribe(broker.url, kinds=KINDS, on_status=tell) as events,
        ):
            await listening.wait()
            playing = asyncio.create_task(
                replay([ROOT / "streamer" / "demo" / "call.flac"], to=url(node), call_id="demo")
            )
            async for event in events:
                board.add(event)
                if isinstance(event, EndedEvent):
                    break
            await playing
        ruling.cancel()
        await asyncio.wait([ruling])
    _terminal("watch", "streamer watch", 92, board)
    _terminal("alerts", "streamer alerts", 112, *(style_event(alert) for alert in alerts))


def _terminal(name: str, title: str, width: int, *shown: RenderableType) -> None:
    """Write what a terminal shows as SVG, in the reader's own font."""
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for one in shown:
        console.print(one, soft_wrap=False)
    drawn = console.export_svg(title=title, unique_id=name)
    drawn = re.sub(r"@font-face\s*{[^}]*}", "", drawn)  # they would be loaded from another host
    drawn = "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip())
    (PICTURES / f"{name}.svg").write_text(f"{drawn}\n", encoding="utf-8")


LIVE: Final = """least => {
    const dbfs = (side) => parseInt(document.getElementById(`${side}-db`).textContent) || -100;
    return document.getElementById("state").dataset.state === "live"
        && dbfs("customer") > least && dbfs("agent") > least
        && document.querySelectorAll("#verdicts li").length >= 5 && document.querySelector("#verdicts li.uncertain");
}"""
"""In the middle of a call: both sides are heard, five utterances or more, one of which is uncertain."""


async def softphone() -> None:
    """Write softphone-{light,dark,phone}.png: the demo's customer calls the page by WebRTC, the real server judges."""
    from tests.browser import chromium  # noqa: PLC0415
    from tests.nodes import serve, url  # noqa: PLC0415
    from tests.web.sites import recording, site  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        voice, agent = Path(folder, "voice.wav"), Path(folder, "agent.wav")
        recording(voice, from_s=8.5, to_s=57.5)
        # One sentence over and over: in the demo the two never speak at once, and a picture is to show both levels.
        sentence = recording(agent, from_s=47.0, to_s=50.5, channel=1, silence_s=0)
        soundfile.write(agent, np.tile(sentence, 20), 8000)
        async with serve(Path(folder)) as node, chromium(microphone=agent) as browser:
            with site() as at:
                for name in ("light", "dark", "phone"):  # one by one: a page behind another draws no levels
                    context = await browser.new_context(**_softphone_view(name))
                    page = await context.new_page()
                    await page.goto(f"{at}/softphone/")
                    await page.get_by_text("A recording", exact=True).click()
                    await page.set_input_files("#file", voice)
                    await page.evaluate("address => { document.getElementById('url').value = address; }", url(node))
                    await page.evaluate("document.getElementById('call').value = 'desk-7-call-1042'")
                    await page.get_by_label("The customer has been told").check()
                    await page.get_by_role("button", name="Start the call").click()
                    await page.evaluate("document.activeElement?.blur()")
                    await page.locator("#verdicts li").nth(4).wait_for(timeout=2 * PATIENCE_MS)
                    if name == "phone":
                        await page.locator(".live").evaluate("live => live.scrollIntoView()")
                    await page.wait_for_function(LIVE, arg=-35, timeout=2 * PATIENCE_MS)
                    await page.screenshot(path=PICTURES / f"softphone-{name}.png")
                    if await page.locator("#state").text_content() != "Live":
                        raise RuntimeError(f"softphone-{name}.png is of a call that is over: make it again")
                    await context.close()


def _softphone_view(name: str) -> dict[str, Any]:
    """Return a view that is no taller than what is on the page."""
    viewport = {"width": 390, "height": 844} if name == "phone" else {"width": 1200, "height": 780}
    return VIEWS[name] | {"viewport": viewport}


async def report() -> None:
    """Write call-report.png: the page of the demo's call in a report of `streamer analyse`."""
    from tests.browser import chromium  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        address = _analysed(Path(folder)).as_uri()
        async with chromium() as browser:
            page = await browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme="light")
            await page.goto(address)
            await page.screenshot(path=PICTURES / "call-report.png", full_page=True)


def _analysed(folder: Path) -> Path:
    """Have the command make a report of the demo's call; return the call's page."""
    shutil.copy(ROOT / "streamer" / "demo" / "call.flac", folder / "CA-2024.flac")
    table = folder / "calls.csv"
    table.write_text("file,started_at,label.queue\nCA-2024.flac,2026-11-22T09:15:00+00:00,billing\n", encoding="utf-8")
    command = [Path(sys.executable).with_name("streamer"), "analyse", "CA-2024.flac", "--metadata", table]
    subprocess.run([*command, "--report", folder / "out"], cwd=folder, check=True)
    (page,) = folder.glob("out/calls/*.html")
    return page


MAKERS: Final[dict[str, Callable[[], Awaitable[None]]]] = {
    "dashboard": dashboard,
    "watch": watch,
    "softphone": softphone,
    "report": report,
}


def main(arguments: list[str]) -> int:
    """Make the pictures that are named, or all; return the exit code."""
    unknown = set(arguments) - set(MAKERS)
    if unknown:
        print(f"screenshots: no pictures {', '.join(sorted(unknown))}; there are {', '.join(MAKERS)}", file=sys.stderr)
        return 2
    PICTURES.mkdir(exist_ok=True)
    for name in arguments or MAKERS:
        asyncio.run(_made(MAKERS[name]))
    large = [path.name for path in PICTURES.iterdir() if path.stat().st_size > LARGEST_BYTES]
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.name:24} {path.stat().st_size / 1000:6.0f} kB")
    if large:
        print(f"screenshots: larger than {LARGEST_BYTES // 1000} kB: {', '.join(large)}", file=sys.stderr)
    return 1 if large else 0


async def _made(maker: Callable[[], Awaitable[None]]) -> None:
    await maker()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
