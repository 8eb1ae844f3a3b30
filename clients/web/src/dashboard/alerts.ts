// Alerts and who has taken them. A card is made once for each alert and keeps what a person is typing, whatever comes
// meanwhile. It must never take an alert by itself, nor hide one that nobody has taken.
import { acknowledge, Refused } from "./api.js";
import { byId, el, setAttribute, setText } from "../shared/dom.js";
import { capital, clock, count, span, words } from "./format.js";
import { callAddress } from "./row.js";
import { isWall } from "./settings.js";
import { rank, type State } from "./state.js";
import type { Alert } from "./wire.js";

const FIRST = 4; // two rows of two on a desk
const FIRST_NARROW = 2;
const FIRST_ON_WALL = 3;
const NOTE_LONGEST = 1000;
const SIGNS: Readonly<Record<string, string>> = { critical: "!!", warning: "!", info: "i" };

/** The sign of a severity: a shape and a mark, not only a colour. */
export const sign = (severity: string): HTMLElement =>
  el("span", { class: `sign ${SIGNS[severity] ? severity : "info"}`, "aria-hidden": "true" }, SIGNS[severity] ?? "i");

/** Who took it, when and what they noted. */
export function takenBy(alert: Alert): string {
  const { acknowledged } = alert;
  if (!acknowledged) return "";
  const late = Date.parse(acknowledged.time) - Date.parse(alert.time);
  const after = Number.isNaN(late) ? "" : `, after ${span(late)}`;
  return `Taken by ${acknowledged.by} at ${clock(acknowledged.time)}${after}${acknowledged.note ? `: ${acknowledged.note}` : ""}`;
}

export class Card {
  readonly element: HTMLLIElement;
  private readonly ago = el("span", { class: "ago" });
  private readonly take = el("button", { type: "button", class: "primary take" }, "Take it");
  private readonly note: HTMLTextAreaElement;
  private readonly form: HTMLFormElement;
  private readonly error = el("p", { class: "error", role: "alert" });
  private readonly done = el("p", { class: "taken" });
  private readonly buttons: HTMLElement;

  constructor(
    private alert: Alert,
    private readonly onTaken: (alert: Alert) => void,
    withCall = true,
  ) {
    const id = `note-${Card.next++}`;
    this.note = el("textarea", { id, rows: 2, maxlength: NOTE_LONGEST, placeholder: "What was done (optional)" });
    this.form = el(
      "form",
      { class: "take-form", hidden: true },
      el("label", { for: id }, "Note"),
      this.note,
      el(
        "div",
        { class: "buttons" },
        el("button", { type: "submit", class: "primary" }, "Acknowledge"),
        this.cancelButton(),
      ),
    );
    const look = el("a", { href: callAddress(alert.tenant, alert.call) }, alert.call);
    this.buttons = el("div", { class: "buttons" }, this.take);
    setAttribute(this.take, "aria-label", `Take it: ${alert.severity} alert, ${words(alert.rule)}, call ${alert.call}`);
    this.element = el(
      "li",
      { class: `alert ${SIGNS[alert.severity] ? alert.severity : "info"}` },
      sign(alert.severity),
      el(
        "div",
        { class: "alert-body" },
        el(
          "p",
          { class: "alert-head" },
          el("b", {}, capital(alert.severity)),
          el("span", { class: "alert-rule" }, words(alert.rule)),
          el("span", { class: "alert-call" }, capital(alert.role), withCall && " of ", withCall && look),
          this.ago,
        ),
        el("p", { class: "alert-message" }, alert.message),
        this.done,
        this.form,
        this.error,
      ),
      this.buttons,
    );
    this.take.addEventListener("click", () => {
      this.open();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        this.close();
      } else if (event.key === "Enter" && !event.shiftKey && event.target === this.note) {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
  }

  private static next = 1;

  show(alert: Alert, now: number): void {
    this.alert = alert;
    const taken = alert.acknowledged !== null;
    setAttribute(this.take, "hidden", taken);
    if (taken) setAttribute(this.form, "hidden", true);
    setText(this.done, takenBy(alert));
    setAttribute(this.done, "hidden", !taken);
    this.element.classList.toggle("is-taken", taken);
    this.tick(now);
  }

  tick(now: number): void {
    setText(this.ago, `${clock(this.alert.time)} · ${span(now - Date.parse(this.alert.time))} ago`);
  }

  focus(): void {
    (this.take.hidden ? this.element.querySelector("a") : this.take)?.focus();
  }

  get isFocused(): boolean {
    return this.element.contains(document.activeElement);
  }

  private cancelButton(): HTMLButtonElement {
    const cancel = el("button", { type: "button" }, "Not yet");
    cancel.addEventListener("click", () => {
      this.close();
    });
    return cancel;
  }

  private open(): void {
    setAttribute(this.form, "hidden", false);
    setAttribute(this.take, "hidden", true);
    this.note.focus();
  }

  private close(): void {
    setAttribute(this.form, "hidden", true);
    setAttribute(this.take, "hidden", this.alert.acknowledged !== null);
    this.take.focus();
  }

  private async send(): Promise<void> {
    const controls = this.form.querySelectorAll<HTMLButtonElement | HTMLTextAreaElement>("button, textarea");
    for (const control of controls) control.disabled = true;
    setText(this.error, "");
    try {
      this.onTaken(await acknowledge(this.alert.id, this.note.value.replace(/\s+/g, " ").trim()));
    } catch (problem) {
      if (problem instanceof Refused && problem.refusal.acknowledged) {
        this.onTaken({ ...this.alert, acknowledged: problem.refusal.acknowledged });
      } else setText(this.error, `Not acknowledged: ${problem instanceof Error ? problem.message : String(problem)}`);
    } finally {
      for (const control of controls) control.disabled = false;
    }
  }
}

/** The alerts of the floor. */
export class Alerts {
  private readonly cards = new Map<string, Card>();
  private readonly open = byId<HTMLUListElement>("alerts-open");
  private readonly more = byId<HTMLButtonElement>("alerts-more");
  private all = false;

  constructor(
    private readonly state: State,
    private readonly now: () => number,
    private readonly onTaken: (alert: Alert) => void,
  ) {
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this.draw();
    });
  }

  draw(): void {
    const open = this.state.open();
    const narrow = matchMedia("(max-width: 40rem)").matches;
    const few = isWall() ? FIRST_ON_WALL : narrow ? FIRST_NARROW : FIRST;
    const shown = this.all && !isWall() ? [...open] : open.slice(0, few);
    const keep = new Set(shown.map((alert) => alert.id));
    for (const [id, card] of this.cards) {
      const known = this.state.alerts.get(id);
      if (keep.has(id)) continue;
      if (known && !known.acknowledged && card.isFocused) {
        shown.push(known); // a more severe one has come, but somebody is at this one
        continue;
      }
      const focused = card.isFocused;
      card.element.remove();
      this.cards.delete(id);
      if (focused) this.focusAfter();
    }
    shown.forEach((alert, index) => {
      let card = this.cards.get(alert.id);
      if (!card) {
        card = new Card(alert, this.onTaken);
        this.cards.set(alert.id, card);
      }
      card.show(alert, this.now());
      const there = this.open.children[index];
      // moving an element takes its focus away: the others are moved around it
      if (there !== card.element && !card.isFocused) this.open.insertBefore(card.element, there ?? null);
    });
    this.says(open, shown.length, few);
  }

  tick(): void {
    for (const [id, card] of this.cards) if (this.state.alerts.has(id)) card.tick(this.now());
  }

  /** To the first open alert, or the next after the one in focus. */
  focusNext(): void {
    const cards = [...this.open.children].map((item) => [...this.cards.values()].find((card) => card.element === item));
    const at = cards.findIndex((card) => card?.isFocused);
    cards[(at + 1) % cards.length]?.focus();
  }

  private focusAfter(): void {
    const next = this.open.querySelector<HTMLElement>("button:not([hidden])");
    (next ?? byId("main")).focus();
  }

  private says(open: readonly Alert[], shown: number, few: number): void {
    const worst = open[0];
    setText(byId("alerts-title"), open.length ? count(open.length, "open alert") : "Alerts");
    setAttribute(byId("alerts"), "data-worst", worst ? Math.min(rank(worst.severity), 2) : null);
    setAttribute(byId("alerts-none"), "hidden", open.length > 0);
    setAttribute(this.more, "hidden", open.length <= few);
    setText(this.more, this.all ? `Show ${few}` : `Show all ${open.length}`);
    setText(byId("alerts-rest"), open.length > shown ? `and ${open.length - shown} more` : "");
    const taken = this.state.taken();
    setAttribute(byId("alerts-done"), "hidden", taken.length === 0);
    setText(byId("alerts-done-title"), `${count(taken.length, "alert")} taken care of`);
    const list = byId("alerts-taken");
    const latest = taken.slice(0, 20);
    const state = latest.map((alert) => alert.id + (alert.acknowledged?.time ?? "")).join("\n");
    if (list.dataset["state"] === state) return;
    list.dataset["state"] = state;
    list.replaceChildren(
      ...latest.map((alert) =>
        el(
          "li",
          {},
          sign(alert.severity),
          el("a", { href: callAddress(alert.tenant, alert.call) }, `${words(alert.rule)}, ${alert.call}`),
          el("span", {}, takenBy(alert)),
        ),
      ),
    );
  }
}
