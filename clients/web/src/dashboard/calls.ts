// The list of calls. However many there are, only those in sight are elements; the order is worked out once a second at
// most and held while a person is in the list, so that nothing jumps away under a finger. It must never lose the focus.
import { batched, byId, el, setAttribute, setText } from "../shared/dom.js";
import { count } from "./format.js";
import { Row } from "./row.js";
import { isWall } from "./settings.js";
import { keyOf, type Order, type State } from "./state.js";

const SORT_MS = 1000;
const HOLD_MS = 8000;
const AROUND = 6; // rows drawn beyond the window's edges

export class Calls {
  /** To be called after any change. */
  readonly update = batched(() => {
    this.draw();
  });
  private readonly list = byId("calls-list");
  private readonly filter = byId<HTMLInputElement>("filter");
  private readonly order = byId<HTMLSelectElement>("order");
  private readonly rows = new Map<string, Row>();
  private keys: string[] = [];
  private sorted = -Infinity;
  private touched = -Infinity;
  private again = 0;
  private height = 0;

  constructor(
    private readonly state: State,
    private readonly now: () => number,
  ) {
    const anew = (): void => {
      this.resort();
    };
    this.filter.addEventListener("input", anew);
    this.order.addEventListener("change", anew);
    for (const kind of ["pointermove", "focusin", "keydown"]) {
      this.list.addEventListener(kind, () => {
        this.touched = performance.now();
      });
    }
    addEventListener("scroll", this.update, { passive: true });
    addEventListener("resize", () => {
      this.height = 0;
      this.update();
    });
    new ResizeObserver(this.update).observe(byId("view-floor")); // what stands above may push the list
  }

  /** Put in order at once: a person has asked for it. */
  resort(): void {
    this.sorted = -Infinity;
    this.touched = -Infinity;
    this.height = 0;
    this.update();
  }

  /** Show only calls with these words; again: all. */
  show(words: string): void {
    this.filter.value = this.filter.value === words ? "" : words;
    this.resort();
  }

  focusFilter(): void {
    this.filter.focus();
    this.filter.select();
  }

  /** Move the focus by so many calls, and into the list from elsewhere. */
  step(by: number): void {
    const at = this.keys.findIndex((key) => this.rows.get(key)?.isFocused);
    const next = Math.max(0, Math.min(this.keys.length - 1, at < 0 ? 0 : at + by));
    const key = this.keys[next];
    if (key === undefined) return;
    this.touched = performance.now();
    const top = this.list.getBoundingClientRect().top + scrollY + next * this.height;
    const above = byId("top").offsetHeight + 8;
    if (top - above < scrollY) scrollTo({ top: top - above });
    else if (top + this.height > scrollY + innerHeight) scrollTo({ top: top + this.height - innerHeight + 48 });
    this.draw();
    this.rows.get(key)?.focus();
  }

  /** Once a second: lengths of calls move on. */
  tick(): void {
    for (const row of this.rows.values()) row.tick(this.now());
  }

  private arrange(): void {
    const at = performance.now();
    const held = at - this.touched < HOLD_MS && !isWall();
    const wait = Math.max(this.sorted + SORT_MS - at, held ? this.touched + HOLD_MS - at : 0);
    const sort = wait <= 0;
    if (sort) {
      const found = this.state.ordered(this.order.value as Order, this.filter.value);
      const kept = isWall() ? found.filter((call) => call.status === "live") : found;
      this.keys = kept.map((call) => keyOf(call.tenant, call.id));
      this.sorted = at;
    } else {
      this.keys = this.keys.filter((key) => this.state.calls.has(key));
      window.clearTimeout(this.again);
      this.again = window.setTimeout(this.update, wait + 1);
    }
    setAttribute(byId("calls-held"), "hidden", !held);
  }

  private draw(): void {
    if (this.list.offsetParent === null) return; // another view is shown
    this.arrange();
    this.measure();
    const top = this.list.getBoundingClientRect().top;
    const shown = isWall() ? this.fitting(top) : this.keys.length;
    const first = Math.max(0, Math.floor(-top / this.height) - AROUND);
    const last = Math.min(shown, Math.ceil((innerHeight - top) / this.height) + AROUND);
    this.list.style.height = `${shown * this.height}px`;
    const worst = this.state.worst();
    const many = new Set([...this.state.calls.values()].map((call) => call.tenant)).size > 1;
    const seen = new Set(this.keys.slice(first, last));
    for (const [key, row] of this.rows) {
      if (seen.has(key)) continue;
      if (row.isFocused && this.state.calls.has(key)) continue; // scrolled away: its place is kept for the focus
      row.element.remove();
      this.rows.delete(key);
    }
    const now = this.now();
    let after: Element | null = null;
    for (let index = first; index < last; index++) {
      const key = this.keys[index] ?? "";
      const call = this.state.calls.get(key);
      if (!call) continue;
      let row = this.rows.get(key);
      if (!row) {
        row = new Row();
        this.rows.set(key, row);
      }
      // Tab goes as the eye does. Moving an element takes its focus away: the others are moved around it.
      const expected: Element | null = after ? after.nextElementSibling : this.list.firstElementChild;
      if (row.element !== expected && !(row.isFocused && row.element.isConnected)) {
        this.list.insertBefore(row.element, expected);
      }
      after = row.element;
      row.show(call, worst.get(key), many, now);
      row.place(index, this.keys.length, index * this.height);
    }
    this.says(shown);
  }

  private says(shown: number): void {
    const live = [...this.state.calls.values()].filter((call) => call.status === "live").length;
    const ended = this.state.calls.size - live;
    const filtered = this.filter.value.trim() ? `${this.keys.length} of ` : "";
    setText(byId("calls-count"), `${filtered}${live} live${ended ? `, ${ended} ended lately` : ""}`);
    const none = this.keys.length === 0;
    setAttribute(byId("calls-none"), "hidden", !none);
    setText(
      byId("calls-none"),
      filtered ? "No call has these words. Esc clears the filter." : "No call in progress. The next one appears here by itself.",
    );
    const rest = this.keys.length - shown;
    setAttribute(byId("calls-rest"), "hidden", rest <= 0);
    setText(byId("calls-rest"), `and ${count(rest, "more call")}`);
  }

  /** How many rows a wall has room for: nobody scrolls there. */
  private fitting(top: number): number {
    const below = byId("foot").offsetHeight + 40;
    return Math.max(1, Math.min(this.keys.length, Math.floor((innerHeight - top - below) / this.height)));
  }

  private measure(): void {
    if (this.height) return;
    const sample = el("div", { class: "call" });
    this.list.append(sample);
    this.height = sample.getBoundingClientRect().height || 72;
    sample.remove();
  }
}
