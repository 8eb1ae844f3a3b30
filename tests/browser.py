"""A real Chromium without a window, for tests of the pages; where there is none, the test is skipped and says so.

The browser is the system's own (`apt-get install chromium`), never one that a test tool downloads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

_QUIET: Final = (  # it must look nowhere but where the test points
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
)


@asynccontextmanager
async def chromium(*flags: str, microphone: Path | None = None) -> AsyncIterator[Browser]:
    """Run a browser with a new, empty profile.

    Parameters
    ----------
    flags
        Further command line switches.
    microphone
        A WAV file that is what the microphone hears, from the moment it is opened, once; a tone if not given.
    """
    assert CHROMIUM is not None
    heard = (f"--use-file-for-fake-audio-capture={microphone}%noloop",) if microphone is not None else ()
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    devices = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*_QUIET, *root, *devices, *heard, *flags]
        )
        try:
            yield browser
        finally:
            await browser.close()
