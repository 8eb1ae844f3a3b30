"""The adapters with the libraries themselves: two softphones of SIP.js, and of JsSIP, call each other in one page.

SIP is real, its transport is the page's memory; media is real WebRTC. Skipped without `npm ci` in clients/web. What no
test here sees: a SIP server between the two, its transfers (REFER), and ICE by way of TURN.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from streamer.server import Server
from tests.browser import chromium, needs_chromium
from tests.nodes import url
from tests.web.sites import WEB, site

MODULES = WEB / "node_modules"
needs_modules = pytest.mark.skipif(
    not (MODULES / "sip.js").is_dir() or not (MODULES / "jssip").is_dir(), reason="needs: cd clients/web && npm ci"
)
pytestmark = needs_modules

SCENE = """async ([make, adapter, url]) => {
    const { [make]: makeCall } = await import("/sips.js");
    const { [adapter]: tapSession } = await import("/tap/index.js");
    const call = await makeCall(lab.tone(300, 0.5), lab.tone(400, 0.1));
    const notes = { states: [], errors: [], levels: null };
    const waits = new Set();
    const look = () => waits.forEach((wait) => wait.test() && wait.resolve(waits.delete(wait)));
    const until = (test) => new Promise((resolve) => (waits.add({ test, resolve }), look()));
    let tap = null;
    const tapped = tapSession(call.session, {
        url, callId: "sip-1", onEvent: () => undefined, onTap: (begun) => (tap = begun),
        onState: (state) => (notes.states.push(state), look()),
        onError: (error) => notes.errors.push(error.code),
        onLevels: (levels) => ((notes.levels = levels), look()),
    });
    const beforeAnswer = tapped.tap;
    await call.answer();
    await until(() => notes.states.at(-1) === "live");
    await until(() => notes.levels?.customer > -20 && notes.levels.agent > -40 && notes.levels.agent < -20);

    const connection = call.session.connection ?? call.session.sessionDescriptionHandler.peerConnection;
    const sender = connection.getSenders().find(({ track }) => track?.kind === "audio");
    await sender.replaceTrack(lab.tone(500, 0.5).getAudioTracks()[0]);
    await until(() => notes.levels.agent > -20);

    tap.pause("card number");
    await call.hold(true);
    await until(() => notes.states.at(-1) === "held");
    tap.resume("card number");
    const heldStill = tap.state;
    await call.hold(false);
    await until(() => notes.states.at(-1) === "live");

    await call.hangUp();
    await until(() => notes.states.at(-1) === "ended");
    await call.close();
    return { beforeAnswer, heldStill, states: notes.states, errors: notes.errors };
}"""


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Page]:
    """A page beside the libraries, in which CommonJS can be read."""
    async with chromium("--autoplay-policy=no-user-gesture-required") as browser:
        with site(tmp_path, Path(__file__).parent, WEB) as at:
            context = await browser.new_context(bypass_csp=True)
            page = await context.new_page()
            page.set_default_timeout(60_000)
            await page.goto(f"{at}/blank.html")
            await page.evaluate("import('/lab.js').then((lab) => { globalThis.lab = lab; })")
            yield page
            await context.close()


@needs_chromium
@pytest.mark.parametrize(("make", "adapter"), [("sipJsCall", "tapSipJs"), ("jsSipCall", "tapJsSip")])
async def test_a_session_is_tapped_from_its_answer_to_its_end(
    desk: Page, server: Server, make: str, adapter: str
) -> None:
    """Nothing before the answer; a changed microphone, a hold and its end are followed; a pause of one's own stays."""
    said: dict[str, Any] = await desk.evaluate(SCENE, [make, adapter, url(server)])
    assert said["beforeAnswer"] is None
    assert said["heldStill"] == "held"
    assert said["states"] == ["live", "held", "live", "stopping", "ended"]
    assert said["errors"] == []


def test_the_libraries_own_types_fit_the_adapters(tmp_path: Path) -> None:
    """Whoever writes TypeScript hands over a session as it is."""
    (tmp_path / "fits.ts").write_text(
        f"""
        import type {{ Session }} from "{MODULES}/sip.js/lib/api/session.js";
        import type {{ RTCSession }} from "{MODULES}/jssip/lib/RTCSession.js";
        import {{ tapJsSip, tapSipJs, type PeerOptions }} from "{WEB}/src/tap/index.js";
        declare const options: PeerOptions;
        export const one = (session: Session) => tapSipJs(session, options);
        export const other = (session: RTCSession) => tapJsSip(session, options);
        """,
        encoding="utf-8",
    )
    config = {
        "extends": str(WEB / "tsconfig.json"),
        "compilerOptions": {"noEmit": True, "rootDir": "/", "skipLibCheck": True},
        "include": [str(tmp_path / "fits.ts")],
        "exclude": [],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [MODULES / ".bin/tsc", "-p", tmp_path], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0
