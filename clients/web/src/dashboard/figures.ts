// What one sees from across the room: how many calls, how many alerts, and how the callers sound now. Each emotion's
// figure is a button that filters the list. It must never count a verdict that the model calls uncertain as an emotion.
import { byId, el, setAttribute, setText } from "../shared/dom.js";
import { glyph, look, ORDER } from "../shared/emotions.js";
import { span } from "./format.js";
import { latest, type State } from "./state.js";

interface Tile {
  readonly element: HTMLElement;
  readonly value: HTMLElement;
}

export class Figures {
  private readonly tiles = new Map<string, Tile>();
  private readonly worst = el("small");
  private readonly longest = el("small");

  constructor(
    private readonly state: State,
    private readonly now: () => number,
    onFilter: (words: string) => void,
  ) {
    const big = (name: string, caption: string, more: Node): HTMLElement => {
      const value = el("b");
      const element = el("div", { class: `figure big ${name}` }, value, el("span", {}, caption), more);
      this.tiles.set(name, { element, value });
      return element;
    };
    const mood = (name: string, words: string, uncertain: boolean): HTMLElement => {
      const value = el("b");
      const picture = glyph(uncertain ? "other" : name, uncertain);
      const element = el("button", { type: "button", class: "mood", title: `Show only these: ${words}` }, picture, value, el("span", {}, words));
      element.addEventListener("click", () => {
        onFilter(words);
      });
      this.tiles.set(name, { element, value });
      return element;
    };
    byId("figures").append(
      big("live", "calls live", this.longest),
      big("open", "open alerts", this.worst),
      el(
        "div",
        { class: "moods", role: "group", "aria-label": "How the latest utterance of each live call sounded" },
        el("p", { class: "moods-title" }, "Latest utterance of each live call"),
        ...ORDER.map((emotion) => mood(emotion, look(emotion).word, false)),
        mood("uncertain", "uncertain", true),
      ),
    );
  }

  draw(): void {
    const counts = new Map<string, number>();
    let live = 0;
    let first = this.now();
    for (const call of this.state.calls.values()) {
      if (call.status !== "live") continue;
      live += 1;
      first = Math.min(first, Date.parse(call.started) || first);
      const last = latest(call);
      if (last) {
        const name = last.uncertain ? "uncertain" : last.emotion;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }
    const open = this.state.open();
    const critical = open.filter((alert) => alert.severity === "critical").length;
    this.set("live", live);
    setText(this.longest, live ? `longest ${span(this.now() - first)}` : "none in progress");
    this.set("open", open.length);
    setText(this.worst, critical ? `${critical} critical` : open.length ? "none critical" : "all taken care of");
    setAttribute(byId("figures"), "data-worst", open.length ? (critical ? "critical" : "warning") : null);
    for (const name of [...ORDER, "uncertain"]) this.set(name, counts.get(name) ?? 0);
    // a model that does not know surprise never names it: no empty tile then
    const surprise = this.tiles.get("surprise");
    if (surprise) setAttribute(surprise.element, "hidden", !counts.get("surprise"));
  }

  private set(name: string, n: number): void {
    const tile = this.tiles.get(name);
    if (!tile) return;
    setText(tile.value, n.toLocaleString("en"));
    tile.element.classList.toggle("zero", n === 0);
  }
}
