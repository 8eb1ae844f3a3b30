// Says whether what is shown is live: the dashboard's server there, the broker there, a server online; and since when
// not. It must never leave old figures looking like live ones.
import { byId, el, setAttribute, setText } from "../shared/dom.js";
import { clock, span } from "./format.js";
import type { BrokerState, ServerNode } from "./wire.js";

interface Trouble {
  readonly since: number;
  readonly words: string;
  readonly stale: boolean;
}

export class Links {
  private readonly troubles = new Map<string, Trouble>();
  private heard = false;

  constructor(
    private readonly now: () => number,
    private readonly say: (words: string) => void,
  ) {}

  server(reachable: boolean): void {
    this.heard ||= reachable;
    this.set("server", reachable ? "" : "The dashboard's server does not answer. It is tried again by itself.");
  }

  broker(state: BrokerState): void {
    const why = state.reason ? ` (${state.reason})` : "";
    const words = state.connected ? "" : `The dashboard's server has no connection to the broker${why}.`;
    this.set("broker", words, true, Date.parse(state.since) || this.now());
  }

  nodes(nodes: Iterable<ServerNode>): void {
    const all = [...nodes];
    const none = all.length > 0 && all.every((node) => node.status === "offline");
    const since = none ? Math.max(...all.map((node) => Date.parse(node.time) || 0)) : undefined;
    this.set("nodes", none ? "No Emotion Streamer is online: calls are not analysed." : "", false, since);
  }

  tick(): void {
    this.draw();
  }

  private set(name: string, words: string, stale = true, since = this.now()): void {
    const before = this.troubles.get(name);
    if (!words) {
      if (before && this.troubles.delete(name)) this.say("Connected again.");
    } else if (before?.words !== words) {
      this.troubles.set(name, { words, stale, since: before?.since ?? since });
      if (!before) this.say(words);
    }
    this.draw();
  }

  private draw(): void {
    const server = this.troubles.get("server");
    const shown = server ? [server] : [...this.troubles.values()]; // without the server nothing else is known
    const stale = shown.some((trouble) => trouble.stale);
    setAttribute(document.documentElement, "data-stale", stale);
    setText(byId("link-text"), stale ? "Not live" : this.heard ? "Live" : "Connecting");
    setAttribute(byId("link"), "data-state", stale ? "lost" : this.heard ? "live" : "wait");
    const box = byId("banners");
    while (box.children.length > shown.length) box.lastElementChild?.remove();
    while (box.children.length < shown.length) box.append(el("p", { class: "banner" }));
    shown.forEach(({ words, since, stale: old }, index) => {
      const line = box.children[index];
      if (!line) return;
      const from = `Since ${clock(since)}, ${span(this.now() - since)} ago.`;
      setText(line, `${words} ${from}${old ? " What stands below is as it was then." : ""}`);
    });
  }
}
