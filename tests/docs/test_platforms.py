"""Each platform's guide works as it stands: its configuration serves, its line plays a call, verdicts come out.

The platform's side is played by `streamer replay --dialect`, as each guide says; the platforms themselves are not here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamer.platforms import PATHS
from tests.conftest import Broker, collect
from tests.docs.reading import ROOT, blocks, command_lines, text
from tests.docs.running import arguments, run

PLATFORMS = sorted(
    path.stem
    for path in ROOT.glob("docs/*.md")
    if any(" --dialect " in line for line in command_lines(path.read_text(encoding="utf-8"), "streamer"))
    and blocks(path.read_text(encoding="utf-8"), "toml")
)
PLATFORMS.remove("twilio")  # test_guides.py plays it, with wrong tokens too
AUDIOSOCKET = "8766"


def configuration(guide: str, ports: tuple[int, int]) -> str:
    """Return all that the guide puts into `streamer.toml`, with this test's own ports; of alternatives the first."""
    tables: dict[str, str] = {}
    for block in blocks(guide, "toml"):
        for table in block.split("\n\n"):
            tables.setdefault(table.split("\n")[0] + str(table.count("[[")), table)
    config = "\n\n".join(tables.values())
    config = config.replace("wss://calls.example.com", f"wss://127.0.0.1:{ports[0]}")
    return config.replace('host = "0.0.0.0"', 'host = "127.0.0.1"')


@pytest.fixture
def audiosocket() -> str:
    """A TCP port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_every_platform_has_such_a_guide() -> None:
    played = " ".join(
        line for name in [*PLATFORMS, "twilio"] for line in command_lines(text(f"docs/{name}.md"), "streamer")
    )
    assert [path for path in PATHS if path != "/v1/stream" and f"{path}" not in played] == []


@pytest.mark.parametrize("name", PLATFORMS)
async def test_the_guide_works_from_its_configuration_to_a_verdict(  # noqa: PLR0917 - fixtures
    name: str,
    serving: Any,
    here: Callable[[str], str],
    broker: Broker,
    folder: Path,
    ports: tuple[int, int],
    audiosocket: str,
) -> None:
    guide = text(f"docs/{name}.md").replace(AUDIOSOCKET, audiosocket)
    (folder / "streamer.toml").write_text(configuration(guide, ports), encoding="utf-8")
    server = serving()
    for line in command_lines(guide, "streamer"):
        if " --dialect " not in line:
            continue
        async with collect(broker, "emotion/v1/#") as heard:
            done = run(arguments(here(line), "--speed", "max"), folder)
            assert done.returncode == 0, (done.stderr, server.said)
            messages = await heard.until(lambda found: any(str(one.topic).endswith("/ended") for one in found))
        assert any(str(message.topic).endswith("/customer/utterance") for message in messages), server.said
