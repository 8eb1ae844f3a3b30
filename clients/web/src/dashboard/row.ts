// One call as a line of the list: who, for how long, each party's emotion over time and now. Made once, then only what
// differs is touched. It must never show an emotion of a party that is not analysed.
import { el, setAttribute, setText } from "../shared/dom.js";
import { Glyph, inWords } from "../shared/emotions.js";
import { capital, duration } from "./format.js";
import { Trace } from "./trace.js";
import type { Call, Party } from "./wire.js";

const SEVERITY = ["critical", "warning", "info"];
const SIGNS = ["!!", "!", "i"];
const LANES = 2;

export const callAddress = (tenant: string, id: string): string =>
  `#/calls/${encodeURIComponent(tenant)}/${encodeURIComponent(id)}`;

/** `billing, DE`: what the operator has let through to say about a call. */
export const labelsOf = (call: Call): string => Object.values(call.labels).join(", ");

/** Why nothing is named of a party. */
export const notAnalysed = (role: string): string => `${capital(role)} not analysed`;

class Lane {
  readonly element = el("div", { class: "lane" });
  private readonly role = el("span", { class: "role" });
  private readonly trace = new Trace();
  private readonly now = el("span", { class: "now" });
  private readonly glyph = new Glyph("glyph now-glyph");
  private readonly word = el("span", { class: "now-word" });
  private readonly sure = el("span", { class: "now-sure" });

  constructor() {
    this.now.append(this.glyph.element, el("span", { class: "now-text" }, this.word, " ", this.sure));
    this.element.append(this.role, this.trace.element, this.now);
  }

  show(party: Party | undefined, analysed: boolean): void {
    setAttribute(this.element, "hidden", !party);
    if (!party) return;
    setAttribute(this.element, "class", analysed ? "lane" : "lane off");
    setText(this.role, analysed ? capital(party.role) : notAnalysed(party.role));
    setAttribute(this.trace.element, "class", analysed ? "trace" : "trace none");
    setAttribute(this.now, "hidden", !analysed);
    if (!analysed) return;
    this.trace.show(party.trace);
    const verdict = party.partial ?? party.last;
    const unsure = verdict?.uncertain ?? false;
    this.glyph.show(verdict?.emotion ?? null, unsure);
    setAttribute(this.now, "class", unsure ? "now unsure" : "now");
    const words = verdict ? inWords({ top: verdict.emotion, ...verdict }) : "nothing said yet";
    const cut = verdict && !unsure ? words.indexOf(" ") : words.indexOf(",");
    setText(this.word, verdict ? words.slice(0, cut) : words);
    setText(this.sure, verdict ? words.slice(cut).replace(/^,? /, "") + (party.partial ? " …" : "") : "");
  }
}

export class Row {
  readonly element: HTMLElement;
  private readonly link = el("a", { class: "call-id" });
  private readonly flag = el("span", { class: "flag" });
  private readonly about = el("span", { class: "about" });
  private readonly time = el("span", { class: "time" });
  private readonly box = el("div", { class: "lanes" });
  private readonly lanes = Array.from({ length: LANES }, () => new Lane());
  private call: Call | null = null;
  private severity = -1;
  private top = -1;

  constructor() {
    this.element = el(
      "div",
      { class: "call", role: "listitem" },
      this.flag,
      el("div", { class: "who" }, this.link, this.about),
      this.box,
      this.time,
    );
    this.box.append(...this.lanes.map((lane) => lane.element));
  }

  /**
   * @param severity rank of its worst open alert, or undefined
   * @param now server time in ms
   */
  show(call: Call, severity: number | undefined, many: boolean, now: number): void {
    const worst = severity ?? SEVERITY.length;
    if (call !== this.call || worst !== this.severity) {
      this.call = call;
      this.severity = worst;
      const name = SEVERITY[worst];
      const state = call.status === "ended" ? " ended" : "";
      setAttribute(this.element, "class", `call${state}${name ? ` ${name}` : ""}`);
      setText(this.flag, SIGNS[worst] ?? "");
      setAttribute(this.flag, "role", name ? "img" : null);
      setAttribute(this.flag, "aria-label", name ? `open ${name} alert` : null);
      setText(this.link, call.id);
      setAttribute(this.link, "href", callAddress(call.tenant, call.id));
      setAttribute(this.link, "title", call.id);
      setText(this.about, [many ? call.tenant : "", labelsOf(call) || call.dialect].filter(Boolean).join(" · "));
      // what is analysed comes first where there are more parties than lanes
      const parties = [...call.parties].sort(
        (a, b) => Number(call.analysed.includes(b.role)) - Number(call.analysed.includes(a.role)),
      );
      setAttribute(this.box, "class", call.analysed.length > 1 ? "lanes both" : "lanes");
      this.lanes.forEach((lane, index) => {
        const party = parties[index];
        lane.show(party, party !== undefined && call.analysed.includes(party.role));
      });
    }
    this.tick(now);
  }

  /** Only what moves with the clock. */
  tick(now: number): void {
    if (!this.call) return;
    const live = this.call.status === "live";
    const length = live ? now - (Date.parse(this.call.started) || now) : this.call.duration_ms;
    setText(this.time, live ? duration(length) : `ended ${duration(length)}`);
  }

  place(index: number, count: number, top: number): void {
    setAttribute(this.element, "aria-posinset", index + 1);
    setAttribute(this.element, "aria-setsize", count);
    if (top !== this.top) {
      this.top = top;
      this.element.style.transform = `translateY(${top}px)`;
    }
  }

  focus(): void {
    this.link.focus({ preventScroll: true });
  }

  get isFocused(): boolean {
    return this.element.contains(document.activeElement);
  }
}

