// One call's page: what was heard of it when, alerts, how good the audio was, who spoke for how long, and every figure
// in a table. It must never name an emotion of a party that is not analysed.
import { Card } from "./alerts.js";
import { callDetail, Refused } from "./api.js";
import { byId, el, setAttribute, setText } from "./dom.js";
import { glyph, look, ORDER } from "./emotions.js";
import { capital, clock, count, duration, percent, position } from "./format.js";
import { Timeline, verdictOf } from "./timeline.js";
import type { Alert, Call, CallDetail, SpeakerSummary, UtteranceRow } from "./wire.js";

const CUTS: Readonly<Record<string, string>> = {
  silence: "silence",
  max_length: "longest length",
  gap: "missing audio",
  end_of_call: "end of call",
};
const REASONS: Readonly<Record<string, string>> = {
  stop: "hung up",
  disconnected: "connection lost",
  idle: "nothing came any more",
  draining: "server was stopped",
  error: "an error",
  withdrawn: "the person objected",
  lost: "server was lost, no summary came",
};

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;

export class CallPage {
  private readonly box = byId("call");
  private readonly cards = new Map<string, Card>();
  private readonly rows = new Map<string, HTMLElement>();
  private detail: CallDetail | null = null;
  private asked = 0;
  private waiting = false;
  private shown = "";
  private parts: ReturnType<CallPage["build"]> | null = null;

  constructor(
    private readonly now: () => number,
    private readonly onTaken: (alert: Alert) => void,
    private readonly onProblem: (problem: unknown) => void,
  ) {}

  /** Show this call, from nothing. */
  open(tenant: string, id: string): void {
    const key = `${tenant}/${id}`;
    if (this.shown !== key) {
      this.close();
      this.shown = key;
      this.box.replaceChildren(back(), el("h1", { id: "call-title" }, id), el("p", { class: "quiet" }, "Asking for it …"));
    }
    void this.load(tenant, id);
  }

  close(): void {
    this.shown = "";
    this.detail = null;
    this.parts = null;
    this.cards.clear();
    this.rows.clear();
    this.box.replaceChildren();
  }

  /** Something of this call has changed. */
  changed(tenant: string, id: string): void {
    if (this.shown === `${tenant}/${id}`) void this.load(tenant, id);
  }

  gone(tenant: string, id: string): void {
    if (this.shown !== `${tenant}/${id}`) return;
    this.close();
    this.shown = `${tenant}/${id}`;
    this.box.replaceChildren(
      back(),
      el("h1", { id: "call-title" }, "This call is not here"),
      el("p", {}, "It is not known any more: the person objected to the analysis, or it ended longer ago than the dashboard keeps calls."),
    );
  }

  tick(): void {
    if (!this.detail || !this.parts) return;
    setText(this.parts.status, statusOf(this.detail.call, this.now()));
    for (const card of this.cards.values()) card.tick(this.now());
  }

  private async load(tenant: string, id: string): Promise<void> {
    if (this.waiting) {
      this.asked += 1;
      return;
    }
    this.waiting = true;
    const asked = this.asked;
    try {
      const detail = await callDetail(tenant, id);
      if (this.shown === `${tenant}/${id}`) this.show(detail);
    } catch (problem) {
      if (problem instanceof Refused && problem.status === 404) this.gone(tenant, id);
      else this.onProblem(problem);
    } finally {
      this.waiting = false;
    }
    const [shownTenant = "", ...rest] = this.shown.split("/");
    if (asked !== this.asked && this.shown) void this.load(shownTenant, rest.join("/"));
  }

  private build() {
    const chosen = el("div", { class: "chosen panel", id: "chosen" });
    const timeline = new Timeline((row) => {
      chosen.replaceChildren(...chosenOf(row));
    });
    const parts = {
      status: el("span", { class: "status" }),
      facts: el("ul", { class: "facts" }),
      alerts: el("ul", { class: "alert-list" }),
      timeline,
      chosen,
      quality: el("dl", { class: "stats" }),
      speakers: el("div", { class: "table-box", role: "region", tabindex: 0, "aria-label": "Who spoke for how long" }),
      head: el("tr"),
      body: el("tbody"),
      model: el("p", { class: "quiet" }),
      title: el("h1", { id: "call-title", class: "call-title" }),
    };
    this.box.replaceChildren(
      back(),
      el("div", { class: "call-head" }, parts.title, parts.status),
      parts.facts,
      parts.alerts,
      el("h2", {}, "On the call's clock"),
      el(
        "p",
        { class: "quiet" },
        "Wide as it lasted, high as the model was sure; hatched where it was not. Arrow keys go from one to the next.",
      ),
      timeline.element,
      chosen,
      el(
        "div",
        { class: "pair" },
        el("section", { class: "panel" }, el("h2", {}, "Who spoke"), parts.speakers),
        el("section", { class: "panel" }, el("h2", {}, "Audio of the verdicts"), parts.quality),
      ),
      el("h2", {}, "Every utterance"),
      parts.model,
      el(
        "div",
        { class: "table-box", role: "region", tabindex: 0, "aria-label": "Every utterance" },
        el("table", { class: "utterances" }, el("thead", {}, parts.head), parts.body),
      ),
    );
    return parts;
  }

  private show(detail: CallDetail): void {
    this.detail = detail;
    this.parts ??= this.build();
    const { parts } = this;
    const { call, utterances } = detail;
    setText(parts.title, call.id);
    setAttribute(parts.status, "class", `status ${call.status}`);
    parts.facts.replaceChildren(...factsOf(call).map((fact) => el("li", {}, fact)));
    for (const alert of [...detail.alerts].sort((a, b) => Number(a.acknowledged !== null) - Number(b.acknowledged !== null))) {
      let card = this.cards.get(alert.id);
      if (!card) {
        card = new Card(alert, this.onTaken, false);
        this.cards.set(alert.id, card);
        parts.alerts.append(card.element);
      }
      card.show(alert, this.now());
    }
    parts.timeline.show(detail);
    const last = utterances.at(-1);
    if (!parts.chosen.hasChildNodes()) parts.chosen.replaceChildren(...(last ? chosenOf(last) : [el("p", { class: "quiet" }, "Nothing has been said yet.")]));
    parts.quality.replaceChildren(...qualityOf(utterances));
    parts.speakers.replaceChildren(speakersOf(detail));
    setText(parts.model, modelsOf(utterances));
    this.fill(utterances);
    this.tick();
  }

  private fill(utterances: readonly UtteranceRow[]): void {
    const { parts } = this;
    if (!parts) return;
    const named = ORDER.filter((emotion) => utterances.some((row) => emotion in row.scores));
    const state = named.join();
    if (parts.head.dataset["state"] !== state) {
      parts.head.dataset["state"] = state;
      parts.head.replaceChildren(...headOf(named));
      parts.body.replaceChildren();
      this.rows.clear();
    }
    utterances.forEach((row, index) => {
      let line = this.rows.get(row.id);
      if (!line) {
        line = lineOf(row, named, () => {
          parts.timeline.choose(row.id);
        });
        this.rows.set(row.id, line);
      }
      if (parts.body.children[index] !== line) parts.body.insertBefore(line, parts.body.children[index] ?? null);
    });
  }
}

const back = (): HTMLElement => el("a", { class: "back", href: "#/" }, "← All calls");

function statusOf(call: Call, now: number): string {
  if (call.status === "live") return `live ${duration(now - (Date.parse(call.started) || now))}`;
  const reason = REASONS[call.ended_reason] ?? call.ended_reason;
  return `ended${call.ended ? ` ${clock(call.ended)}` : ""} after ${duration(call.duration_ms)}${reason ? `: ${reason}` : ""}`;
}

function factsOf(call: Call): string[] {
  const others = call.roles.filter((role) => !call.analysed.includes(role));
  const facts = [
    `Began ${clock(call.started)}`,
    call.dialect,
    ...(call.tenant === "default" ? [] : [`tenant ${call.tenant}`]),
    ...Object.entries(call.labels).map(([name, value]) => `${name}: ${value}`),
    call.analysed.length ? `${call.analysed.map(capital).join(", ")} analysed` : "Nobody analysed",
    ...others.map((role) => `${capital(role)} not analysed`),
    call.notice ? "Notice given" : "No notice recorded",
  ];
  if (call.lawful_basis) facts.push(`Lawful basis stated: ${call.lawful_basis}`);
  return facts;
}

function chosenOf(row: UtteranceRow): HTMLElement[] {
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

function stat(name: string, value: string, more = ""): HTMLElement {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value, more && el("small", {}, ` ${more}`)));
}

function qualityOf(rows: readonly UtteranceRow[]): HTMLElement[] {
  if (!rows.length) return [stat("Utterances", "none yet")];
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

function speakersOf({ call, summary, utterances }: CallDetail): HTMLElement {
  if (!summary) {
    const spoken = utterances.reduce((sum, row) => sum + row.speech_ms, 0);
    return el(
      "div",
      {},
      el("p", {}, `${count(utterances.length, "utterance")}, ${duration(spoken)} of speech so far.`),
      el("p", { class: "quiet" }, call.status === "live" ? "Talk time, silence and overlap come with the end of the call." : "No summary came."),
    );
  }
  const { speakers } = summary;
  const line = (name: string, of: (speaker: SpeakerSummary) => string): HTMLElement =>
    el("tr", {}, el("th", { scope: "row" }, name), ...speakers.map((speaker) => el("td", {}, of(speaker))));
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, el("td"), ...speakers.map((speaker) => el("th", { scope: "col" }, capital(speaker.role))))),
    el(
      "tbody",
      {},
      line("Talk", (of) => duration(of.talk_ms)),
      line("Silence", (of) => duration(of.silence_ms)),
      line("Loudness", (of) => (of.loudness_dbfs === null ? "–" : `${of.loudness_dbfs.toFixed(0)} dBFS`)),
      line("Syllables", (of) => (of.syllables_per_s === null ? "–" : `${of.syllables_per_s.toFixed(1)} /s`)),
      line("Lost audio", (of) => `${(of.lost_ms / 1000).toFixed(2)} s`),
      line("Emotion", (of) => (of.analysed ? `${of.utterances} judged` : "not analysed")),
      el("tr", {}, el("th", { scope: "row" }, "Both at once"), el("td", { colspan: speakers.length }, duration(summary.overlap_ms))),
    ),
  );
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

