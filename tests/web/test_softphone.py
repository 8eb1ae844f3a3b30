"""The softphone page as a person uses it: a click, a sentence, a verdict; a microphone's file, a real WebRTC call."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from streamer.archive.looks import LOOKS
from streamer.server import Server
from tests.browser import chromium, needs_chromium
from tests.nodes import CRM, serve, url
from tests.web.conftest import replayed
from tests.web.sites import site

pytestmark = needs_chromium

PATIENCE_MS = 60_000
"""Only how long a broken test hangs; no test passes or fails by it."""


@pytest_asyncio.fixture
async def softphone(speech: Path) -> AsyncIterator[Page]:
    """The page, in a browser whose microphone hears three sentences."""
    async with chromium(microphone=speech) as browser:
        with site() as at:
            page = await browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            await page.goto(f"{at}/softphone/")
            yield page
            await page.close()


@pytest.fixture
def voice(speech: Path, tmp_path: Path) -> Path:
    """The same sentences with a second of silence behind, as the file that calls."""
    samples, rate_hz = soundfile.read(speech, dtype="int16")
    path = tmp_path / "voice.wav"
    soundfile.write(path, np.concatenate((samples, np.zeros(rate_hz, np.int16))), rate_hz)
    return path


async def call(page: Page, server: Server, *, token: str = "") -> None:
    """Fill in the server and start the call."""
    await page.get_by_text("Server and key").click()
    await page.get_by_label("Server", exact=True).fill(url(server))
    await page.get_by_label("Key, where").fill(token)
    await page.get_by_role("button", name="Start the call").click()


async def state(page: Page, is_it: str) -> None:
    await expect(page.locator("#state")).to_have_text(is_it, timeout=PATIENCE_MS)


async def seen(page: Page) -> list[tuple[int, str, bool]]:
    """The rows of the page, the first utterance first: number, emotion, whether it is shown as uncertain."""
    rows = await page.locator("#verdicts li").all()
    found = [
        (
            int(await row.get_attribute("data-n") or 0),
            await row.get_attribute("data-emotion") or "",
            "uncertain" in (await row.get_attribute("class") or ""),
        )
        for row in rows
    ]
    return found[::-1]


async def test_a_recording_that_calls_by_webrtc_gets_its_verdicts_on_the_page(
    softphone: Page, server: Server, speech: Path, voice: Path
) -> None:
    samples, rate_hz = soundfile.read(speech, dtype="int16")
    expected = await replayed(server, samples, rate_hz)

    await softphone.get_by_text("A recording", exact=True).click()
    await softphone.get_by_label("Recording of one person").set_input_files(voice)
    await call(softphone, server)
    await state(softphone, "Ended")

    rows = await seen(softphone)
    assert [n for n, _, _ in rows] == [1, 2, 3]
    sure = [
        (emotion, meant["data"]["emotion"]["top"])
        for (_, emotion, uncertain), meant in zip(rows, expected, strict=True)
        if not uncertain and meant["data"]["emotion"]["confidence"] > 0.7
    ]
    assert sure
    assert all(shown == meant for shown, meant in sure)
    await expect(softphone.locator("#summary")).to_have_text("The call is over: 3 utterances judged, all handed over.")

    glyphs = [str(await one.get_attribute("href")) for one in await softphone.locator("#verdicts use").all()]
    assert glyphs[::-1] == [f"#glyph-{emotion}{'-u' * uncertain}" for _, emotion, uncertain in rows]
    assert [await softphone.locator(one).count() for one in glyphs] == [1, 1, 1]
    fill = await softphone.evaluate("getComputedStyle(document.querySelector('#glyph-angry path')).fill")
    assert fill == f"rgb{tuple(bytes.fromhex(LOOKS['angry'].light[1:]))}"


async def test_whoever_speaks_into_the_microphone_sees_a_verdict(softphone: Page, server: Server) -> None:
    await softphone.get_by_label("The customer has been told").check()
    await call(softphone, server)
    await state(softphone, "Live")
    await expect(softphone.locator("#fact-analysed")).to_have_text("customer")
    await expect(softphone.locator("#customer-db")).to_have_text(re.compile(r"-\d+ dB"), timeout=PATIENCE_MS)
    await expect(softphone.locator("#verdicts li").first).to_be_visible(timeout=PATIENCE_MS)
    await softphone.get_by_role("button", name="Hang up").click()
    await state(softphone, "Ended")
    await expect(softphone.locator("#summary")).to_contain_text("all handed over")
    await expect(softphone.get_by_role("button", name="Start the call")).to_be_focused()


async def test_mute_hold_and_objection_have_buttons(softphone: Page, server: Server) -> None:
    await call(softphone, server)
    await state(softphone, "Live")
    await softphone.get_by_role("button", name="Mute").click()
    await expect(softphone.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    await expect(softphone.locator("#customer-db")).to_have_text("silent", timeout=PATIENCE_MS)
    await softphone.get_by_role("button", name="Hold").click()
    await state(softphone, "On hold: nothing is sent")
    await softphone.get_by_role("button", name="Hold").click()
    await state(softphone, "Live")
    await softphone.get_by_role("button", name="Customer objects").click()
    await state(softphone, "Objected: analysis has ended")
    await expect(softphone.locator("#summary")).to_contain_text("what was pending is removed")


async def test_hold_in_a_webrtc_call_is_seen_in_the_negotiation(softphone: Page, server: Server, voice: Path) -> None:
    await softphone.get_by_text("A recording", exact=True).click()
    await softphone.get_by_label("Recording of one person").set_input_files(voice)
    await call(softphone, server)
    await state(softphone, "Live")
    await softphone.get_by_role("button", name="Hold").click()
    await state(softphone, "On hold: nothing is sent")
    await softphone.get_by_role("button", name="Hold").click()
    await state(softphone, "Live")
    await softphone.get_by_role("button", name="Hang up").click()
    await state(softphone, "Ended")


async def test_a_refused_key_shows_the_reason(softphone: Page, tmp_path: Path) -> None:
    origin = softphone.url.removesuffix("/softphone/")
    async with serve(tmp_path, keys=[CRM], server__require_key=True, server__origins=[origin]) as server:
        await call(softphone, server, token="wrong")
        await state(softphone, "Failed")
        await expect(softphone.get_by_role("alert")).to_contain_text(
            "the token is not the secret of one of its [[keys]]"
        )
        await softphone.get_by_label("Key, where").fill("of-the-crm")
        await softphone.get_by_role("button", name="Start the call").click()
        await state(softphone, "Live")
        await softphone.get_by_role("button", name="Hang up").click()
        await state(softphone, "Ended")


async def test_a_recording_that_is_none_is_explained(softphone: Page, server: Server, tmp_path: Path) -> None:
    (tmp_path / "letter.wav").write_text("Dear Sir or Madam")
    await softphone.get_by_text("A recording", exact=True).click()
    await softphone.get_by_role("button", name="Start the call").click()
    await expect(softphone.get_by_role("alert")).to_have_text("Choose a recording first.")
    await softphone.get_by_label("Recording of one person").set_input_files(tmp_path / "letter.wav")
    await call(softphone, server)
    await expect(softphone.get_by_role("alert")).to_contain_text("cannot read this file", timeout=PATIENCE_MS)
    await state(softphone, "Failed")


async def test_the_key_is_kept_nowhere(softphone: Page, server: Server) -> None:
    await call(softphone, server, token="a-secret-of-the-desk")
    await state(softphone, "Failed")  # it is no key of this server
    stored = await softphone.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    assert "a-secret-of-the-desk" not in stored
    assert "a-secret-of-the-desk" not in await softphone.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
async def test_axe_finds_nothing_and_nothing_is_cut_off(
    softphone: Page, server: Server, scheme: str, width: int
) -> None:
    await softphone.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await softphone.set_viewport_size({"width": width, "height": 800})
    asked: list[str] = []
    softphone.on("request", lambda request: asked.append(request.url))
    await softphone.reload()
    idle = await Axe().run(softphone)
    await call(softphone, server)
    await expect(softphone.locator("#verdicts li").first).to_be_visible(timeout=PATIENCE_MS)
    live = await Axe().run(softphone)
    too_wide = await softphone.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    await softphone.get_by_role("button", name="Hang up").click()
    await state(softphone, "Ended")

    assert idle.response["violations"] == []
    assert live.response["violations"] == []
    assert not too_wide
    here = softphone.url.removesuffix("softphone/")
    assert all(one.startswith(here) for one in asked)
