"""Who may come in: decided before the upgrade, in words, without a secret in the log."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.conftest import Broker
from tests.end_to_end.hearing import listening
from tests.end_to_end.running import Node, streamer
from tests.end_to_end.sounds import Samples, linear
from tests.end_to_end.speaking import STOP, converse, native_call, start

KEYS = """
[[keys]]
id = "crm"
secret_file = "crm.key"
tenant = "acme"
dialects = ["native"]
[[keys]]
id = "pbx"
secret = "of-the-pbx:1"
dialects = ["jambonz"]
[[keys]]
id = "hook"
secret = "of-the-other-dialect"
dialects = ["twilio"]
"""


class Nodes(NamedTuple):
    """Two that listen on every address of this machine."""

    open: Node
    keyed: Node


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def nodes(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nodes]:
    folders = [tmp_path_factory.mktemp(name) for name in Nodes._fields]
    (folders[1] / "crm.key").write_text("of-the-crm\n", encoding="utf-8")
    configs = ["[server]\nopen = true\n", KEYS]
    started = Nodes(
        *(
            Node(folder, broker.url, config=config, flags=("--host", "0.0.0.0"), name=folder.name)
            for folder, config in zip(folders, configs, strict=True)
        )
    )
    try:
        await asyncio.gather(*(node.listening() for node in started))
        yield started
    finally:
        for node in started:
            node.close()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def refused(url: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Return status and text of a refusal."""
    with pytest.raises(InvalidStatus) as problem:
        await connect(url, additional_headers=headers)
    return problem.value.response.status_code, bytes(problem.value.response.body).decode()


async def test_on_loopback_no_key_is_needed(node: Node, sentence: Samples, call_id: str) -> None:
    assert (await native_call(node.url, sentence, call_id=call_id)).code == 1000


async def test_on_loopback_a_key_that_is_shown_must_be_right_all_the_same(node: Node) -> None:
    status, text = await refused(node.url, bearer("guessed"))
    assert status == 401
    assert "key" in text


@pytest.mark.parametrize(
    "flags", [("--host", "0.0.0.0"), ("--host", "::"), ("--host", "0"), ("--host", "")], ids=["v4", "v6", "0", "empty"]
)
def test_elsewhere_a_server_without_keys_does_not_start_and_says_so_in_one_line(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    ended = streamer("serve", "--port", "0", "--admin-port", "0", *flags, folder=tmp_path)
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if "server.host" in line]
    assert "[[keys]]" in line
    assert "server.open = true" in line


async def test_elsewhere_nobody_comes_in_without_a_key(nodes: Nodes) -> None:
    status, text = await refused(nodes.keyed.url)
    assert status == 401
    assert "Authorization: Bearer" in text
    assert (await refused(nodes.keyed.url, bearer("")))[0] == 401
    assert (await refused(nodes.keyed.twilio_url))[0] in {401, 403}


async def test_elsewhere_everybody_comes_in_where_the_server_is_declared_open(
    nodes: Nodes, sentence: Samples, call_id: str
) -> None:
    assert (await native_call(nodes.open.url, sentence, call_id=call_id)).code == 1000


async def test_a_key_opens_the_door_of_its_tenant(
    nodes: Nodes, broker: Broker, sentence: Samples, call_id: str
) -> None:
    async with listening(broker, call_id, tenant="acme") as bus:
        outcome = await converse(
            nodes.keyed.url, [start(call_id=call_id), linear(sentence), STOP], headers=bearer("of-the-crm")
        )
        await bus.ended()
    assert outcome.events == bus.events("utterance") != []


@pytest.mark.parametrize(
    "headers",
    [
        None,
        bearer("of-the-crm-"),
        bearer("of-the-cr"),
        bearer("of-the-other-dialect"),
        bearer("ändern"),
        {"Authorization": "Basic b2YtdGhlLWNybQ=="},
        {"Authorization": "of-the-crm"},
    ],
    ids=["none", "longer", "shorter", "of another dialect", "not ascii", "another scheme", "no scheme"],
)
async def test_any_other_key_is_refused_with_401_and_not_logged(nodes: Nodes, headers: dict[str, str] | None) -> None:
    status, _ = await refused(nodes.keyed.url, headers)
    await nodes.keyed.logged("connection refused")
    assert status == 401
    assert "of-the" not in nodes.keyed.text()
    assert "b2YtdGhl" not in nodes.keyed.text()


def basic(credentials: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


async def test_user_and_password_open_where_the_platform_sends_those(nodes: Nodes) -> None:
    url = f"ws://127.0.0.1:{nodes.keyed.port}/jambonz"
    async with connect(url, additional_headers=basic("pbx:of-the-pbx:1")):
        pass
    for wrong in ("pbx:of-the-pbx", "crm:of-the-pbx:1", "crm:of-the-crm", "pbx:", "of-the-pbx:1"):
        status, text = await refused(url, basic(wrong))
        assert status == 401
        assert "of-the" not in text
    assert (await refused(url))[0] == 401
    assert "of-the" not in nodes.keyed.text()


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://localhost"])
async def test_a_web_page_that_is_not_listed_stays_out_also_with_the_right_key(nodes: Nodes, origin: str) -> None:
    status, text = await refused(nodes.keyed.url, bearer("of-the-crm") | {"Origin": origin})
    assert status == 403
    assert "server.origins" in text


async def test_on_loopback_a_page_of_this_machine_comes_in_and_another_does_not(
    node: Node, sentence: Samples, call_id: str
) -> None:
    said = [start(call_id=call_id), linear(sentence), STOP]
    assert (await converse(node.url, said, headers={"Origin": "http://localhost:8080"})).code == 1000
    assert (await refused(node.url, {"Origin": "https://evil.example.com"}))[0] == 403


async def test_refusals_are_counted_by_reason(nodes: Nodes) -> None:
    await refused(nodes.keyed.url)
    await refused(nodes.keyed.url, bearer("wrong"))
    _, metrics = await nodes.keyed.get("/metrics")
    assert 'streamer_auth_failures_total{reason="missing"}' in metrics
    assert 'streamer_auth_failures_total{reason="wrong"}' in metrics


@pytest.mark.parametrize("path", ["/", "/v1/streams", "/v1/stream/x", "/twilio2", "/../v1/stream"])
async def test_there_is_nothing_elsewhere(node: Node, path: str) -> None:
    status, text = await refused(f"ws://127.0.0.1:{node.port}{path}")
    assert status == 404
    assert "/v1/stream" in text


async def test_a_query_and_a_slash_at_the_end_change_nothing(node: Node, sentence: Samples, call_id: str) -> None:
    for tail in ("/", "?source=pbx"):
        assert (await native_call(node.url + tail, sentence, call_id=call_id)).code == 1000
