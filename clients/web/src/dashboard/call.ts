// One call's page: what was heard of it when, alerts, how good the audio was, who spoke for how long, and every figure
// in a table. It must never name an emotion of a party that is not analysed.
import { byId, el, setAttribute, setText } from "../shared/dom.js";
import { Card } from "./alerts.js";
import { callDetail, Refused } from "./api.js";
import { chosenOf } from "./chosen.js";
import { factsOf, statusOf } from "./facts.js";
import { qualityOf, speakersOf } from "./speakers.js";
import { Timeline } from "./timeline.js";
import { Utterances } from "./utterances.js";
import type { Alert, CallDetail } from "./wire.js";

export class CallPage {
  private readonly box = byId("call");
  private readonly cards = new Map<string, Card>();
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
      table: new Utterances((id) => {
        timeline.choose(id);
      }),
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
      parts.table.model,
      parts.table.element,
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
    parts.table.show(utterances);
    this.tick();
  }
}

const back = (): HTMLElement => el("a", { class: "back", href: "#/" }, "← All calls");
