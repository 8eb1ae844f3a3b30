"""What machines say on the telephone: menus, queues, opening hours, spoken by espeak-ng in many voices.

A synthesiser reads without feeling, and a verdict on it is a verdict on nobody. Two sets share no text, no language,
no voice and no pitch. This file must never carry recorded speech: what is said is written here and spoken by the
program `espeak-ng` (GPL, a program of its own), which must be installed.
"""

import io
import shutil
import subprocess
from typing import Final, Literal

import msgspec
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Split = Literal["train", "test"]
_RATE_HZ: Final = 8000
_PAUSE_S: Final = (0.2, 1.5)
"""Least and most silence between two sentences."""
_TIMEOUT_S: Final = 30.0
"""espeak-ng speaks a sentence in some 50 ms; what takes so long hangs."""


class Speech(msgspec.Struct, frozen=True):
    """What one split's machines say, and how."""

    texts: dict[str, tuple[str, ...]]
    """Language -> sentences. Named as espeak-ng's voice files are: it ignores the variant after `en-gb` or `fr-fr`."""
    variants: tuple[str, ...]
    """espeak-ng's voices of other throats, joined to the language by `+`."""
    pitch: tuple[int, int]
    """Least and most, in espeak-ng's 0 to 99."""
    words_a_minute: tuple[int, int]


_ENGLISH_TRAIN: Final = (
    "Thank you for calling. Please listen carefully, as our menu has changed.",
    "For billing, press one. For technical help, press two. For anything else, stay on the line.",
    "All of our advisers are busy at the moment. Your call is in a queue and will be answered shortly.",
    "You are caller number seven. The expected waiting time is twelve minutes.",
    "This call may be recorded for training and quality purposes.",
    "Please enter your account number, followed by the hash key.",
    "Sorry, I did not get that. Please say yes or no.",
    "The number you have dialled has not been recognised.",
    "Please leave a message after the tone, then hang up.",
    "Our offices are open from Monday to Friday, between nine and five.",
)
_ENGLISH_TEST: Final = (
    "Welcome to the customer line. To continue in English, say English now.",
    "We are experiencing a high volume of calls today. We apologise for the delay.",
    "Did you know that most questions can be answered on our website?",
    "If you would like us to ring you back, press the star key.",
    "The person you are calling is unavailable. Please try again later.",
    "Your balance is forty three pounds and sixteen pence.",
    "To hear these options again, press nine.",
    "You are being transferred to the next free member of the team.",
    "Your appointment has been confirmed for the third of March at ten thirty.",
    "Goodbye, and have a pleasant evening.",
)
SPEECH: Final[dict[Split, Speech]] = {
    "train": Speech(
        texts={
            "en-us": _ENGLISH_TRAIN,
            "en": _ENGLISH_TRAIN,
            "de": (
                "Herzlich willkommen. Bitte haben Sie einen Moment Geduld.",
                "Für Fragen zu Ihrer Rechnung drücken Sie die Eins.",
                "Leider sind zurzeit alle Plätze belegt. Sie werden gleich verbunden.",
                "Dieser Anschluss ist vorübergehend nicht erreichbar.",
            ),
            "fr": (
                "Bonjour et bienvenue. Veuillez patienter, un conseiller va vous répondre.",
                "Pour le service technique, tapez deux.",
                "Votre temps d'attente est estimé à cinq minutes.",
            ),
        },
        variants=("m1", "m3", "m5", "f1", "f3"),
        pitch=(35, 49),
        words_a_minute=(130, 175),
    ),
    "test": Speech(
        texts={
            "en-gb-scotland": _ENGLISH_TEST,
            "en-029": _ENGLISH_TEST,
            "es": (
                "Gracias por llamar. Todas nuestras líneas están ocupadas.",
                "Si desea hablar con un agente, marque cero.",
                "El horario de atención es de ocho a tres.",
            ),
            "nl": (
                "Er zijn nog vier wachtenden voor u.",
                "Toets een drie voor vragen over uw bestelling.",
                "Dit nummer is niet in gebruik.",
            ),
            "it": (
                "Attendere prego, la chiamata verrà trasferita.",
                "Per informazioni commerciali, premere il tasto quattro.",
            ),
        },
        variants=("m2", "m4", "m7", "f2", "f4"),
        pitch=(50, 65),
        words_a_minute=(145, 190),
    ),
}
"""Split -> its machines."""


def announce(seconds: float, rng: np.random.Generator, split: Split) -> NDArray[np.float32]:
    """Return announcements by one voice, as many as fit, the last one cut off.

    Parameters
    ----------
    seconds
        How long it is; it begins with speech.
    rng
        Draws language, voice, pitch, speed, sentences and pauses.
    split
        Whose machines.

    Returns
    -------
    float32[n]
        In -1 to 1 at 8 kHz.

    Raises
    ------
    FileNotFoundError
        When espeak-ng is not installed.
    RuntimeError
        When espeak-ng says no, in its words.
    """
    speech = SPEECH[split]
    language = str(rng.choice(list(speech.texts)))
    voice = f"{language}+{rng.choice(list(speech.variants))}"
    pitch = int(rng.integers(*speech.pitch, endpoint=True))
    speed = int(rng.integers(*speech.words_a_minute, endpoint=True))
    wanted = round(seconds * _RATE_HZ)
    parts: list[NDArray[np.float32]] = []
    order: list[str] = []
    while sum(map(len, parts)) < wanted:
        if not order:
            order = [str(text) for text in rng.permutation(list(speech.texts[language]))]
        parts.append(_speak(order.pop(), voice, pitch, speed))
        parts.append(np.zeros(round(rng.uniform(*_PAUSE_S) * _RATE_HZ), np.float32))
    return np.concatenate(parts or [np.zeros(0, np.float32)])[:wanted]


def _speak(text: str, voice: str, pitch: int, words_a_minute: int) -> NDArray[np.float32]:
    """Return a sentence, float32[n] at 8 kHz."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise FileNotFoundError(
            "announcements are spoken by espeak-ng, which is not on the PATH: install it (apt-get install espeak-ng)"
        )
    command = [program, "--stdout", "-v", voice, "-p", str(pitch), "-s", str(words_a_minute), text]
    spoken = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603 - our own words
    if spoken.returncode or not spoken.stdout:
        said = spoken.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"espeak-ng ended with {spoken.returncode} at voice {voice}, it says: {said or 'nothing'}")
    samples, rate_hz = soundfile.read(io.BytesIO(spoken.stdout), dtype="float32")
    speech: NDArray[np.float32] = soxr.resample(samples, rate_hz, _RATE_HZ)
    return speech
