"""Draw the pictures of ``docs/concepts.md`` from the demo call; nothing in them is painted by hand.

Run ``python -m tools.manual.pictures`` after a change of the call, the model or how speech is cut; a test draws them
again and compares. Each is an SVG on white, without a script, a font of its own or anything that would have to be
loaded. This file must never decide what was said or meant: that stands in :mod:`tools.manual.heard`.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.archive.looks import LOOKS, glyph, kind
from tools.manual.heard import ROOT, DemoCall, Judged, Party, demo_call

FOLDER: Final = "docs/pictures/concepts"
SHOWN: Final = 4
"""Number of the utterance that the close-ups show: the one in which the customer loses patience."""
WIDTH, LEFT, RIGHT = 760, 92, 748
_AROUND_MS: Final = 700
_COEFFICIENTS: Final = 30
_LEVELS: Final = 16
_STYLE: Final = (
    'text{font:13px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:#1f2933}'
    ".soft{fill:#52606d;font-size:11.5px}.grid{stroke:#d5dbe1}.wave{fill:#7b8794}.vad{fill:#3f7cc4}.u{fill:#eef4fb;"
    "stroke:#3f7cc4;stroke-width:1.5}.pre{fill:#c6dcf4}.after{fill:#fdf3dd;stroke:#c08a1e}.line{fill:none;stroke-width:2}"
    ".limit{stroke:#7b8794;stroke-dasharray:4 3}.prior{fill:#d5dbe1}.own{fill:#3f7cc4}"
    + "".join(f".f-{name}{{fill:{look.light}}}.s-{name}{{stroke:{look.light}}}" for name, look in LOOKS.items())
    + ".f-unsure{fill:#fff;stroke:#52606d}.letter{font-weight:700;font-size:11px;fill:#1f2933}"
)
Scale = Callable[[float], float]


def svg(height: int, title: str, body: Iterator[str]) -> str:
    """Return a whole picture; `title` is what a reader without eyes gets."""
    parts = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t">\n'
        f'<title id="t">{title}</title>\n<style>{_STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n{parts}\n</svg>\n'
    )


def cutting(call: DemoCall) -> str:
    """Return how an utterance is cut: waveform, the VAD's decisions, pre-roll and hangover."""
    shown, x = _close_up(call)
    heard, speech = shown.heard, call.settings.speech
    first_ms = next(start for start, end in call.customer.speech if end > heard.start_ms)
    heard_ms = heard.end_ms + speech.hangover_ms

    def body() -> Iterator[str]:
        yield _label(34, "audio", "8 kHz, mu-law")
        yield _waveform(call.customer, x, 10, 70)
        yield _label(92, "VAD", "frames of 20 ms")
        for start_ms, end_ms in call.customer.speech:
            if _inside(end_ms, x) and _inside(start_ms, x):
                yield _box("vad", x(start_ms), x(end_ms), 82, 14)
        yield _label(126, "utterance", f"number {heard.n}")
        yield _box("u", x(heard.start_ms), x(heard.end_ms), 110, 30)
        yield _box("pre", x(heard.start_ms), x(first_ms), 111, 28)
        yield _box("after", x(heard.end_ms), x(heard_ms), 110, 30)
        yield _text(x(heard.start_ms), 156, f"pre-roll {first_ms - heard.start_ms:.0f} ms", "start")
        yield _text(x(heard.end_ms), 156, f"hangover {speech.hangover_ms} ms", "middle")
        yield f'<line class="limit" x1="{x(heard_ms):.0f}" x2="{x(heard_ms):.0f}" y1="10" y2="140"/>'
        yield _text(x(heard_ms), 172, "now it is over: the model is asked", "end")
        yield from _seconds(x, 178)

    what = f"From {heard.start_ms} to {heard.end_ms} ms the customer speaks; {speech.hangover_ms} ms later it is over"
    return svg(200, f"How utterance {heard.n} of the demo call is cut. {what}.", body())


def features(call: DemoCall) -> str:
    """Return the utterance's features as the front end rolled them, under its waveform."""
    shown, x = _close_up(call)
    heard = shown.heard
    frames = heard.features[::2, :_COEFFICIENTS]

    def body() -> Iterator[str]:
        yield _label(34, "audio", "8 kHz, mu-law")
        yield _waveform(call.customer, x, 10, 70)
        left, right = x(heard.start_ms), x(heard.end_ms)
        yield _label(124, "MFCC", f"first {_COEFFICIENTS} of {heard.features.shape[1]}")
        yield (
            f'<image x="{left:.0f}" y="80" width="{right - left:.0f}" height="120" preserveAspectRatio="none" '
            f'href="data:image/png;base64,{base64.b64encode(_png(_greys(frames))).decode()}"/>'
        )
        yield from _seconds(x, 206)

    what = f"{len(heard.features)} frames of {heard.features.shape[1]} coefficients, 10 ms apart"
    return svg(228, f"The features of utterance {heard.n} of the demo call: {what}.", body())


def rolling(call: DemoCall) -> str:
    """Return the verdicts while the utterance goes on, and the one at its end."""
    shown, x = _close_up(call)
    going = [one for one in call.customer.partials if one.heard.n == shown.heard.n]
    labels = call.model.card.labels

    def y(score: float) -> float:
        return 160 - 145 * score

    def body() -> Iterator[str]:
        for score in (0, 0.5, 1):
            yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y(score):.0f}" y2="{y(score):.0f}"/>'
            yield _text(LEFT - 6, y(score) + 4, f"{score:.0%}", "end")
        limit = call.model.card.calibration.uncertain_below
        yield f'<line class="limit" x1="{LEFT}" x2="{RIGHT}" y1="{y(limit):.0f}" y2="{y(limit):.0f}"/>'
        yield _text(LEFT + 4, y(limit) - 5, "below: uncertain", "start")
        end = x(shown.heard.end_ms)
        for label in labels:
            points = [(x(one.heard.end_ms), y(one.verdict.scores[label])) for one in going]
            points = [one for one in points if one[0] < end] + [(end, y(shown.verdict.scores[label]))]
            yield f'<path class="line s-{label}" d="M{"L".join(f"{at:.0f} {high:.0f}" for at, high in points)}"/>'
        yield f'<circle class="f-{shown.verdict.top}" cx="{end:.0f}" cy="{y(shown.verdict.confidence):.0f}" r="6"/>'
        said = f"{shown.verdict.top} {shown.verdict.confidence:.0%}"
        yield f'<text x="{end + 10:.0f}" y="{y(shown.verdict.confidence) + 5:.0f}">{said}</text>'
        yield from _seconds(x, 166)
        for place, label in enumerate(labels):
            left = LEFT + place * 104
            yield f'<rect class="f-{label}" x="{left}" y="197" width="12" height="12"/>'
            yield f'<text x="{left + 17}" y="208">{label}</text>'

    return svg(222, f"Scores of the six emotions while utterance {shown.heard.n} goes on, and at its end.", body())


def caller(call: DemoCall) -> str:
    """Return whose statistics an utterance is judged by: the corpora's, and more and more the caller's own."""
    prior = call.model.card.normalisation
    moved = [(one.mean - np.asarray(prior.mean)) / np.asarray(prior.std) for one in call.customer.utterances]
    most = int(np.argmax(np.abs(moved[-1])))
    per_deviation = 110 / max(abs(float(one[most])) for one in moved)
    middle = 640

    def body() -> Iterator[str]:
        yield _text(LEFT, 16, "whose speech the statistics stand on", "start")
        yield _text(RIGHT, 16, "the coefficient that moves most", "end")
        for place, one in enumerate(call.customer.utterances):
            top = 26 + place * 24
            own = one.own_frames / (one.own_frames + prior.weight_frames)
            at = middle + per_deviation * float(moved[place][most])
            yield _text(LEFT - 8, top + 13, f"utterance {one.heard.n}", "end")
            yield _box("prior", LEFT, LEFT + 340, top, 17)
            yield _box("own", LEFT, LEFT + 340 * own, top, 17)
            yield f'<text x="{LEFT + 346}" y="{top + 13}">{own:.0%}</text>'
            yield f'<circle class="own" cx="{at:.0f}" cy="{top + 8}" r="5"/>'
        below = 26 + 24 * len(call.customer.utterances)
        yield f'<line class="limit" x1="{middle}" x2="{middle}" y1="24" y2="{below}"/>'
        yield _text(middle, below + 13, "the corpora's mean", "middle")
        yield _text(LEFT, below + 13, "blue: this caller in this call; grey: the corpora", "start")

    return svg(26 + 24 * len(call.customer.utterances) + 22, "What each utterance is normalised by.", body())


def whole(call: DemoCall) -> str:
    """Return the whole call: both parties, the utterances of the customer and their verdicts."""
    x = _scale(0, len(call.customer.samples) / call.customer.rate_hz * 1000)

    def body() -> Iterator[str]:
        yield _label(40, "customer", "analysed")
        yield _waveform(call.customer, x, 16, 60)
        for one in call.customer.utterances:
            looks = kind(one.verdict.top, uncertain=one.verdict.uncertain)
            left, right = x(one.heard.start_ms), x(one.heard.end_ms)
            yield f'<rect class="f-{looks}" x="{left:.0f}" y="66" width="{right - left:.0f}" height="10" rx="2"/>'
            mark = glyph(one.verdict.top, uncertain=one.verdict.uncertain)
            yield f'<g transform="translate({(left + right) / 2 - 9:.0f} 80) scale(.75)">{mark}</g>'
            yield _text((left + right) / 2, 112, f"{one.verdict.top} {one.verdict.confidence:.0%}", "middle")
        yield _label(140, "agent", "never analysed")
        yield _waveform(call.agent, x, 122, 160)
        yield from _seconds(x, 166, every_s=10)

    said = ", ".join(f"{one.verdict.top} {one.verdict.confidence:.0%}" for one in call.customer.utterances)
    return svg(188, f"The demo call. The customer's utterances: {said}. The agent's are not judged.", body())


def _close_up(call: DemoCall) -> tuple[Judged, Scale]:
    shown = next(one for one in call.customer.utterances if one.heard.n == SHOWN)
    return shown, _scale(shown.heard.start_ms - _AROUND_MS, shown.heard.end_ms + 2 * _AROUND_MS)


def _scale(from_ms: float, until_ms: float) -> Scale:
    return lambda ms: LEFT + (ms - from_ms) * (RIGHT - LEFT) / (until_ms - from_ms)


def _inside(ms: float, x: Scale) -> bool:
    return LEFT <= x(ms) <= RIGHT


def _waveform(party: Party, x: Scale, top: int, bottom: int) -> str:
    """Return the outline of the samples, two points of width a step."""
    per_ms = x(1) - x(0)
    from_ms = (LEFT - x(0)) / per_ms
    edges = [int((from_ms + at / per_ms) * party.rate_hz / 1000) for at in range(0, RIGHT - LEFT + 2, 2)]
    pieces = [party.samples[first:behind] for first, behind in pairwise(edges)]
    middle, loudest = (top + bottom) / 2, float(np.abs(party.samples.astype(np.int32)).max())
    tall = [(bottom - top) / 2 * float(np.abs(one.astype(np.int32)).max(initial=0)) / loudest for one in pieces]
    above = "L".join(f"{LEFT + 2 * at} {middle - high:.0f}" for at, high in enumerate(tall))
    below = "L".join(f"{LEFT + 2 * at} {middle + high:.0f}" for at, high in reversed(list(enumerate(tall))))
    return f'<path class="wave" d="M{above}L{below}Z"/>'


def _seconds(x: Scale, y: int, every_s: int = 1) -> Iterator[str]:
    for second in range(0, 3600, every_s):
        if _inside(second * 1000, x):
            at = f"{second // 60}:{second % 60:02d}"
            yield f'<line class="grid" x1="{x(second * 1000):.0f}" x2="{x(second * 1000):.0f}" y1="{y}" y2="{y + 5}"/>'
            yield _text(x(second * 1000), y + 17, at, "middle")


def _label(y: int, name: str, small: str) -> str:
    return f'<text x="0" y="{y}">{name}</text><text class="soft" x="0" y="{y + 15}">{small}</text>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text class="soft" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def _box(name: str, left: float, right: float, top: int, height: int) -> str:
    return f'<rect class="{name}" x="{left:.0f}" y="{top}" width="{right - left:.0f}" height="{height}"/>'


def _greys(frames: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return uint8[coefficients, frames], each over its own range, in few levels; the first at the bottom."""
    low, high = frames.min(axis=0), frames.max(axis=0)
    levels = np.rint((frames - low) / (high - low) * (_LEVELS - 1))
    return (255 - levels.T[::-1] * (200 // _LEVELS)).astype(np.uint8)


def _png(greys: NDArray[np.uint8]) -> bytes:
    """Return a PNG whose bytes no version of zlib changes: nothing in it is compressed."""
    rows = b"".join(b"\0" + row.tobytes() for row in greys)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", greys.shape[1], greys.shape[0], 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


DRAWN: Final = {"whole": whole, "cutting": cutting, "features": features, "rolling": rolling, "caller": caller}
"""By the name of the file, in the order of the page."""


def pictures() -> dict[str, str]:
    """Return every picture by its path in the repository."""
    call = demo_call()
    return {f"{FOLDER}/{name}.svg": draw(call) for name, draw in DRAWN.items()}


def main() -> None:
    """Write them all."""
    for path, picture in pictures().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(picture, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
