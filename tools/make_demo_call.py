"""Make the demo call: two synthetic voices, a service call of about a minute, nobody's real voice.

Needs espeak-ng on PATH. Writes a stereo FLAC at 8 kHz, left = customer, right = agent, in telephone band and on the
levels of G.711 mu-law, so that the demo sounds and behaves like a call. The customer begins calm and loses patience:
pitch, rate and effort go up from line to line, as they do in a person. A synthetic voice is nothing the model was
trained on: voice and manners were chosen among espeak-ng's so that the shipped model hears the story that is told, and
may have to be chosen anew for another model. The demo shows how things work, not how well. Run it again after a
change::

    python tools/make_demo_call.py streamer/demo/call.flac
"""

from __future__ import annotations

import io
import subprocess
import sys
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

    rate: int
    """Words a minute."""
    pitch: int
    """espeak-ng's scale, 0 to 99."""
    effort: float
    """0 = relaxed; 1 and more = shouted: level up, and the flatter spectrum and saturation of a raised voice."""
    swing: float = 1.0
    """How wide the melody moves."""


CALM = Manner(rate=132, pitch=15, effort=0.0, swing=0.3)
EASY = Manner(rate=150, pitch=30, effort=0.0, swing=0.6)
FIRM = Manner(rate=170, pitch=60, effort=0.6, swing=1.5)
ANGRY = Manner(rate=195, pitch=75, effort=1.4, swing=1.5)
AGENT = Manner(rate=165, pitch=40, effort=0.0)

VOICES = {"customer": "en-us+f4", "agent": "en-gb+m3"}
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
    command = ["espeak-ng", "-v", VOICES[role], "-s", str(manner.rate), "-p", str(manner.pitch), "-m", "--stdout"]
    ssml = f'<speak><prosody range="{manner.swing:.1f}">{text}</prosody></speak>'
    wav = subprocess.run([*command, ssml], check=True, capture_output=True).stdout  # noqa: S603 - our own words
    samples, rate_hz = soundfile.read(io.BytesIO(wav))
    samples = soxr.resample(samples, rate_hz, RATE_HZ, quality="VHQ")
    samples /= np.abs(samples).max()
    if manner.effort:
        # A raised voice has less spectral tilt, and a telephone's microphone saturates on it.
        brighter = samples - 0.6 * manner.effort * np.concatenate(([0.0], samples[:-1]))
        samples = np.tanh(brighter * (1 + 3 * manner.effort))
    samples = sosfilt(butter(4, (300, 3400), "bandpass", fs=RATE_HZ, output="sos"), samples)
    level_db = LEVELS_DB[role] + 9 * manner.effort
    return np.asarray(samples * 10 ** (level_db / 20) / np.sqrt(np.mean(np.square(samples))))


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
