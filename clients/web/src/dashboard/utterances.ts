// Every utterance of a call with every figure, in a table; a line is made once. It must never show a score that no event
// carries.
import { el, setText } from "../shared/dom.js";
import { glyph, look, ORDER } from "../shared/emotions.js";
import { capital, position } from "./format.js";
import { verdictOf } from "./timeline.js";
import type { UtteranceRow } from "./wire.js";

const CUTS: Readonly<Record<string, string>> = {
  silence: "silence",
  max_length: "longest length",
  gap: "missing audio",
  end_of_call: "end of call",
};

export class Utterances {
  readonly element: HTMLElement;
  /** What judged; stands above the table. */
  readonly model = el("p", { class: "quiet" });
  private readonly head = el("tr");
  private readonly body = el("tbody");
  private readonly rows = new Map<string, HTMLElement>();

  /** @param choose Asked for with the id of the utterance. */
  constructor(private readonly choose: (id: string) => void) {
    this.element = el(
      "div",
      { class: "table-box", role: "region", tabindex: 0, "aria-label": "Every utterance" },
      el("table", { class: "utterances" }, el("thead", {}, this.head), this.body),
    );
  }

  show(utterances: readonly UtteranceRow[]): void {
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
      if (this.body.children[index] !== line) this.body.insertBefore(line, this.body.children[index] ?? null);
    });
  }
}

function modelsOf(rows: readonly UtteranceRow[]): string {
  const models = [...new Set(rows.map((row) => row.model))];
  const from = models.length ? `Estimates of the model ${models.join(", ")}` : "Estimates of a model";
  return `${from}, from the sound of the voice alone. Figures are probabilities in %.`;
}

function headOf(named: readonly string[]): HTMLElement[] {
  const head = (name: string, className = ""): HTMLElement => el("th", { scope: "col", class: className || null }, name);
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

function lineOf(row: UtteranceRow, named: readonly string[], choose: () => void): HTMLElement {
  const number = (text: string): HTMLElement => el("td", { class: "num" }, text);
  const where = el("button", { type: "button", class: "plain" }, `${position(row.start_ms)} – ${position(row.end_ms)}`);
  where.addEventListener("click", choose);
  return el(
    "tr",
    { class: row.uncertain ? "unsure" : null },
    el("td", {}, capital(row.role)),
    number(String(row.n)),
    el("td", {}, where),
    el("td", { class: "verdict" }, glyph(row.emotion, row.uncertain), el("span", {}, verdictOf(row))),
    ...named.map((emotion) => number(String(Math.round((row.scores[emotion] ?? 0) * 100)))),
    number(`${row.quality.snr_db.toFixed(0)} dB`),
    number(`${(row.quality.clipped * 100).toFixed(1)} %`),
    number(`${row.quality.lost_ms} ms`),
    el("td", {}, CUTS[row.cut] ?? row.cut),
  );
}
