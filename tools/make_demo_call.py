"""Make the demo call: two synthetic voices, a service call of about a minute.

Needs flite and espeak-ng on PATH. Writes a stereo FLAC at 8 kHz, left = customer, right = agent, in telephone band and
on the levels of G.711 mu-law, so that the demo sounds and behaves like a call. The customer begins calm and loses
patience: pitch, rate and effort go up from line to line, as they do in a person.

The customer is one of flite's voices, cut from sentences that people read for the CMU ARCTIC databases, which are
free for any use: espeak-ng's, made of formants, are what announcements sound like to the models, and those are
nobody's emotion. No synthetic voice is anything a model was trained on as a person: voice and manners were chosen so
that the shipped model hears the story that is told, and may have to be chosen anew for another. The demo shows how
things work, not how well. Run it again after a change::

    python tools/make_demo_call.py streamer/demo/call.flac
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from streamer.audio import g711

RATE_HZ = 8000


@dataclass(frozen=True)
class Manner:
    """How a line is spoken."""

    stretch: float = 1.0
    """How much longer than the voice's own pace it takes."""
    pitch: float = 1.0
    """Mean pitch, in units of the voice's own."""
    effort: float = 0.0
    """0 = relaxed; 1 and more = shouted: level up, and the flatter spectrum and saturation of a raised voice."""
    swing_hz: float = 20.0
    """Standard deviation of the melody."""


CALM = Manner(stretch=0.95, swing_hz=20)
EASY = Manner(stretch=0.9, pitch=1.1, swing_hz=18)
FIRM = Manner(stretch=0.85, pitch=1.3, effort=0.6, swing_hz=35)
ANGRY = Manner(stretch=0.95, pitch=1.15, effort=1.5, swing_hz=30)
AGENT = Manner()

VOICE = "slt"
"""The customer's, one of flite's."""
PITCHES_HZ = {"slt": 175, "rms": 100, "awb": 115, "kal16": 105}
AGENT_VOICE = "en-gb+m3"
"""The agent's, one of espeak-ng's; never analysed."""
CHANNELS = {"customer": 0, "agent": 1}
LEVELS_DB = {"customer": -25.0, "agent": -25.0}
PAUSE_S = 0.55

LINES: tuple[tuple[str, Manner, str], ...] = (
    ("agent", AGENT, "Harbour Electric."),
    ("customer", CALM, "Good morning. My power is off."),
    ("agent", AGENT, "I am sorry to hear that. Since when, please?"),
    ("customer", EASY, "Since yesterday evening. I live in Mill Lane, at number nine."),
    ("agent", AGENT, "I see the report. An engineer will come to you on Thursday."),
    ("customer", FIRM, "On Thursday? That is three days from now!"),
    ("agent", AGENT, "I understand. All our teams are out, because of the storm."),
    ("customer", ANGRY, "You told me the very same thing last night! And nobody came! Nobody!"),
    ("agent", AGENT, "I am very sorry about that."),
    ("customer", ANGRY, "I am sick of your excuses! Everything in my freezer is ruined!"),
    ("agent", AGENT, "You are right to be upset. Let me talk to the duty manager."),
    ("customer", ANGRY, "Yes, get me your manager! I want this fixed today, not on Thursday!"),
    ("agent", AGENT, "The duty manager can send a team this afternoon, at three o'clock."),
    ("customer", EASY, "All right, thank you. I will be at home at three."),
    ("agent", AGENT, "Thank you for your patience. Goodbye."),
)


def speak(role: str, manner: Manner, text: str) -> NDArray[np.float64]:
    """Return a line as float64[samples] at 8 kHz, in telephone band, at the role's level."""
    samples = _by_flite(manner, text) if role == "customer" else _by_espeak(text)
    samples /= np.abs(samples).max()
    if manner.effort:
        # A raised voice has less spectral tilt, and a telephone's microphone saturates on it.
        brighter = samples - 0.6 * manner.effort * np.concatenate(([0.0], samples[:-1]))
        samples = np.tanh(brighter * (1 + 3 * manner.effort))
    samples = sosfilt(butter(4, (300, 3400), "bandpass", fs=RATE_HZ, output="sos"), samples)
    level_db = LEVELS_DB[role] + 9 * manner.effort
    return np.asarray(samples * 10 ** (level_db / 20) / np.sqrt(np.mean(np.square(samples))))


def _by_flite(manner: Manner, text: str) -> NDArray[np.float64]:
    settings = {
        "int_f0_target_mean": PITCHES_HZ[VOICE] * manner.pitch,
        "int_f0_target_stddev": manner.swing_hz,
        "duration_stretch": manner.stretch,
    }
    command = ["flite", "-voice", VOICE]
    for name, value in settings.items():
        command += ["--setf", f"{name}={value:g}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        subprocess.run([*command, "-t", text, "-o", str(path)], check=True, capture_output=True)
        return _at_8_khz(path.read_bytes())


def _by_espeak(text: str) -> NDArray[np.float64]:
    command = ["espeak-ng", "-v", AGENT_VOICE, "-s", "165", "-p", "40", "--stdout", text]
    return _at_8_khz(subprocess.run(command, check=True, capture_output=True).stdout)


def _at_8_khz(wav: bytes) -> NDArray[np.float64]:
    samples, rate_hz = soundfile.read(io.BytesIO(wav))
    return np.asarray(soxr.resample(samples, rate_hz, RATE_HZ, quality="VHQ"), dtype=np.float64)


def build() -> NDArray[np.int16]:
    """Return the whole call, int16[samples, 2]."""
    noise = np.random.default_rng(20261122)  # the hiss of the line
    spoken = [(CHANNELS[role], speak(role, manner, text)) for role, manner, text in LINES]
    pause = int(PAUSE_S * RATE_HZ)
    length = sum(len(samples) + pause for _, samples in spoken) + pause
    call = noise.normal(0, 10 ** (-74 / 20), (length, 2))
    position = pause
    for channel, samples in spoken:
        call[position : position + len(samples), channel] += samples
        position += len(samples) + pause
    scaled = np.clip(np.round(call * 32767), -32768, 32767).astype(np.int16)
    return np.stack([g711.decode_mulaw(g711.encode_mulaw(np.ascontiguousarray(side))) for side in scaled.T], axis=1)


def main() -> None:
    """Write the call to the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/make_demo_call.py FILE.flac")
    call = build()
    soundfile.write(Path(sys.argv[1]), call, RATE_HZ, subtype="PCM_16")
    sys.stdout.write(f"{sys.argv[1]}: {len(call) / RATE_HZ:.1f} s, two parties\n")


if __name__ == "__main__":
    main()
