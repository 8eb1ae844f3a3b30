"""The tap in a real browser, against a real server with its model: what is said comes back as verdicts, and whatever
happens to the call or the network, every moment of it is accounted for, as audio or as gap."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import soundfile
from playwright.async_api import Page

from streamer.server import Server
from tests.browser import chromium, needs_chromium
from tests.nodes import CRM, serve, url
from tests.web.conftest import replayed
from tests.web.sites import ROOT, site, wire_to

pytestmark = needs_chromium

RATE_HZ = 16_000
SAY_IT_ALL = """async (url) => {
    const said = await lab.recording("/speech.wav");
    const t = lab.tapped({ remoteStream: said.stream, localStream: lab.tone(300), url });
    await t.tap.ready;
    said.play();
    await said.over;
    await t.blocks(10);
    const stopped = await t.tap.stop();
    const sent = lab.sockets.at(-1);
    return { stopped, notes: t.notes, sent, mediaMs: t.tap.mediaMs, rate: t.tap.sampleRate };
}"""


def verdicts(events: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """The number and the emotion of each utterance; a telephone's codec and another rate move a confidence a little."""
    return [(event["data"]["utterance"]["n"], event["data"]["emotion"]["top"]) for event in events]


def account(sent: list[dict[str, Any]]) -> tuple[int, list[float]]:
    """Frames of audio that one connection carried, and its gaps in ms."""
    gaps = [one["text"]["duration_ms"] for one in sent if one.get("text", {}).get("type") == "gap"]
    return sum(one.get("bytes", 0) for one in sent) // 4, gaps


def accounted_ms(sent: list[dict[str, Any]]) -> float:
    """Media time of one connection: audio and gaps."""
    frames, gaps = account(sent)
    return frames * 1000 / RATE_HZ + sum(gaps)


def words(sent: list[dict[str, Any]]) -> list[str]:
    """The control messages of one connection."""
    return [one["text"]["type"] for one in sent if "text" in one]


async def test_the_verdicts_of_a_tapped_call_are_those_of_the_same_recording_replayed(
    server: Server, page: Page, speech: Path
) -> None:
    samples, rate_hz = soundfile.read(speech, dtype="int16")
    expected = await replayed(server, samples, rate_hz)
    assert len(expected) == 3

    said = await page.evaluate(SAY_IT_ALL, url(server))

    assert verdicts(said["notes"]["events"]) == verdicts(expected)
    assert {event["data"]["speaker"]["role"] for event in said["notes"]["events"]} == {"customer"}
    assert said["stopped"] == {"utterances": 3, "confirmed": True}
    assert said["notes"]["states"] == ["live", "stopping", "ended"]
    assert said["notes"]["errors"] == []
    assert words(said["sent"]) == ["start", "stop"]
    assert accounted_ms(said["sent"]) == pytest.approx(said["mediaMs"])


async def test_customer_and_agent_go_out_on_channels_of_their_own(server: Server, page: Page) -> None:
    loudest = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300, 0), localStream: lab.tone(300, 0.5), url });
            await t.tap.ready;
            await t.blocks(5);
            await t.tap.stop();
            return lab.sockets[0].filter((one) => one.bytes).at(-2).loudest;
        }""",
        url(server),
    )
    assert loudest[0] == 0
    assert 15_000 < loudest[1] < 18_000


async def test_a_webrtc_call_of_two_peers_is_heard_through_its_codec(server: Server, page: Page, speech: Path) -> None:
    samples, rate_hz = soundfile.read(speech, dtype="int16")
    expected = await replayed(server, samples, rate_hz)

    said = await page.evaluate(
        """async (url) => {
            const said = await lab.recording("/speech.wav");
            const [caller, agent] = await lab.peers(said.stream, lab.tone(300));
            const t = lab.tapped({ connection: agent, url });
            await t.tap.ready;
            await t.blocks(25);  // Opus and its jitter buffer settle
            said.play();
            await said.over;
            await t.blocks(25);
            const stopped = await t.peer.stop();
            caller.close(), agent.close();
            return { stopped, notes: t.notes, sent: lab.sockets[0], mediaMs: t.tap.mediaMs };
        }""",
        url(server),
    )

    assert len(said["notes"]["events"]) == len(expected)
    sure = [
        (heard["data"]["emotion"]["top"], meant["data"]["emotion"]["top"])
        for heard, meant in zip(said["notes"]["events"], expected, strict=True)
        if not heard["data"]["emotion"]["uncertain"] and meant["data"]["emotion"]["confidence"] > 0.7
    ]
    assert sure
    assert all(heard == meant for heard, meant in sure)
    assert accounted_ms(said["sent"]) == pytest.approx(said["mediaMs"])


async def test_on_hold_nothing_leaves_the_browser_and_afterwards_the_time_is_told(server: Server, page: Page) -> None:
    said = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url });
            await t.tap.ready;
            await t.blocks(5);
            t.tap.pause();
            const before = lab.sockets[0].length;
            await t.blocks(20);
            const during = lab.sockets[0].slice(before).length;
            t.tap.resume();
            await t.blocks(5);
            const stopped = await t.tap.stop();
            return { during, states: t.notes.states, sent: lab.sockets[0], mediaMs: t.tap.mediaMs };
        }""",
        url(server),
    )
    assert said["during"] == 0
    assert words(said["sent"]) == ["start", "pause", "resume", "gap", "stop"]
    assert account(said["sent"])[1] == [800]
    assert accounted_ms(said["sent"]) == pytest.approx(said["mediaMs"])
    assert said["states"] == ["live", "held", "live", "stopping", "ended"]


async def test_a_pause_lasts_until_each_of_its_reasons_is_over(server: Server, page: Page) -> None:
    states = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300), url });
            await t.tap.ready;
            t.tap.pause("card number");
            t.tap.pause("hold");
            t.tap.resume("hold");
            const still = t.tap.state;
            t.tap.resume("card number");
            const after = t.tap.state;
            await t.tap.stop();
            return [still, after];
        }""",
        url(server),
    )
    assert states == ["held", "live"]


async def test_a_muted_microphone_is_silence_and_the_timeline_goes_on(server: Server, page: Page) -> None:
    said = await page.evaluate(
        """async (url) => {
            const local = lab.tone(300);
            const t = lab.tapped({ remoteStream: lab.tone(400), localStream: local, url });
            await t.tap.ready;
            await t.until(({ levels }) => levels?.agent > -20);
            local.getAudioTracks()[0].enabled = false;
            await t.until(({ levels }) => levels.agent === -100);
            const customer = t.notes.levels.customer;
            local.getAudioTracks()[0].enabled = true;
            await t.until(({ levels }) => levels.agent > -20);
            await t.tap.stop();
            return { customer, sent: lab.sockets[0], mediaMs: t.tap.mediaMs };
        }""",
        url(server),
    )
    assert said["customer"] > -20
    assert words(said["sent"]) == ["start", "stop"]
    assert accounted_ms(said["sent"]) == pytest.approx(said["mediaMs"])


async def test_another_microphone_and_another_remote_stream_go_on_in_one_timeline(server: Server, page: Page) -> None:
    said = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300, 0.5), localStream: lab.tone(300, 0.5), url });
            await t.tap.ready;
            await t.until(({ levels }) => levels?.agent > -20 && levels.customer > -20);
            t.tap.replaceLocal(lab.tone(500, 0.01));
            await t.until(({ levels }) => levels.agent < -35 && levels.agent > -60 && levels.customer > -20);
            t.tap.replaceRemote(lab.tone(500, 0.01));
            await t.until(({ levels }) => levels.customer < -35 && levels.customer > -60);
            let refused = "";
            try { t.tap.replaceRemote(new MediaStream()); } catch (error) { refused = error.code; }
            await t.tap.stop();
            return { refused, errors: t.notes.errors, sent: lab.sockets[0], mediaMs: t.tap.mediaMs };
        }""",
        url(server),
    )
    assert said["refused"] == "no_remote_audio"
    assert said["errors"] == []
    assert words(said["sent"]) == ["start", "stop"]
    assert accounted_ms(said["sent"]) == pytest.approx(said["mediaMs"])


async def test_audio_that_the_network_does_not_take_is_left_out_and_told_exactly(server: Server, page: Page) -> None:
    async with wire_to(server.port) as wire:
        at = f"ws://127.0.0.1:{wire.port}/v1/stream"
        await page.evaluate(
            """async (url) => {
                globalThis.t = lab.tapped({
                    remoteStream: lab.tone(300), localStream: lab.tone(300), url, sampleRate: 48000, mostBufferedS: 0.2,
                });
                await t.tap.ready;
            }""",
            at,
        )
        wire.clog()
        await page.evaluate("t.until(() => t.tap.leftOutMs > 400)")
        wire.clear()
        said = await page.evaluate(
            """async () => {
                const leftOutMs = t.tap.leftOutMs;
                await t.until(() => lab.account(lab.sockets[0], 48000).gaps.length > 0);
                const stopped = await t.tap.stop();
                return { stopped, leftOutMs, all: t.tap.leftOutMs, sent: lab.sockets[0], mediaMs: t.tap.mediaMs };
            }"""
        )
    frames, gaps = account(said["sent"])
    assert sum(gaps) == pytest.approx(said["all"])
    assert said["all"] >= said["leftOutMs"] > 400
    assert frames / 48 + sum(gaps) == pytest.approx(said["mediaMs"])
    assert said["stopped"]["confirmed"]


async def test_a_lost_connection_comes_back_within_the_call_and_the_missing_time_is_told(
    server: Server, page: Page
) -> None:
    async with wire_to(server.port) as wire:
        at = f"ws://127.0.0.1:{wire.port}/v1/stream"
        await page.evaluate(
            """async (url) => {
                globalThis.t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url, notice: true });
                await t.tap.ready;
                await t.blocks(20);
            }""",
            at,
        )
        wire.refuses = True
        wire.cut()
        await page.evaluate("t.until(({ errors }) => errors.length > 1)")  # the second try has failed, too
        wire.refuses = False
        said = await page.evaluate(
            """async () => {
                await t.until(({ states }) => states.at(-1) === "live");
                await t.blocks(5);
                const stopped = await t.tap.stop();
                const [first, last] = [lab.sockets[0], lab.sockets.at(-1)];
                return { stopped, notes: t.notes, first, last, mediaMs: t.tap.mediaMs };
            }"""
        )
    assert said["notes"]["states"] == ["live", "reconnecting", "live", "stopping", "ended"]
    assert {error["code"] for error in said["notes"]["errors"]} == {"lost"}
    assert not any(error["fatal"] for error in said["notes"]["errors"])
    first, last = (said[name][0]["text"] for name in ("first", "last"))
    assert first == last
    assert last["call_id"] == "softphone-1"
    assert words(said["last"])[:2] == ["start", "gap"]
    assert accounted_ms(said["last"]) == pytest.approx(said["mediaMs"])
    assert said["stopped"]["confirmed"]


async def test_a_hold_outlives_a_reconnect(server: Server, page: Page) -> None:
    async with wire_to(server.port) as wire:
        await page.evaluate(
            """async (url) => {
                globalThis.t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url });
                await t.tap.ready;
                t.tap.pause();
            }""",
            f"ws://127.0.0.1:{wire.port}/v1/stream",
        )
        wire.cut()
        said = await page.evaluate(
            """async () => {
                await t.until(({ states }) => states.includes("reconnecting") && states.at(-1) === "held");
                await t.tap.stop();
                return lab.sockets.at(-1);
            }"""
        )
    assert words(said) == ["start", "pause", "stop"]
    assert account(said) == (0, [])


async def test_an_objection_ends_the_tap_and_nothing_more_leaves(server: Server, page: Page) -> None:
    said = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url });
            await t.tap.ready;
            await t.blocks(5);
            const stopped = await t.tap.withdraw();
            return { stopped, states: t.notes.states, sent: lab.sockets[0] };
        }""",
        url(server),
    )
    assert said["stopped"] == {"utterances": 0, "confirmed": True}
    assert said["states"] == ["live", "stopping", "withdrawn"]
    assert [one.get("text", {}).get("type") for one in said["sent"]][-2:] == ["withdraw", "stop"]


async def test_a_notice_that_comes_later_is_told(server: Server, page: Page) -> None:
    said = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url });
            await t.tap.ready;
            t.tap.notice();
            t.tap.notice();
            await t.tap.stop();
            return lab.sockets[0];
        }""",
        url(server),
    )
    assert said[0]["text"]["notice"] is False
    # A browser whose sound begins late says so by a gap, and this call is over in a moment.
    assert [word for word in words(said) if word != "gap"] == ["start", "notice", "stop"]


TRY = """async ([url, token]) => {
    const t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url, token });
    await t.tap.ready.catch(() => undefined);
    const { states, errors } = t.notes;
    const stopped = await t.tap.stop();
    return { states, errors, stopped };
}"""


async def test_a_right_token_lets_in_and_a_wrong_one_is_explained(page: Page, tmp_path: Path) -> None:
    origin = page.url.removesuffix("/blank.html")
    async with serve(tmp_path, keys=[CRM], server__require_key=True, server__origins=[origin]) as server:
        wrong = await page.evaluate(TRY, [url(server), "not-of-the-crm"])
        right = await page.evaluate(TRY, [url(server), "of-the-crm"])

    assert wrong["states"] == ["failed"]
    assert [error["code"] for error in wrong["errors"]] == ["unreachable"]
    assert "the token is not the secret of one of its [[keys]]" in wrong["errors"][0]["message"]
    assert "not-of-the-crm" not in wrong["errors"][0]["message"]
    assert right["errors"] == []
    assert right["states"] == ["live", "stopping", "ended"]


async def test_a_refused_origin_is_explained(page: Page, tmp_path: Path) -> None:
    async with serve(tmp_path, server__origins=["https://softphone.example.com"]) as server:
        refused = await page.evaluate(TRY, [url(server), ""])
    assert [error["code"] for error in refused["errors"]] == ["unreachable"]
    origin = page.url.removesuffix("/blank.html")
    assert f"this page's origin {origin} is not in its server.origins" in refused["errors"][0]["message"]


async def test_what_the_server_refuses_in_words_is_shown_in_its_words(server: Server, page: Page) -> None:
    said = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url, callId: "" });
            await t.tap.ready.catch(() => undefined);
            return t.notes;
        }""",
        url(server),
    )
    assert said["states"] == ["failed"]
    assert [error["code"] for error in said["errors"]] == ["bad_start"]
    assert "call_id" in said["errors"][0]["message"]


async def test_what_cannot_work_is_said_before_anything_is_tried(page: Page) -> None:
    said = await page.evaluate(
        """async () => {
            const codes = [];
            for (const given of [
                { remoteStream: new MediaStream() },
                { url: "ftp://127.0.0.1/v1/stream" },
                { url: "ws://" },
                { token: "two words" },
                { workletUrl: "/nowhere.js" },
            ]) {
                const t = lab.tapped({ remoteStream: lab.tone(300), url: "ws://127.0.0.1:1/v1/stream", ...given });
                await t.until(({ states }) => states.at(-1) === "failed");
                codes.push(t.notes.errors[0].code);
            }
            return { codes, opened: lab.sockets.length };
        }"""
    )
    assert said["codes"] == ["no_remote_audio", "bad_url", "bad_url", "bad_token", "no_worklet"]
    assert said["opened"] == 0


async def test_mixed_content_is_explained(page: Page) -> None:
    said = await page.evaluate(
        """async () => {
            const { checkedUrl } = await import("/tap/errors.js");
            const told = (text) => { try { return checkedUrl(text, new URL("https://phone.example.com/")).href; }
                                     catch (error) { return error.code; } };
            return [told("ws://calls.example.com/v1/stream"), told("wss://calls.example.com/v1/stream"),
                    told("https://calls.example.com/v1/stream"), told("ws://localhost:8765/v1/stream")];
        }"""
    )
    calls = "wss://calls.example.com/v1/stream"
    assert said == ["mixed_content", calls, calls, "ws://localhost:8765/v1/stream"]


async def test_a_tap_that_is_stopped_at_once_ends(server: Server, page: Page) -> None:
    said = await page.evaluate(
        """async (url) => {
            const t = lab.tapped({ remoteStream: lab.tone(300), localStream: null, url });
            const stopped = await t.tap.stop();
            return { stopped, again: await t.tap.stop(), notes: t.notes,
                     ready: await t.tap.ready.then(() => "ready", (error) => error.code) };
        }""",
        url(server),
    )
    assert said["stopped"] == said["again"] == {"utterances": 0, "confirmed": False}
    assert said["notes"]["states"] == ["stopping", "ended"]
    assert said["ready"] == "stopped"


async def test_a_refused_microphone_is_explained(tmp_path: Path) -> None:
    async with chromium("--use-fake-ui-for-media-stream=deny") as browser:
        with site(tmp_path) as at:
            page = await browser.new_page()
            await page.goto(f"{at}/blank.html")
            said = await page.evaluate(
                """import("/tap/index.js").then(({ openMicrophone }) => openMicrophone())
                    .then(() => "opened", (error) => [error.name, error.code])"""
            )
    assert said == ["TapError", "microphone_refused"]


async def test_the_clock_accounts_for_every_frame_whatever_is_sent(page: Page) -> None:
    """However blocks are sent, dropped and lost with a connection, audio plus gaps is where the next block begins."""
    wrong = await page.evaluate(
        """async () => {
            const { MediaClock } = await import("/tap/clock.js");
            let seed = 1;
            const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
            for (let call = 0; call < 200; call++) {
                const clock = new MediaClock(16000);
                let here = 0;
                for (let block = 0; block < 100; block++) {
                    const frames = 1 + Math.floor(random() * 2000);
                    const begins = clock.advance(frames);
                    const chance = random();
                    if (chance < 0.1) (clock.forget(), (here = 0));
                    if (chance < 0.4) continue;
                    here += Math.round((clock.gapBeforeMs(begins) * 16000) / 1000);
                    if (here !== begins) return { call, block, here, begins };
                    clock.sent(frames);
                    here += frames;
                }
            }
            return null;
        }"""
    )
    assert wrong is None


async def test_another_try_is_made_where_it_may_help_and_later_each_time(page: Page) -> None:
    said = await page.evaluate(
        """async () => {
            const { isWorthAnother, delayS } = await import("/tap/backoff.js");
            const worth = (code, ever, error = null) => isWorthAnother({ code, error }, ever);
            return {
                never: [1006, 1008, 1009, 1011].map((code) => worth(code, false)),
                atOnce: [1001, 1012, 1013].map((code) => worth(code, false)),
                within: [1005, 1006, 1011].map((code) => worth(code, true)),
                final: [1000, 1008, 1009].map((code) => worth(code, true)),
                idle: worth(1008, true, "idle"),
                shortest: [1, 2, 3, 9].map((failures) => delayS(failures, 0)),
                longest: [1, 2, 3, 9].map((failures) => delayS(failures, 1)),
            };
        }"""
    )
    assert not any(said["never"])
    assert all(said["atOnce"])
    assert all(said["within"])
    assert not any(said["final"])
    assert said["idle"]
    assert said["shortest"] == [0.25, 0.5, 1, 7.5]
    assert said["longest"] == [0.5, 1, 2, 15]


async def test_the_snippet_of_the_guide_runs_as_it_stands(server: Server, page: Page) -> None:
    guide = (ROOT / "docs/softphone.md").read_text(encoding="utf-8")
    snippet = next(block for block in re.findall(r"```js\n(.*?)```", guide, re.DOTALL) if "await tap.stop()" in block)
    snippet = snippet.replace(
        'import { tapCall } from "/tap/index.js"', 'const { tapCall } = await import("/tap/index.js")'
    )
    snippet = snippet.replace("wss://calls.example.com/v1/stream", url(server))
    snippet = snippet.replace("// when the call is over", "await tap.ready;")
    snippet = snippet.replace('  token: "SecretOfThisPage",', "")  # it is none of this server's keys
    said = await page.evaluate(
        f"""async () => {{
            const [remoteStream, localStream] = [lab.tone(300), lab.tone(400)];
            {snippet}
            return {{ utterances, state: tap.state }};
        }}"""
    )
    assert said["state"] == "ended"
    assert isinstance(said["utterances"], int)
