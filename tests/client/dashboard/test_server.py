"""The dashboard as a whole: a real broker on one side, real HTTP on the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from streamer_client.broker import Broker
from streamer_client.dashboard.access import Served, Tokens
from streamer_client.dashboard.server import dashboard
from streamer_client.dashboard.times import rfc3339
from streamer_client.errors import BrokerError, ClientError
from streamer_client.events import AcknowledgementEvent
from streamer_client.subscribe import subscribe


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def call_of(snapshot: Any, call: str = "CA1") -> Any:
    return next((one for one in snapshot["calls"] if one["id"] == call), None)


async def test_a_call_is_on_the_page_from_its_first_event_to_its_summary(mosquitto: Any, make: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada:
        await ada.say(make.state(), make.utterance(1), make.alert())
        live = await ada.until(lambda seen: seen["alerts"] and seen["calls"][0]["parties"][0]["trace"])
        assert (live["broker"]["connected"], live["broker"]["reason"]) == (True, "")
        (call,) = live["calls"]
        assert (call["id"], call["status"], call["open_alerts"]) == ("CA1", "live", 1)
        assert call["parties"][0]["last"]["emotion"] == "angry"
        await ada.say(make.ended())
        await ada.clear()
        over = await ada.until(lambda seen: seen["calls"][0]["status"] == "ended")
        assert over["calls"][0]["ended_reason"] == "stop"
        detail = (await ada.http.get("/api/calls/default/CA1")).json()
        assert [row["id"] for row in detail["utterances"]] == ["default-CA1-customer-1"]
        assert detail["summary"]["speakers"][0]["talk_ms"] == 61_000


async def test_of_a_call_whose_party_objects_nothing_is_left_on_page_or_disk(
    mosquitto: Any, make: Any, desk: Any, tmp_path: Path
) -> None:
    state = tmp_path / "dashboard.sqlite"
    async with desk(mosquitto, state=state) as ada:
        await ada.say(make.state("OBJECTS"), make.utterance(1, call="OBJECTS"), make.alert("OBJECTS"))
        await ada.until(lambda seen: seen["alerts"] and call_of(seen, "OBJECTS"))
        snapshot = await ada.snapshot()
        told = ada.stream(snapshot["cursor"])
        await ada.clear("OBJECTS")
        async with contextlib.aclosing(told):
            async for _, event, data in told:
                if event == "gone":
                    assert data == {"tenant": "default", "id": "OBJECTS"}
                    break
        after = await ada.snapshot()
        assert (after["calls"], after["alerts"]) == ([], [])
        assert (await ada.http.get("/api/calls/default/OBJECTS")).status_code == 404
    left = on_disk(tmp_path)
    assert b"OBJECTS" in left  # its id, so that nothing of it comes back
    assert b"Listen in." not in left
    assert b"OBJECTS-alert" not in left


async def test_a_restart_misses_nothing_and_forgets_nothing(
    mosquitto: Any, make: Any, desk: Any, tmp_path: Path
) -> None:
    state = tmp_path / "dashboard.sqlite"
    async with desk(mosquitto, state=state) as ada:
        await ada.say(make.state(), make.utterance(1), make.alert(), make.alert("CA2"), make.acknowledgement("CA2"))
        before = await ada.until(lambda seen: len(seen["alerts"]) == 2 and seen["alerts"][1]["acknowledged"])
        say = ada.say
    assert state.stat().st_mode & 0o077 == 0
    await say(make.utterance(2), make.ended())  # while nobody is there
    async with desk(mosquitto, state=state) as ada:
        after = await ada.until(lambda seen: call_of(seen)["status"] == "ended")
        assert after["alerts"] == before["alerts"]
        assert len(call_of(after)["parties"][0]["trace"]) == 2
        assert after["cursor"] > before["cursor"]


async def test_after_a_restart_who_was_signed_in_still_is_unless_the_token_was_changed(
    mosquitto: Any, tmp_path: Path
) -> None:
    ada, ben, new = "the-token-of-ada", "the-token-of-ben", "a-new-token-of-ada"
    state = tmp_path / "dashboard.sqlite"
    cookies: dict[str, httpx.Cookies] = {}

    async def names(url: str) -> dict[str, int]:
        codes = {}
        for name, kept in cookies.items():
            async with httpx.AsyncClient(base_url=url, cookies=dict(kept.items())) as http:
                codes[name] = (await http.get("/api/me")).status_code
        return codes

    def run(tokens: dict[str, str], port: int = 0) -> Any:
        return dashboard(served=Served(port=port), broker=Broker(mosquitto.url), tokens=Tokens(tokens), state=state)

    async with run({ada: "Ada", ben: "Ben"}) as running:
        port = httpx.URL(running.url).port or 0
        for name, token in (("Ada", ada), ("Ben", ben)):
            async with httpx.AsyncClient(base_url=running.url) as http:
                await http.post("/api/login", json={"token": token})
                cookies[name] = http.cookies
    assert not any(cookie.encode() in on_disk(tmp_path) for kept in cookies.values() for cookie in kept.values())
    async with run({ada: "Ada", ben: "Ben"}, port) as running:
        assert await names(running.url) == {"Ada": 200, "Ben": 200}
    async with run({new: "Ada", ben: "Ben"}, port) as running:
        assert await names(running.url) == {"Ada": 401, "Ben": 200}


KILLED_BEFORE_IT_WROTE = """
import asyncio, sys, threading
from pathlib import Path
from streamer_client.broker import Broker
from streamer_client.dashboard.access import Served
from streamer_client.dashboard.server import dashboard
from streamer_client.dashboard.store import Store

def write(self, statements, *, scrub):
    print("about to write", len(statements), flush=True)
    threading.Event().wait()

async def main():
    async with dashboard(served=Served(port=0), broker=Broker(sys.argv[1]), state=Path(sys.argv[2])) as running:
        Store._write = write
        print("ready", flush=True)
        await running.wait()

asyncio.run(main())
"""


async def test_killed_between_receiving_an_event_and_writing_it_nothing_is_missed(
    mosquitto: Any, make: Any, desk: Any, tmp_path: Path
) -> None:
    state = tmp_path / "dashboard.sqlite"
    async with desk(mosquitto) as other:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED_BEFORE_IT_WROTE, mosquitto.url, str(state), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            await other.say(make.alert(), make.acknowledgement())
            assert (await process.stdout.readline()).startswith(b"about to write")
        finally:
            process.kill()
            await process.communicate()
    async with desk(mosquitto, state=state) as ada:
        seen = await ada.until(lambda seen: seen["alerts"] and seen["alerts"][0]["acknowledged"])
        assert [alert["id"] for alert in seen["alerts"]] == ["CA1-alert"]


async def test_a_broker_that_restarts_is_said_and_nothing_is_lost(mosquitto: Any, make: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada:
        await ada.say(make.state())
        before = await ada.until(call_of)
        await asyncio.to_thread(mosquitto.stop)
        away = await ada.until(lambda seen: not seen["broker"]["connected"])
        assert before["broker"]["since"] <= away["broker"]["since"] <= away["now"]
        assert "is it running there?" in away["broker"]["reason"] or away["broker"]["reason"]
        assert call_of(away)["status"] == "live"
        await asyncio.to_thread(mosquitto.start)
        await ada.until(lambda seen: seen["broker"]["connected"])
        await ada.say(make.utterance(1))
        await ada.until(lambda seen: call_of(seen)["parties"][0]["trace"])


async def test_an_acknowledgement_is_on_the_bus_before_it_is_answered_and_once(
    mosquitto: Any, make: Any, desk: Any
) -> None:
    heard: list[Any] = []
    async with desk(mosquitto) as ada, subscribe(mosquitto.url, kinds=["acknowledgement"]) as events:
        await ada.say(make.alert())
        await ada.until(lambda seen: seen["alerts"])
        answers = await asyncio.gather(
            *(ada.http.post("/api/alerts/CA1-alert/acknowledge", json={"note": "Called back."}) for _ in range(3))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json()["acknowledged"]["by"] for answer in answers} == {"Ada"}
        heard.append(await anext(aiter(events)))
        await ada.http.post("/api/logout", json={})
        await ada.http.post("/api/login", json={"token": "a-token-of-the-tests", "name": "Ben"})
        late = await ada.http.post("/api/alerts/CA1-alert/acknowledge", json={"note": "Me, too."})
        assert late.status_code == 409
        assert late.json()["acknowledged"]["by"] == "Ada"
        assert "Ada has acknowledged" in late.json()["error"]
        await ada.say(make.acknowledgement("LAST"))
        heard.append(await anext(aiter(events)))
    first, last = heard
    assert isinstance(first, AcknowledgementEvent)
    assert (first.data.by, first.data.note, first.data.alert) == ("Ada", "Called back.", "CA1-alert")
    assert last.data.call.id == "LAST"  # nothing was published between


async def test_an_acknowledgement_that_the_broker_does_not_get_is_refused_in_words(
    mosquitto: Any, make: Any, desk: Any
) -> None:
    async with desk(mosquitto) as ada:
        await ada.say(make.alert())
        await ada.until(lambda seen: seen["alerts"])
        await asyncio.to_thread(mosquitto.stop)
        answer = await ada.http.post("/api/alerts/CA1-alert/acknowledge", json={})
        assert answer.status_code == 503
        assert "not acknowledged: " in answer.json()["error"]
        assert (await ada.snapshot())["alerts"][0]["acknowledged"] is None


async def test_what_somebody_else_acknowledges_on_the_bus_shows(mosquitto: Any, make: Any, desk: Any) -> None:
    async with desk(mosquitto) as ada:
        await ada.say(make.alert(), make.acknowledgement())
        seen = await ada.until(lambda seen: seen["alerts"] and seen["alerts"][0]["acknowledged"])
        assert seen["alerts"][0]["acknowledged"]["by"] == "desk-2"
        assert seen["alerts"][0]["acknowledged"]["note"] == "Called back."


async def test_only_the_tenants_calls_are_shown(mosquitto: Any, make: Any, desk: Any) -> None:
    async with desk(mosquitto, tenant="acme") as ada:
        await ada.say(make.utterance(1, call="OTHER"), make.utterance(1, call="OURS", tenant="acme"))
        seen = await ada.until(lambda seen: seen["calls"])
        assert [call["id"] for call in seen["calls"]] == ["OURS"]
        assert (await ada.http.get("/api/me")).json()["tenant"] == "acme"


async def test_it_stops_although_pages_are_open_and_their_streams_end_as_they_should(mosquitto: Any) -> None:
    began = asyncio.Event()

    async def listen(http: httpx.AsyncClient) -> None:
        async with http.stream("GET", "/api/stream") as answer:
            async for _ in answer.aiter_bytes():
                began.set()
        # A stream that was cut off would have raised here.

    async with httpx.AsyncClient(timeout=60) as http:
        async with dashboard(served=Served(port=0), broker=Broker(mosquitto.url)) as running:
            http.base_url = httpx.URL(running.url)
            token = running.link.partition("#token=")[2]
            await http.post("/api/login", json={"token": token, "name": "Ada"})
            listening = asyncio.create_task(listen(http))
            await began.wait()
        await listening
        assert all(task.done() for task in running.tasks)


async def test_a_taken_port_is_one_clear_error(mosquitto: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ClientError, match=rf"port {port} of 127.0.0.1 is taken, .*; choose another with --port"):
            async with dashboard(served=Served(port=port), broker=Broker(mosquitto.url)):
                pass


@pytest.mark.parametrize(
    ("served", "words"),
    [
        (Served("0.0.0.0", 0), "tokens would pass in the clear; give --tls-cert"),
        (Served("nowhere.invalid", 0, behind_proxy=True), "cannot listen on nowhere.invalid:0"),
        (Served("192.0.2.1", 0, behind_proxy=True), "cannot listen on 192.0.2.1:0"),
        (Served(port=0, tls_cert_file="nowhere.pem"), "there is no file nowhere.pem"),
        (Served(port=0, tls_key_file="nowhere.pem"), "given without --tls-cert"),
        (Served(port=0, tls_cert_file=__file__), "both must be PEM"),
    ],
)
async def test_what_cannot_be_served_is_said_before_anything_begins(served: Served, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        async with dashboard(served=served):
            pass


async def test_a_broker_that_is_not_there_is_said_at_the_start_and_nothing_is_left_open(tmp_path: Path) -> None:
    state = tmp_path / "dashboard.sqlite"
    for _ in range(2):
        with pytest.raises(BrokerError, match="is it running there"):
            async with dashboard(served=Served(port=0), broker=Broker("mqtt://127.0.0.1:1"), state=state):
                pass
    with contextlib.closing(sqlite3.connect(state)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_two_dashboards_cannot_share_a_state(mosquitto: Any, desk: Any, tmp_path: Path) -> None:
    state = tmp_path / "dashboard.sqlite"
    async with desk(mosquitto, state=state):
        with pytest.raises(ClientError, match=r"another dashboard has .* open"):
            async with dashboard(served=Served(port=0), broker=Broker(mosquitto.url), state=state):
                pass


async def test_the_link_that_is_printed_signs_in(mosquitto: Any) -> None:
    async with dashboard(served=Served(port=0), broker=Broker(mosquitto.url)) as running:
        url, _, token = running.link.partition("#token=")
        assert url == running.url
        assert len(token) >= 32
        async with httpx.AsyncClient(base_url=url) as http:
            answer = await http.post("/api/login", json={"token": token, "name": "Ada"})
            assert answer.json()["name"] == "Ada"
    async with dashboard(
        served=Served(port=0), broker=Broker(mosquitto.url), tokens=Tokens({"some-own-token-123": ""})
    ) as running:
        assert "token" not in running.link  # it is the person's, and stands in no log


async def test_over_tls_the_cookie_is_for_tls_only(mosquitto: Any, tmp_path: Path, find_program: Any) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    await asyncio.to_thread(
        subprocess.run,
        [find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    served = Served(port=0, tls_cert_file=str(cert), tls_key_file=str(key))
    async with dashboard(served=served, broker=Broker(mosquitto.url)) as running:
        assert running.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=cert)
        async with httpx.AsyncClient(base_url=running.url, verify=trusting) as http:
            token = running.link.partition("#token=")[2]
            answer = await http.post("/api/login", json={"token": token, "name": "Ada"})
            assert "; Secure" in answer.headers["set-cookie"]
            assert (await http.get("/api/me")).status_code == 200


async def test_the_extra_that_is_missing_is_named(mosquitto: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "streamer_client.dashboard.web", raising=False)
    with pytest.raises(ClientError, match=r"pip install 'emotion-streamer-client\[dashboard\]'"):
        async with dashboard(served=Served(port=0), broker=Broker(mosquitto.url)):
            pass


async def test_another_tenant_than_in_the_run_before_shows_nothing_of_the_others(
    mosquitto: Any, make: Any, desk: Any, tmp_path: Path
) -> None:
    state = tmp_path / "dashboard.sqlite"
    async with desk(mosquitto, state=state) as everybody:
        await everybody.say(make.utterance(1, call="OLD", tenant="other"))
        await everybody.until(lambda seen: call_of(seen, "OLD"))
    await everybody.say(make.utterance(1, call="AWAY", tenant="other"))  # the broker keeps it for the session
    async with desk(mosquitto, state=state, tenant="acme") as acme:
        ours = msgspec.structs.replace(make.utterance(1, call="OURS", tenant="acme"), time=rfc3339(time.time()))
        await acme.say(make.utterance(1, call="NEW", tenant="other"), ours)
        seen = await acme.until(lambda seen: call_of(seen, "OURS"))
        assert [call["id"] for call in seen["calls"]] == ["OURS"]
        assert seen["today"]["calls"] == 1
