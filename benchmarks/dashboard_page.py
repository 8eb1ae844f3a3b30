"""How the dashboard's page bears a large floor: the time to draw it, and how busy updates keep a browser.

A made-up floor of live calls goes through a real broker into the real dashboard; a headless Chromium shows it. Then so
many utterances a second are published, and the browser's own counters say what its page's thread did meanwhile. One
line of JSON; needs Chromium::

    python benchmarks/dashboard_page.py --calls 1000 --rate 100 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiomqtt
from playwright.async_api import CDPSession, Page
from streamer_client.broker import Broker
from streamer_client.dashboard.access import Served, one_token
from streamer_client.dashboard.server import dashboard
from streamer_client.events import encode

from streamer.demo.broker import running_broker
from tests.browser import chromium
from tools.made_floor import floor, made_call, topic_of

TOKEN = "only-for-measuring"  # noqa: S105 - of a dashboard that lives for a minute
DRAWN = """
addEventListener("DOMContentLoaded", () => {
  new MutationObserver((_, observer) => {
    if (!document.querySelector(".call-list .call .call-id[href]")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.drawn = performance.now(); }));
  }).observe(document, { childList: true, subtree: true });
});
"""
FRAMES = """() => new Promise((done) => {
  const gaps = [];
  let last = performance.now();
  window.stopFrames = () => done(gaps);
  const next = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next);
})"""


async def measure(calls: int, rate: int, seconds: int) -> dict[str, Any]:
    """Return the figures."""
    with running_broker() as broker:
        port = urlsplit(broker.url).port or 1883
        async with (
            dashboard(served=Served(port=0), broker=Broker(broker.url), tokens=one_token(TOKEN)) as running,
            aiomqtt.Client("127.0.0.1", port) as client,
            chromium() as browser,
        ):
            for event in floor(time.time(), live=calls, over=0):
                await client.publish(topic_of(event), encode(event), qos=1)
            context = await browser.new_context(viewport={"width": 1440, "height": 900})
            page = await context.new_page()
            await page.goto(running.url)
            await page.fill("#login-name", "Measure")
            await page.fill("#login-token", TOKEN)
            await page.click("#login-form button")
            await page.locator("#calls-count", has_text=f"{calls} live").wait_for(timeout=120_000)
            drawn = [await _draw(page, running.url) for _ in range(5)]
            busy = await _update(page, await context.new_cdp_session(page), client, rate, seconds)
            rows = await page.locator(".call").count()
    drawn.sort()
    return {"calls": calls, "rows_drawn": rows, "draw_ms": drawn[2], "draw_ms_all": drawn, **busy}


async def _draw(page: Page, url: str) -> float:
    """Load the page anew; return the time from the snapshot's last byte to the first picture with calls, in ms."""
    await page.add_init_script(DRAWN)
    await page.goto(url)
    await page.locator(".call").first.wait_for()
    script = """() => new Promise((done) => {
      const look = () => window.drawn ? done(window.drawn - performance.getEntriesByType("resource")
        .find((entry) => entry.name.endsWith("api/snapshot")).responseEnd) : setTimeout(look, 10);
      look();
    })"""
    return round(float(await page.evaluate(script)), 1)


async def _update(page: Page, tools: CDPSession, client: aiomqtt.Client, rate: int, seconds: int) -> dict[str, Any]:
    """Publish utterances of new calls in turn; return what the page's thread did, as shares of the time."""
    chance = random.Random(1)
    speakers = [made_call(n, chance, mood="annoyed", began_s=time.time()) for n in range(rate)]
    await tools.send("Performance.enable")
    frames = asyncio.create_task(page.evaluate(FRAMES))
    before, began = await _counters(tools), time.perf_counter()
    for second in range(seconds):
        for number, speaker in enumerate(speakers):
            event = speaker.speak()
            await client.publish(topic_of(event), encode(event), qos=1)
            due = began + second + (number + 1) / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
    lasted, after = time.perf_counter() - began, await _counters(tools)
    await page.evaluate("window.stopFrames()")
    gaps = sorted(await frames)
    share = {name: round((after[name] - before[name]) / lasted, 3) for name in ("TaskDuration", "ScriptDuration")}
    return {
        "updates_per_s": round(rate * seconds / lasted, 1),
        "seconds": round(lasted, 1),
        "thread_busy": share["TaskDuration"],
        "thread_in_script": share["ScriptDuration"],
        "frame_p50_ms": round(gaps[len(gaps) // 2], 1),
        "frame_p99_ms": round(gaps[int(len(gaps) * 0.99)], 1),
        "frame_longest_ms": round(gaps[-1], 1),
    }


async def _counters(tools: CDPSession) -> dict[str, float]:
    found = await tools.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in found["metrics"]}


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--calls", type=int, default=1000)
    reader.add_argument("--rate", type=int, default=100, help="utterances a second")
    reader.add_argument("--seconds", type=int, default=20)
    given = reader.parse_args()
    print(json.dumps(asyncio.run(measure(given.calls, given.rate, given.seconds))))
