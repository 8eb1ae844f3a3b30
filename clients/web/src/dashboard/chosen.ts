// The utterance that one has chosen on the timeline, large: its verdict and every score. It must never show an uncertain
// one as if it were sure.
import { el } from "../shared/dom.js";
import { glyph, look } from "../shared/emotions.js";
import { capital, clock, percent, position } from "./format.js";
import { verdictOf } from "./timeline.js";
import type { UtteranceRow } from "./wire.js";

export function chosenOf(row: UtteranceRow): HTMLElement[] {
  const scores = Object.entries(row.scores).sort(([, a], [, b]) => b - a);
  return [
    el(
      "div",
      { class: "chosen-head" },
      glyph(row.emotion, row.uncertain, "glyph big"),
      el(
        "div",
        {},
        el("p", { class: "chosen-word" }, capital(verdictOf(row))),
        el(
          "p",
          { class: "quiet" },
          `${capital(row.role)} · ${position(row.start_ms)} to ${position(row.end_ms)} · ${clock(row.time)} · ` +
            `SNR\u00a0${row.quality.snr_db.toFixed(0)}\u00a0dB`,
        ),
      ),
    ),
    el(
      "ul",
      { class: "scores" },
      ...scores.map(([emotion, score]) => {
        const bar = el("meter", { min: 0, max: 1, value: score, "aria-label": `${look(emotion).word} ${percent(score)}` });
        return el("li", {}, glyph(emotion), el("span", {}, look(emotion).word), bar, el("span", { class: "num" }, percent(score)));
      }),
    ),
  ];
}
