"""The command with real devices: two null sinks of a PulseAudio of the test's own, a tone played into each."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile

PROGRAM = [sys.executable, "-c", "from streamer_client.commands import main; main()"]
TONES_HZ = {"customer": 400, "agent": 1000}
PCM = """
pcm.tap_{name} {{
    type pulse
    server "unix:{folder}/native"
    device "{name}.monitor"
    hint {{ show on description "tap {name}" }}
}}
"""


class Sound:
    """A PulseAudio without hardware."""

    def __init__(self, folder: Path) -> None:
        self.environment = os.environ | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "TERM": "dumb"}
        self._folder = folder
        self._processes: list[asyncio.subprocess.Process] = []
        (folder / ".asoundrc").write_text("".join(PCM.format(name=name, folder=folder) for name in TONES_HZ))
        for name, tone_hz in TONES_HZ.items():
            tone = 0.3 * np.sin(2 * np.pi * tone_hz * np.arange(8000 * 60) / 8000)
            soundfile.write(folder / f"{name}.wav", tone, 8000)

    async def start(self) -> None:
        socket = self._folder / "native"
        sinks = [f"module-null-sink sink_name={name} rate=8000 channels=1 format=s16le" for name in TONES_HZ]
        modules = [f"module-native-protocol-unix socket={socket} auth-anonymous=1", *sinks]
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-level=error"]
        await self._run("pulseaudio", *options, *(word for module in modules for word in ("-L", module)))
        while await (await self._run("pactl", "--server", f"unix:{socket}", "info")).wait():
            assert self._processes[0].returncode is None, "pulseaudio does not run here"
        for name in TONES_HZ:
            await self._run(
                "paplay", "--server", f"unix:{socket}", f"--device={name}", str(self._folder / f"{name}.wav")
            )

    async def check(self) -> None:
        """Skip where something is missing that only shows when it is used."""
        pipe = asyncio.subprocess.PIPE
        listing = await asyncio.create_subprocess_exec(
            *PROGRAM, "tap", "--list", env=self.environment, stdout=pipe, stderr=pipe
        )
        out, err = await listing.communicate()
        if b"PortAudio" in err:
            pytest.skip("needs the system's PortAudio (Debian: apt-get install libportaudio2)")
        assert listing.returncode == 0, err.decode()
        if b"tap_agent" not in out:
            pytest.skip("needs ALSA's plugin for PulseAudio (Debian: apt-get install libasound2-plugins)")

    async def stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self._processes.clear()

    async def _run(self, *words: str) -> asyncio.subprocess.Process:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*words, env=self.environment, stdout=quiet, stderr=quiet)
        self._processes.append(process)
        return process


@pytest_asyncio.fixture
async def sound() -> AsyncIterator[Sound]:
    missing = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (Debian: apt-get install pulseaudio pulseaudio-utils)")
    with tempfile.TemporaryDirectory(prefix="tap-") as folder:  # a socket's path must be short
        there = Sound(Path(folder))
        try:
            await there.start()
            await there.check()
            yield there
        finally:
            await there.stop()


def strongest_hz(samples: np.ndarray) -> int:
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    return round(float(spectrum.argmax()) * 8000 / len(samples))


def is_loud(samples: np.ndarray) -> bool:
    """Whether both parties are heard."""
    return bool((np.abs(samples).max(axis=0, initial=0) > 3000).all())


async def heard(server: Any, enough: Any) -> np.ndarray:
    """Return what the server heard once it is enough: int16 of shape (frames, 2)."""
    async with asyncio.timeout(60):
        while True:
            if server.calls:
                audio = server.calls[0].audio
                samples = np.frombuffer(audio[: len(audio) // 4 * 4], "<i2").reshape(-1, 2)
                if enough(samples):
                    return samples
            await asyncio.sleep(0.05)


async def test_what_is_played_and_what_is_said_are_the_two_channels_of_a_call(
    sound: Sound, server: Any, make: Any
) -> None:
    server.events = [make.utterance()]
    words = ["tap", "--agent", "tap_agent", "--customer", "tap_customer", "--to", server.url, "--call-id", "CA1"]
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *words, env=sound.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        loud = await heard(server, lambda samples: len(samples) > 8000 and is_loud(samples[-4000:-3000]))
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    assert [strongest_hz(loud[-4000:, lane]) for lane in (0, 1)] == list(TONES_HZ.values())
    assert b"angry" in out
    said = err.decode()
    assert "CA1 is live at 8000 Hz; analysed: customer; Ctrl-C ends it" in said
    assert "streamed, 1 utterance events" in said
    assert server.calls[0].texts[0]["channels"] == [{"role": "customer"}, {"role": "agent"}]
    assert server.calls[0].texts[-1] == {"type": "stop"}


async def test_a_sound_server_that_goes_and_comes_back_is_listened_to_again(sound: Sound, server: Any) -> None:
    words = ["tap", "--agent", "tap_agent", "--customer", "tap_customer", "--to", server.url]
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *words, env=sound.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        before = await heard(server, is_loud)
        await sound.stop()
        assert process.stderr is not None
        while b"trying again" not in (line := await process.stderr.readline()):
            assert line, "it ended"
        await sound.start()
        await heard(server, lambda samples: is_loud(samples[len(before) + 8000 :]))
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    assert "is back" in err.decode()
