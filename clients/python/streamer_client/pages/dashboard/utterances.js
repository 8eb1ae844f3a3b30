// Every utterance of a call with every figure, in a table; a line is made once. It must never show a score that no event
// carries.
import { el, setText } from "../shared/dom.js";
import { glyph, look, ORDER } from "../shared/emotions.js";
import { capital, position } from "./format.js";
import { verdictOf } from "./timeline.js";
const CUTS = {
    silence: "silence",
    max_length: "longest length",
    gap: "missing audio",
    end_of_call: "end of call",
};
export class Utterances {
    choose;
    element;
    /** What judged; stands above the table. */
    model = el("p", { class: "quiet" });
    head = el("tr");
    body = el("tbody");
    rows = new Map();
    /** @param choose Asked for with the id of the utterance. */
    constructor(choose) {
        this.choose = choose;
        this.element = el("div", { class: "table-box", role: "region", tabindex: 0, "aria-label": "Every utterance" }, el("table", { class: "utterances" }, el("thead", {}, this.head), this.body));
    }
    show(utterances) {
        setText(this.model, modelsOf(utterances));
        const named = ORDER.filter((emotion) => utterances.some((row) => emotion in row.scores));
        const state = named.join();
        if (this.head.dataset["state"] !== state) {
            this.head.dataset["state"] = state;
            this.head.replaceChildren(...headOf(named));
            this.body.replaceChildren();
            this.rows.clear();
        }
        utterances.forEach((row, index) => {
            let line = this.rows.get(row.id);
            if (!line) {
                line = lineOf(row, named, () => {
                    this.choose(row.id);
                });
                this.rows.set(row.id, line);
            }
            if (this.body.children[index] !== line)
                this.body.insertBefore(line, this.body.children[index] ?? null);
        });
    }
}
function modelsOf(rows) {
    const models = [...new Set(rows.map((row) => row.model))];
    const from = models.length ? `Estimates of the model ${models.join(", ")}` : "Estimates of a model";
    return `${from}, from the sound of the voice alone. Figures are probabilities in %.`;
}
function headOf(named) {
    const head = (name, className = "") => el("th", { scope: "col", class: className || null }, name);
    return [
        head("Party"),
        head("No.", "num"),
        head("From – to"),
        head("Verdict"),
        ...named.map((emotion) => head(capital(look(emotion).word), "num")),
        head("SNR", "num"),
        head("Clipped", "num"),
        head("Lost", "num"),
        head("Ended by"),
    ];
}
function lineOf(row, named, choose) {
    const number = (text) => el("td", { class: "num" }, text);
    const where = el("button", { type: "button", class: "plain" }, `${position(row.start_ms)} – ${position(row.end_ms)}`);
    where.addEventListener("click", choose);
    return el("tr", { class: row.uncertain ? "unsure" : null }, el("td", {}, capital(row.role)), number(String(row.n)), el("td", {}, where), el("td", { class: "verdict" }, glyph(row.emotion, row.uncertain), el("span", {}, verdictOf(row))), ...named.map((emotion) => number(String(Math.round((row.scores[emotion] ?? 0) * 100)))), number(`${row.quality.snr_db.toFixed(0)} dB`), number(`${(row.quality.clipped * 100).toFixed(1)} %`), number(`${row.quality.lost_ms} ms`), el("td", {}, CUTS[row.cut] ?? row.cut));
}
