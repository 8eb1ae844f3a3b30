"""The dashboard in a real browser, with the real server of it behind, a real broker and real events: what a supervisor
sees, and what reaches the bus when one takes an alert.

The strict Content-Security-Policy of the server holds in all of them; whatever the browser complains of fails the test.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import aiomqtt
import msgspec
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Route, expect
from streamer_client.broker import Broker as Where
from streamer_client.dashboard.access import Served, one_token
from streamer_client.dashboard.server import dashboard
from streamer_client.events import (
    AcknowledgementEvent,
    CallRef,
    Emotion,
    Event,
    Speaker,
    UtteranceEvent,
    decode,
    encode,
)
from streamer_client.replay import replay

from streamer.server import Server
from tests.browser import chromium, needs_chromium
from tests.conftest import Broker
from tests.nodes import serve, url
from tests.web.sites import ROOT
from tools.made_floor import MadeCall, floor, node_online, topic_of

pytestmark = needs_chromium

TOKEN: Final = "a-token-for-tests-only"
PATIENCE_MS: Final = 30_000
"""Only how long a broken test hangs."""
MARKUP: Final = "<img src=x onerror=document.title='broken'><b>x</b>"

expect.set_options(timeout=PATIENCE_MS)


class Floor:
    """A broker, the dashboard's server, and somebody who publishes what calls say."""

    def __init__(self, broker: Broker, state: Path) -> None:
        self.broker = broker
        self._state = state
        self._running: AsyncExitStack | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        self._running = AsyncExitStack()
        running = await self._running.enter_async_context(
            dashboard(
                served=Served(port=self.port),
                broker=Where(self.broker.url),
                tokens=one_token(TOKEN),
                state=self._state,
            )
        )
        self.port = int(re.findall(r":(\d+)/", running.url)[0])

    async def stop(self) -> None:
        if self._running is not None:
            await self._running.aclose()
            self._running = None

    async def publish(self, *events: Event) -> None:
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            for event in events:
                retained = topic_of(event).endswith(("/state", "/status"))
                await client.publish(topic_of(event), encode(event), qos=1, retain=retained)


@pytest_asyncio.fixture
async def on_floor(mosquitto: Broker, tmp_path: Path) -> AsyncIterator[Floor]:
    made = Floor(mosquitto, tmp_path / "dashboard.sqlite")
    await made.start()
    await made.publish(node_online(time.time() - 60))
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


def call(name: str = "CA1", **labels: str) -> MadeCall:
    """A call that began a minute ago."""
    return MadeCall(CallRef(id=name, labels=labels), "calm", time.time() - 60, Random(1))


def says(speaker: MadeCall, top: str, confidence: float = 0.8, *, uncertain: bool = False) -> UtteranceEvent:
    """The next utterance, with this verdict."""
    event = speaker.speak()
    rest = round((1 - confidence) / 5, 3)
    scores = dict.fromkeys(event.data.emotion.scores, rest) | {top: confidence}
    verdict = Emotion(top=top, confidence=confidence, uncertain=uncertain, scores=scores)
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, emotion=verdict))


@asynccontextmanager
async def opened(
    browser: Browser, at: Floor, address: str = "", name: str = "Maria", **context: Any
) -> AsyncIterator[Page]:
    """A page of a person of its own who has signed in; complaints of the browser fail the test."""
    view = await browser.new_context(**context)
    page = await view.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda line: (
            complaints.append(line.text) if line.type == "error" and "status of 401" not in line.text else None
        ),
    )
    await page.goto(at.url + address)
    if name:
        await page.get_by_label("Your name or desk").fill(name)
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#link-text")).to_have_text("Live")
    yield page
    # a server that is stopped on purpose is no fault of the page
    assert [text for text in complaints if "ERR_CONNECTION" not in text and "INCOMPLETE_CHUNKED" not in text] == []
    await view.close()


async def findings(page: Page) -> list[str]:
    """What axe calls serious or critical."""
    found = await Axe().run(page)
    return [
        f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found.response["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


async def is_too_wide(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


async def test_nobody_sees_anything_without_the_token(browser: Browser, on_floor: Floor) -> None:
    await on_floor.publish(call("CA-secret").state())
    async with opened(browser, on_floor, name="") as page:
        await page.get_by_label("Your name or desk").fill("Maria")
        await page.get_by_label("Token").fill("not-the-right-token")
        await page.get_by_role("button", name="Log in").click()

        await expect(page.locator("#login-error")).to_contain_text("token")
        await expect(page.locator("#top")).to_be_hidden()
        assert "CA-secret" not in await page.content()


async def test_a_link_with_the_token_signs_in_and_leaves_no_token_in_the_address(
    browser: Browser, on_floor: Floor
) -> None:
    async with opened(browser, on_floor, f"#token={TOKEN}", name="") as page:
        # the token is shared, so a name is asked for; the next time this browser knows it
        await page.get_by_label("Your name or desk").fill("Maria")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#link-text")).to_have_text("Live")
        assert TOKEN not in page.url

        await page.get_by_role("button", name="Log out").click()
        await expect(page.locator("#login-form")).to_be_visible()
        await page.goto("about:blank")
        await page.goto(f"{on_floor.url}#token={TOKEN}")

        await expect(page.locator("#link-text")).to_have_text("Live")
        assert TOKEN not in page.url
        assert TOKEN not in await page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")


async def test_calls_show_live_with_each_partys_emotion_in_shape_letter_and_word(
    browser: Browser, on_floor: Floor
) -> None:
    one = call(queue="billing")
    async with opened(browser, on_floor) as page:
        await expect(page.locator("#calls-none")).to_be_visible()

        await on_floor.publish(one.state(), says(one, "neutral"), says(one, "angry", 0.81))

        row = page.get_by_role("listitem").filter(has_text="CA1")
        await expect(row.locator(".lane:not(.off) .now")).to_contain_text("angry")
        await expect(row.locator(".lane:not(.off) .now")).to_contain_text("81 %")
        await expect(row).to_contain_text("billing")
        await expect(row).to_contain_text("Agent not analysed")
        glyphs = row.locator(".lane:not(.off) .slot:not(.none) use")
        assert [await glyph.get_attribute("href") for glyph in await glyphs.all()] == ["#glyph-neutral", "#glyph-angry"]

        await on_floor.publish(says(one, "sad", 0.4, uncertain=True))
        await expect(row.locator(".lane:not(.off) .now")).to_contain_text("uncertain")
        await expect(row.locator(".lane:not(.off) .now use")).to_have_attribute("href", "#glyph-sad-u")

        await on_floor.publish(one.ended())
        await expect(row.locator(".time")).to_contain_text("ended")


async def test_an_alert_is_taken_by_keyboard_and_everybody_sees_who_took_it(browser: Browser, on_floor: Floor) -> None:
    one = call()
    async with (
        opened(browser, on_floor) as page,
        opened(browser, on_floor, name="Desk 2") as other,
        aiomqtt.Client("127.0.0.1", on_floor.broker.port) as bus,
    ):
        await bus.subscribe("emotion/v1/+/acknowledgements", qos=1)
        behind = [says(one, "angry"), says(one, "angry")]
        await on_floor.publish(one.state(), *behind, one.alert("angry-customer", behind))

        await expect(page).to_have_title("(1) Calls · Emotion Streamer")
        await expect(page.locator("#say")).to_contain_text("warning alert, angry customer, call CA1")
        assert "neutral" not in (await page.locator("#say").text_content() or "")

        await page.keyboard.press("a")
        await expect(page.get_by_role("button", name="Take it: warning alert")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.type("Called back.")
        await page.keyboard.press("Enter")

        async for message in bus.messages:
            event = decode(bytes(message.payload))
            assert isinstance(event, AcknowledgementEvent)
            assert (event.data.by, event.data.note) == ("Maria", "Called back.")
            break
        for seen in (page, other):
            await expect(seen).to_have_title("Calls · Emotion Streamer")
            await seen.locator("#alerts-done summary").click()
            await expect(seen.locator("#alerts-taken")).to_contain_text("Taken by Maria at")
            await expect(seen.locator("#alerts-taken")).to_contain_text("Called back.")


async def test_what_a_person_types_survives_what_comes_meanwhile(browser: Browser, on_floor: Floor) -> None:
    one, worse = call(), call("CA2")
    behind, distressed = [says(one, "angry")], [says(worse, "fear")]
    async with opened(browser, on_floor) as page:
        await on_floor.publish(one.state(), *behind, one.alert("angry-customer", behind))
        await page.get_by_role("button", name="Take it").click()
        await page.keyboard.type("Half a no")

        await on_floor.publish(worse.state(), *distressed, worse.alert("distressed-customer", distressed))
        await expect(page.locator("#alerts-open > .alert")).to_have_count(2)
        await page.keyboard.type("te")

        await expect(page.locator("#alerts-open textarea:focus")).to_have_value("Half a note")


async def test_a_calls_page_shows_its_utterances_on_the_media_clock_and_in_a_table(
    browser: Browser, on_floor: Floor
) -> None:
    one = call()
    heard = [says(one, "neutral", 0.7), says(one, "angry", 0.9), says(one, "fear", 0.4, uncertain=True)]
    await on_floor.publish(one.state(), *heard, one.alert("escalation", heard[:2]))
    async with opened(browser, on_floor) as page:
        await page.get_by_role("link", name="CA1").last.click()

        blocks = page.locator(".timeline .block")
        await expect(blocks).to_have_count(3)
        widths = [await block.locator(".bar-block").get_attribute("width") for block in await blocks.all()]
        lasted = [event.data.utterance.end_ms - event.data.utterance.start_ms for event in heard]
        scale = float(widths[0] or 0) / lasted[0]
        assert [float(width or 0) for width in widths] == pytest.approx([ms * scale for ms in lasted], rel=0.02)
        await expect(blocks.nth(2).locator(".bar-block")).to_have_attribute("fill", "url(#hatch-fear)")
        await expect(page.locator(".timeline .mark")).to_have_count(1)
        await expect(page.locator(".timeline")).to_contain_text("Agent not analysed")

        await page.locator(".timeline .block[tabindex='0']").focus()
        await page.keyboard.press("ArrowLeft")
        await expect(blocks.nth(1)).to_be_focused()
        await expect(page.locator("#chosen")).to_contain_text("Angry 90 %")
        await expect(page.locator(".utterances tbody tr")).to_have_count(3)

        await on_floor.publish(says(one, "happy"), one.ended())
        await expect(page.locator(".utterances tbody tr")).to_have_count(4)
        await expect(blocks.nth(1)).to_be_focused()
        await expect(page.get_by_role("region", name="Who spoke for how long")).to_contain_text("Both at once")
        await expect(page.locator(".status")).to_contain_text("hung up")


async def test_an_agent_is_shown_only_where_the_events_say_that_it_is_analysed(
    browser: Browser, on_floor: Floor
) -> None:
    one = call()
    state, heard = one.state(), says(one, "happy")
    both = msgspec.structs.replace(state.data, analysed=("customer", "agent"), lawful_basis="consent of staff")
    agents = msgspec.structs.replace(heard.data, speaker=Speaker(role="agent", channel=1))
    await on_floor.publish(
        msgspec.structs.replace(state, data=both), msgspec.structs.replace(heard, id="of-the-agent", data=agents)
    )
    for width in (1440, 360):
        async with opened(browser, on_floor, viewport={"width": width, "height": 800}) as page:
            lanes = page.locator(".call .lane")
            await expect(lanes.nth(0)).to_contain_text("nothing said yet")
            await expect(lanes.nth(1).locator(".role")).to_have_text("Agent")
            await expect(lanes.nth(1).locator(".role")).to_be_visible()
            await expect(lanes.nth(1)).to_contain_text("happy")
            assert not await is_too_wide(page)
            await page.locator(".call .call-id").click()
            await expect(page.locator(".facts")).to_contain_text("Lawful basis stated: consent of staff")


async def test_rows_stand_in_the_page_in_the_order_in_which_they_are_seen(browser: Browser, on_floor: Floor) -> None:
    calls = [call(f"CA-{number}") for number in range(8)]
    await on_floor.publish(*(event for one in calls for event in (one.state(), says(one, "neutral"))))
    async with opened(browser, on_floor) as page:
        rows = page.locator("#calls-list .call")
        await expect(rows).to_have_count(8)
        for one in reversed(calls):
            behind = [says(one, "angry", 0.5 + 0.05 * int(one.ref.id[-1]))]
            await on_floor.publish(*behind, one.alert("angry-customer", behind))
        await expect(page).to_have_title(re.compile(r"^\(8\)"))
        await expect(rows.first).to_contain_text("CA-7")
        tops = [(await row.bounding_box() or {"y": -1.0})["y"] for row in await rows.all()]
        assert tops == sorted(tops)


async def test_a_call_whose_party_objects_is_gone_from_every_view(browser: Browser, on_floor: Floor) -> None:
    one = call()
    behind = [says(one, "angry")]
    await on_floor.publish(one.state(), *behind, one.alert("angry-customer", behind))
    async with opened(browser, on_floor, "#/calls/default/CA1") as page, opened(browser, on_floor, name="D") as other:
        await expect(page.locator(".timeline .block")).to_have_count(1)

        withdrawn = one.ended()
        await on_floor.publish(
            msgspec.structs.replace(withdrawn, data=msgspec.structs.replace(withdrawn.data, reason="withdrawn"))
        )

        await expect(page.locator("#call-title")).to_have_text("This call is not here")
        await expect(other.locator("#calls-none")).to_be_visible()
        await expect(other).to_have_title("Calls · Emotion Streamer")


async def test_markup_in_events_and_notes_is_text(browser: Browser, on_floor: Floor) -> None:
    one = call(MARKUP.replace("/", ""), label=MARKUP)
    heard = says(one, "angry")
    made = one.alert("angry-customer", [heard])
    alert = msgspec.structs.replace(made, data=msgspec.structs.replace(made.data, message=MARKUP, rule=MARKUP))
    state, topic = one.state(), f"emotion/v1/default/calls/{one.ref.id}/"
    async with opened(browser, on_floor) as page:
        async with aiomqtt.Client("127.0.0.1", on_floor.broker.port) as client:
            await client.publish(f"{topic}state", encode(state), qos=1, retain=True)
            await client.publish(f"{topic}customer/utterance", encode(heard), qos=1)
            await client.publish("emotion/v1/default/alerts/warning", encode(alert), qos=1)
        await page.get_by_role("button", name="Take it").click()
        await page.keyboard.type(MARKUP)
        await page.keyboard.press("Enter")
        await page.locator("#alerts-done summary").click()
        await expect(page.locator("#alerts-taken")).to_contain_text(MARKUP)
        await expect(page.locator(".call .about")).to_have_text(MARKUP)
        assert await page.locator("main :is(b, img)").filter(has_text="x").count() == 0
        await page.locator(".call .call-id").click()
        await expect(page.locator("#call-title")).to_have_text(one.ref.id)
        await expect(page.locator("#call .alert-message")).to_have_text(MARKUP)
        assert await page.locator("img[src=x]").count() == 0
        assert await page.title() == "Calls · Emotion Streamer"


async def test_the_filter_and_the_order_find_the_call(browser: Browser, on_floor: Floor) -> None:
    calm, angry = call("CA-calm", queue="moving"), call("CA-angry", queue="billing")
    await on_floor.publish(calm.state(), says(calm, "happy"), angry.state(), says(angry, "angry"))
    async with opened(browser, on_floor) as page:
        rows = page.locator("#calls-list .call")
        await expect(rows.filter(has_text="CA-angry")).to_have_attribute("aria-posinset", "1")

        await page.keyboard.press("/")
        await page.keyboard.type("moving happy")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("CA-calm")
        await page.locator("#calls-list").get_by_role("link").focus()
        await page.keyboard.press("Escape")
        await expect(rows).to_have_count(2)

        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("k")
        await page.keyboard.press("Enter")
        await expect(page.locator("#call-title")).to_contain_text("CA-")


async def test_a_dashboard_that_is_gone_is_said_and_found_again(browser: Browser, on_floor: Floor) -> None:
    one = call()
    await on_floor.publish(one.state(), says(one, "happy"))
    async with opened(browser, on_floor) as page:
        await expect(page.locator("#calls-list .call")).to_have_count(1)

        await on_floor.stop()
        await expect(page.locator("#link-text")).to_have_text("Not live")
        await expect(page.locator(".banner")).to_contain_text("server does not answer")
        await expect(page.locator(".banner")).to_contain_text("Since ")

        await on_floor.start()
        # nobody has to log in again: a screen on a wall has no keyboard
        await expect(page.locator("#link-text")).to_have_text("Live")
        await expect(page.locator("#calls-list .call")).to_have_count(1)
        await expect(page.locator(".banner")).to_have_count(0)


async def test_a_broker_that_is_gone_is_said_with_since_when(browser: Browser, on_floor: Floor) -> None:
    async with opened(browser, on_floor) as page:
        await asyncio.to_thread(on_floor.broker.stop)
        await expect(page.locator(".banner")).to_contain_text("no connection to the broker")
        await expect(page.locator(".banner")).to_contain_text("as it was then")
        await expect(page.locator("#link-text")).to_have_text("Not live")

        async def two_hours_earlier(route: Route) -> None:
            answer = await route.fetch()
            seen = await answer.json()
            since = datetime.fromisoformat(seen["broker"]["since"]) - timedelta(hours=2)
            await route.fulfill(
                response=answer, json={**seen, "broker": {**seen["broker"], "since": since.isoformat()}}
            )

        # who opens the page later is told since when it really is, not since it was opened
        await page.route("**/api/snapshot", two_hours_earlier)
        await page.reload()
        await expect(page.locator(".banner")).to_contain_text("2 h ago")

        await asyncio.to_thread(on_floor.broker.start)
        await expect(page.locator(".banner")).to_have_count(0)
        await expect(page.locator("#link-text")).to_have_text("Live")


VIEWS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
}


@pytest.mark.parametrize("view", VIEWS)
async def test_no_view_has_a_serious_finding_of_accessibility_nor_a_width_to_scroll(
    browser: Browser, on_floor: Floor, view: str
) -> None:
    await on_floor.publish(*floor(time.time(), live=12, over=20, hours=1))
    async with opened(browser, on_floor, name="", **VIEWS[view]) as page:
        assert await findings(page) == []
        await page.get_by_label("Your name or desk").fill("Maria")
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator(".call").first).to_be_visible()
        of_call = await page.locator(".alert a, .call-id").first.get_attribute("href")
        for address, shown in (("#/", ".call"), ("#/today", "#today .figure"), (of_call, ".timeline .block")):
            await page.evaluate("address => { location.hash = address; }", address)
            await expect(page.locator(shown).first).to_be_visible()
            assert await findings(page) == [], address
            assert not await is_too_wide(page), address
        if view != "phone":
            await page.keyboard.press("?")
            await expect(page.locator("#help")).to_be_visible()
            assert await findings(page) == [], "help"


async def test_a_wall_shows_the_most_urgent_in_large_type_without_scrolling(browser: Browser, on_floor: Floor) -> None:
    await on_floor.publish(*floor(time.time(), live=40, over=0))
    screen = {"width": 1920, "height": 1080}
    async with opened(browser, on_floor, "?wall", viewport=screen) as page:
        await expect(page.locator("#calls-rest")).to_contain_text("more calls")
        size = await page.locator(".call-id").first.evaluate(
            "element => parseFloat(getComputedStyle(element).fontSize)"
        )
        assert size >= 28
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        assert not await is_too_wide(page)
        await expect(page.locator("#foot")).to_be_in_viewport()

        await page.keyboard.press("w")
        assert "wall" not in page.url
        await expect(page.locator("#filter")).to_be_visible()


async def test_colours_are_the_systems_until_a_person_chooses(browser: Browser, on_floor: Floor) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    async with opened(browser, on_floor, color_scheme="dark") as page:
        dark = await page.evaluate(ground)
        await page.keyboard.press("d")
        light = await page.evaluate(ground)
        assert light != dark
        await page.reload()
        assert await page.evaluate(ground) == light


async def test_the_page_asks_nobody_but_its_own_server(browser: Browser, on_floor: Floor) -> None:
    view = await browser.new_context()
    page = await view.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(on_floor.url)
    await expect(page.locator("#login-form")).to_be_visible()
    assert asked
    assert [url for url in asked if not url.startswith(on_floor.url)] == []
    await view.close()


async def test_a_thousand_calls_are_a_screenful_of_elements(browser: Browser, on_floor: Floor) -> None:
    calls = [call(f"CA-{number:04}") for number in range(1000)]
    await on_floor.publish(*(event for one in calls for event in (one.state(), says(one, "neutral"))))
    async with opened(browser, on_floor) as page:
        await expect(page.locator("#calls-count")).to_have_text("1000 live")
        assert await page.locator("#calls-list .call").count() < 60

        await page.keyboard.press("/")
        await page.keyboard.type("CA-0777")
        await expect(page.locator("#calls-list .call")).to_have_count(1)


async def test_a_replayed_call_reaches_the_page_through_the_real_server_and_its_model(
    browser: Browser, on_floor: Floor, tmp_path: Path
) -> None:
    async with serve(tmp_path, mqtt__url=on_floor.broker.url) as node, opened(browser, on_floor) as page:
        await replay_demo(node)
        row = page.locator("#calls-list .call").filter(has_text="shown")
        await expect(row.locator(".time")).to_contain_text("ended 0:58")
        await expect(row.locator(".lane:not(.off) .slot:not(.none)")).to_have_count(7)
        await row.locator(".call-id").click()
        await expect(page.locator(".utterances tbody tr")).to_have_count(7)
        await expect(page.locator("#call")).to_contain_text("Estimates of the model telephone")


async def replay_demo(node: Server) -> None:
    """Send the call of `streamer demo` as fast as it goes."""
    [done] = await replay([ROOT / "streamer/demo/call.flac"], to=url(node), call_id="shown", speed=None)
    assert done.error is None
