"""How a model is made, what it costs and under what it may be used: the last sections of its card.

All of it follows from the configuration and from what was measured at export. This file must never hold a figure of a
model.
"""

from typing import Any

from models import card_tables
from models.card_words import CORPORA, WHISPER, listed, name_of, number_word
from models.codecs import CODECS
from streamer.features import LogMelParameters


def making(report: dict[str, Any], model: dict[str, Any]) -> str:
    """Return how it works and how it was trained."""
    configuration = model["configuration"]
    text = ["## How it is made", "", architecture(configuration), "", training(configuration), ""]
    text += card_tables.table(
        ("setting", "value"), [(f"`{name}`", _plain(value)) for name, value in configuration["recipe"].items()]
    )
    text += ["", "It is made of"]
    for corpus in configuration["corpora"]:
        thanks = f" ({CORPORA[corpus].thanks})" if corpus in CORPORA else ""
        text.append(f"- **{name_of(corpus)}**{thanks}. Here: {model['corpora'].get(corpus, 'not counted')}.")
    judged = [one for one, figures in report["corpora"].items() if not figures["trained_on_others_of_it"]]
    text += [WHISPER.strip("\n"), ""]
    if judged:
        text += [
            "It was judged, never trained, on",
            *(f"- **{name_of(one)}**" + (f" ({CORPORA[one].thanks})." if one in CORPORA else ".") for one in judged),
        ]
    return "\n".join(text)


def architecture(configuration: dict[str, Any]) -> str:
    """Return the network in words."""
    shape, recipe = configuration["shape"], configuration["recipe"]
    front = LogMelParameters.whisper()
    hop_ms = 1000 * front.hop_length / front.rate_hz
    blocks = shape["feed_forward"]
    cepstral = configuration["front_end"] == "mfcc"
    hidden = listed(dict.fromkeys(f"{one:,}" for one in blocks))
    features = (
        f"{shape['bands']} rolling MFCCs of the streamer, turned back into as many log-mel bands, which loses nothing"
        if cepstral
        else f"{shape['bands']} rolling log-mel bands of the streamer"
    )
    plural = "s" if len(blocks) != 1 else ""
    computed = {
        "int8": "The matrix products run in 8-bit integers.",
        "float16": "Weights are stored in half precision; everything is computed in single precision.",
    }[configuration["weights"]]
    return " ".join(
        [
            f"{features} ({1000 * front.win_length / front.rate_hz:g} ms windows every {hop_ms:g} ms, at",
            f"{front.rate_hz / 1000:g} kHz), pass two convolutions, of which the second halves the rate, and",
            f"{number_word(len(blocks))} transformer block{plural} of width {shape['width']} with",
            f"{shape['heads']} heads and {hidden} hidden units: the first layers of Whisper tiny.en{_narrowed(shape)},",
            "fine-tuned. Each token is shifted and scaled by the running mean and deviation of what this caller's",
            "tokens have been like, which start from the corpora's and weigh them like",
            f"{recipe['prior_weight'] * 2 * hop_ms / 1000:g} s of speech.",
            "The tokens are pooled by attention into means and deviations over time, and one linear layer says how",
            f"likely {number_word(len(shape['labels']))} emotions are, and how likely it is nobody's emotion, a share",
            f"that is spread evenly over the labels. {computed}",
        ]
    )


def training(configuration: dict[str, Any]) -> str:
    """Return the training in words."""
    recipe = configuration["recipe"]
    repeated = listed(f"{name_of(one)} {times} times" for one, times in configuration.get("repeat", {}).items())
    crowd, taught = configuration.get("crowd_share", 0.0), configuration.get("teacher_share", 0.0)
    text = [
        "Each clip was heard over plain G.711 mu-law; as other voices (played faster or slower); and as other voices",
        f"over drawn lines (codecs: {', '.join(CODECS)}; mu-law or A-law, level, band edges, noise, voices and music",
        "behind, lost packets), cut to its utterance by the product's own detector and segmenter. Training draws what",
        "the caller said before, so that one network serves a caller's first words and later ones:",
        f"{number_word(recipe['epochs'])} epochs by cross-entropy with AdamW, a one-cycle rate, SpecAugment and",
        "averaged weights; every setting stands in the table below. The last weights are used, none were selected on",
        "held-out speakers.",
    ]
    if "ridge" in recipe:
        text.append("The last layer is solved for exactly, before the epochs and after them.")
    if repeated:
        text.append(f"An epoch hears {repeated}, all else once.")
    if configuration.get("calm_as_neutral"):
        text.append("RAVDESS's calm counts as neutral.")
    if crowd:
        text.append(f"The crowd's voice-only votes are {100 * crowd:.0f} % of the targets on CREMA-D.")
    if configuration.get("teacher"):
        text.append(
            f"{100 * taught:.0f} % of the targets are the verdicts of a teacher, `{configuration['teacher']}`, on the "
            "plain line, of the network that had not heard the fold either."
        )
    if configuration.get("sounds"):
        text.append(
            f"Among the clips are made-up sounds that are nobody's emotion (announcements, music, tones, noise) and "
            f"are to be told as such: of {configuration['sounds']}, all that the product takes for an utterance."
        )
    return " ".join(text)


def size(model: dict[str, Any]) -> str:
    """Return what it costs to run."""
    ms = model["ms_for_3_s"]
    return "\n".join(
        [
            "## Size and speed",
            "",
            *card_tables.table(
                ("parameters", "file", "3 s of speech, one core", "share of real time"),
                [
                    (
                        f"{model['parameters']:,}",
                        f"{model['size_bytes'] / 1e6:.2f} MB",
                        f"{ms:.2f} ms",
                        f"{ms / 30:.2f} %",
                    )
                ],
            ),
            "",
            "Median run of ONNX Runtime with one thread on the machine it was exported on, features not counted.",
            f"On made-up voices, rounding moves the score that moves most by {100 * model['difference']:.2g} points on",
            "average; every figure of this card is of the rounded network.",
        ]
    )


def licence(model: dict[str, Any]) -> str:
    """Return under what it may be used."""
    configuration = model["configuration"]
    work = (
        "They may be used at work."
        if configuration["commercial_use"]
        else "They may be used for research only, never at work or for money: the licences of the corpora bind them."
    )
    return "\n".join(
        [
            "## Licence",
            "",
            f"The weights: {model['licence']}. {work} They contain no recording of the corpora named above, to whose",
            "makers the attributions given there are due wherever the model is passed on.",
        ]
    )


def _narrowed(shape: dict[str, Any]) -> str:
    """Return a remark where blocks have fewer hidden units than Whisper's, which has four for each channel."""
    whole = all(one == 4 * shape["width"] for one in shape["feed_forward"])
    return "" if whole else ", narrowed to their strongest units"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
