// Who spoke for how long, and how good the audio was, as figures. It must never name an emotion.
import { el } from "../shared/dom.js";
import { capital, count, duration } from "./format.js";
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;
function stat(name, value, more = "") {
    return el("div", {}, el("dt", {}, name), el("dd", {}, value, more && el("small", {}, ` ${more}`)));
}
/** Items of a list of definitions. */
export function qualityOf(rows) {
    if (!rows.length)
        return [stat("Utterances", "none yet")];
    const snr = rows.map((row) => row.quality.snr_db);
    const clipped = Math.max(...rows.map((row) => row.quality.clipped));
    const lost = rows.reduce((sum, row) => sum + row.quality.lost_ms, 0);
    const unsure = rows.filter((row) => row.uncertain).length;
    return [
        stat("Speech over noise", `${median(snr).toFixed(0)} dB`, `median; lowest ${Math.min(...snr).toFixed(0)} dB`),
        stat("Clipped", `${(clipped * 100).toFixed(1)} %`, "of samples, in the worst utterance"),
        stat("Lost audio", `${(lost / 1000).toFixed(2)} s`, "never arrived, heard as silence"),
        stat("Uncertain", `${unsure} of ${rows.length}`, "verdicts the model does not stand by"),
    ];
}
/** A table, or why there is none yet. */
export function speakersOf({ call, summary, utterances }) {
    if (!summary) {
        const spoken = utterances.reduce((sum, row) => sum + row.speech_ms, 0);
        return el("div", {}, el("p", {}, `${count(utterances.length, "utterance")}, ${duration(spoken)} of speech so far.`), el("p", { class: "quiet" }, call.status === "live" ? "Talk time, silence and overlap come with the end of the call." : "No summary came."));
    }
    const { speakers } = summary;
    const line = (name, of) => el("tr", {}, el("th", { scope: "row" }, name), ...speakers.map((speaker) => el("td", {}, of(speaker))));
    return el("table", {}, el("thead", {}, el("tr", {}, el("td"), ...speakers.map((speaker) => el("th", { scope: "col" }, capital(speaker.role))))), el("tbody", {}, line("Talk", (of) => duration(of.talk_ms)), line("Silence", (of) => duration(of.silence_ms)), line("Loudness", (of) => (of.loudness_dbfs === null ? "–" : `${of.loudness_dbfs.toFixed(0)} dBFS`)), line("Syllables", (of) => (of.syllables_per_s === null ? "–" : `${of.syllables_per_s.toFixed(1)} /s`)), line("Lost audio", (of) => `${(of.lost_ms / 1000).toFixed(2)} s`), line("Emotion", (of) => (of.analysed ? `${of.utterances} judged` : "not analysed")), el("tr", {}, el("th", { scope: "row" }, "Both at once"), el("td", { colspan: speakers.length }, duration(summary.overlap_ms)))));
}
