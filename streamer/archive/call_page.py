"""A call's page: the picture, the alerts, every utterance with its scores, what each party did, what judged and how.

For whoever listens to the call afterwards, and whoever asks later how a verdict came about. This file must never sum up
a person: it shows what was heard, and says that it decides nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

from streamer_client.events import EMOTIONS, SpeakerSummary, UtteranceEvent
from streamer_client.pretty import position

from streamer.archive.html import facts, length, name, page, table, text
from streamer.archive.looks import LOOKS
from streamer.archive.results import CallResult
from streamer.archive.tables import alert_ms
from streamer.archive.timeline import mark, timeline
from streamer.archive.ways import Ways

_CUTS = {
    "silence": "silence",
    "max_length": "longest length",
    "gap": "gap in the audio",
    "end_of_call": "end of the call",
}

_PARTY = (
    ("party", False),
    *((what, True) for what in ("talk", "silence", "share of talk", "loudness", "speech rate", "never arrived")),
)


def call_page(result: CallResult, ways: Ways) -> str:
    """Return the page of a call."""
    data = result.analysed.ended.data
    return page(
        f"Call {result.call_id}",
        [
            '<nav><a href="../index.html">All calls</a></nav><main>',
            f"<h1>Call {name(result.call_id)}</h1>",
            f'<p class="soft">{_began(result)}{_labels(result)}</p>',
            facts(_facts(result)),
            '<h2>Timeline</h2><div class="wide" role="region" aria-label="Timeline" tabindex="0">',
            f'<div class="timeline">{timeline(result)}</div></div>',
            _legend(result),
            _alerts(result),
            _utterances(result),
            "<h2>Talk and silence</h2>",
            table(
                "What each party did; no emotion is in these figures",
                _PARTY,
                ([(name(one.role), ""), *_party(one, data.speakers)] for one in data.speakers),
            ),
            _made(result, ways),
            "</main>",
        ],
    )


def _facts(result: CallResult) -> list[tuple[str, str]]:
    data = result.analysed.ended.data
    talk_ms = sum(one.talk_ms for one in data.speakers)
    certain = sum(not one.data.emotion.uncertain for one in result.analysed.utterances)
    return [
        (length(data.duration_ms), "length"),
        (f"{certain} of {len(result.analysed.utterances)}", "utterances with a certain verdict"),
        (str(len(result.alerts)), f"alert{'s' * (len(result.alerts) != 1)}"),
        (length(talk_ms), "talk, all parties"),
        (length(data.overlap_ms), "both at once"),
    ]


def _began(result: CallResult) -> str:
    if result.analysed.started_s is None:
        return "When it began was not said; times are counted from its beginning."
    began = datetime.fromtimestamp(result.analysed.started_s, UTC)
    return f"Began {began:%Y-%m-%d %H:%M:%S} UTC."


def _labels(result: CallResult) -> str:
    labels = result.analysed.ended.data.call.labels
    return "".join(f" {name(label)}: {name(words)}." for label, words in sorted(labels.items()))


def _legend(result: CallResult) -> str:
    shown = {one.data.emotion.top for one in result.analysed.utterances if not one.data.emotion.uncertain}
    items = [f"<li>{mark(one, uncertain=False)}{one}</li>" for one in LOOKS if one in shown]
    if any(one.data.emotion.uncertain for one in result.analysed.utterances):
        items.append(f"<li>{mark('', uncertain=True)}uncertain: no verdict</li>")
    items.append("<li>grey area: how loud</li>")
    return f'<ul class="legend" aria-label="What the marks mean">{"".join(items)}</ul>'


def _alerts(result: CallResult) -> str:
    if not result.alerts:
        return "<h2>Alerts</h2><p>None by the rules of this report.</p>"
    ends = {event.id: event.data.utterance.end_ms for event in result.analysed.utterances}
    numbers = {event.id: event.data.utterance.n for event in result.analysed.utterances}
    parts = ["<h2>Alerts</h2>"]
    for alert in result.alerts:
        at_ms = alert_ms(alert.data.utterances, ends)
        behind = ", ".join(str(numbers[one]) for one in alert.data.utterances if one in numbers)
        severity = str(alert.data.severity)
        where = f" at {position(at_ms)}" if at_ms is not None else ""
        parts.append(
            f'<div class="alert {severity}"><strong>▲ {severity}: {text(alert.data.rule)}</strong>{where}, '
            f"{name(alert.data.role)}. {text(alert.data.message)} "
            f'<span class="soft">{f"Behind it: utterances {behind}." if behind else ""}</span></div>'
        )
    return "".join(parts)


def _utterances(result: CallResult) -> str:
    said = result.analysed.utterances
    if not said:
        return f"<h2>Utterances</h2><p>{_why_none(result)}</p>"
    known = [one for one in EMOTIONS if any(one in event.data.emotion.scores for event in said)]
    columns = (
        *(("no.", True), ("party", False), ("from", True), ("to", True), ("verdict", False)),
        *((one, True) for one in known),
        *(("SNR", True), ("clipped", True), ("lost", True), ("ended by", False)),
    )
    failed = result.analysed.not_judged
    more = f"<p>The model failed on {failed} more; no verdict was made up for them.</p>" if failed else ""
    heading = table(
        "Utterances and scores. Scores are probabilities; SNR is how far speech stands above the noise",
        columns,
        (_row(one, known) for one in said),
    )
    return f"<h2>Utterances</h2>{heading}{more}"


def _row(event: UtteranceEvent, known: list[str]) -> list[tuple[str, str]]:
    spoken, emotion, quality = event.data.utterance, event.data.emotion, event.data.quality
    verdict = mark(emotion.top, uncertain=emotion.uncertain)
    verdict += f"uncertain ({text(emotion.top)}?)" if emotion.uncertain else text(emotion.top)
    return [
        (str(spoken.n), "n"),
        (name(event.data.speaker.role), ""),
        (position(spoken.start_ms), "n"),
        (position(spoken.end_ms), "n"),
        (verdict, "verdict"),
        *((f"{emotion.scores.get(one, 0):.0%}", "n top" if one == emotion.top else "n") for one in known),
        (f"{quality.snr_db:.0f} dB", "n"),
        (f"{quality.clipped:.1%}", "n"),
        (f"{quality.lost_ms} ms", "n"),
        (_CUTS.get(str(spoken.cut), text(spoken.cut)), ""),
    ]


def _why_none(result: CallResult) -> str:
    if not any(one.analysed for one in result.analysed.ended.data.speakers):
        return "None: nobody in this call is analysed by the configuration (emotion.analyse)."
    if not result.analysed.notice and result.analysed.ended.data.speakers:
        return "None: no speech was long enough for one, or a notice is required and was not said for this call."
    return "None: no speech was long enough for one."


def _party(one: SpeakerSummary, everyone: tuple[SpeakerSummary, ...]) -> list[tuple[str, str]]:
    total_ms = sum(other.talk_ms for other in everyone)
    return [
        (length(one.talk_ms), "n"),
        (length(one.silence_ms), "n"),
        (f"{one.talk_ms / total_ms:.0%}" if total_ms else "", "n"),
        (f"{one.loudness_dbfs:.0f} dBFS" if one.loudness_dbfs is not None else "", "n"),
        (f"{one.syllables_per_s:.1f} syllables/s" if one.syllables_per_s is not None else "", "n"),
        (f"{one.lost_ms} ms", "n"),
    ]


def _made(result: CallResult, ways: Ways) -> str:
    done = datetime.fromtimestamp(result.done_s, UTC)
    roles = ", ".join(map(str, ways.analyse)) or "nobody"
    basis = f" Stated lawful basis: {text(ways.lawful_basis)}." if ways.lawful_basis else ""
    told = "yes" if result.analysed.notice else "not said"
    return (
        '<h2>What this is, and is not</h2><div class="not"><p><strong>This is a machine\'s estimate of how a voice '
        "sounded. It is never a decision, and must not be made into one without a person who listens.</strong> It does "
        "not say what anybody felt, meant or said, and it is wrong at times, more often for voices and lines unlike "
        "those that the model learnt from. An uncertain utterance is no verdict.</p></div>"
        f"<p>Model {text(ways.model)} {text(ways.model_version)}, sha256 <code>{text(ways.model_sha256)}</code>, "
        f"by emotion-streamer {text(ways.program)} on {done:%Y-%m-%d %H:%M} UTC. Analysed: {text(roles)}.{basis} "
        f"People were told (notice): {told}. An utterance ends after {ways.speech.hangover_ms} ms of silence and has "
        f"{ways.speech.min_speech_ms} ms of speech or more; each is judged against the same caller's earlier speech in "
        "this call only.</p>"
    )
