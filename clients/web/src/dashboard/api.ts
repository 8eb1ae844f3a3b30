// Asks the dashboard's server, and follows what it pushes. All addresses are relative to the page, so that it works
// behind a proxy's prefix too. It must never ask another host, and never keep the token.
import type { Alert, CallDetail, Me, Pushed, Refusal, Snapshot } from "./wire.js";

const PATIENCE_MS = 10_000;
const RETRY_MS = [1000, 2000, 4000, 8000];
const QUIET_MS = 20_000; // the server says something every 15 s, if only to the connection

/** The server said no, and why. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly refusal: Refusal,
  ) {
    super(refusal.error);
  }
}

/** There was no answer at all. */
export class Unreachable extends Error {}

async function ask(path: string, body?: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (problem) {
    throw new Unreachable(`the dashboard's server does not answer (${String(problem)})`);
  }
  const text = await response.text();
  if (response.ok) return text ? JSON.parse(text) : null;
  let refusal: Refusal = { error: `the server answered ${response.status} ${response.statusText}` };
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said === "object" && said !== null && "error" in said) refusal = said as Refusal;
  } catch {
    // not our server's words but a proxy's: its status is all there is to say
  }
  throw new Refused(response.status, refusal);
}

export const me = (): Promise<Me> => ask("api/me") as Promise<Me>;
export const login = (token: string, name: string): Promise<Me> => ask("api/login", { token, name }) as Promise<Me>;
export const logout = (): Promise<unknown> => ask("api/logout", {});
export const snapshot = (): Promise<Snapshot> => ask("api/snapshot") as Promise<Snapshot>;
export const callDetail = (tenant: string, id: string): Promise<CallDetail> =>
  ask(`api/calls/${encodeURIComponent(tenant)}/${encodeURIComponent(id)}`) as Promise<CallDetail>;
export const acknowledge = (id: string, note: string): Promise<Alert> =>
  ask(`api/alerts/${encodeURIComponent(id)}/acknowledge`, { note }) as Promise<Alert>;

export interface Follower {
  /** Everything anew: at the start, after `reset`, and after the server was away. */
  readonly onSnapshot: (snapshot: Snapshot) => void;
  readonly onPush: <K extends keyof Pushed>(kind: K, data: Pushed[K]) => void;
  /** The server is there, or is not. */
  readonly onServer: (reachable: boolean) => void;
  /** The session is over. */
  readonly onSignedOut: () => void;
}

const KINDS: readonly (keyof Pushed)[] = ["call", "alert", "today", "node", "broker", "gone", "alert_gone"];

/** Follows the server from a snapshot on; a connection that is lost is tried again until {@link Stream.close}. */
export class Stream {
  private source: EventSource | null = null;
  private tries = 0;
  private retry = 0;
  private watch = 0;
  private heard = 0;
  private closed = false;

  constructor(private readonly follower: Follower) {
    void this.begin();
    this.watch = window.setInterval(() => void this.probe(), QUIET_MS / 4);
  }

  close(): void {
    this.closed = true;
    this.source?.close();
    window.clearTimeout(this.retry);
    window.clearInterval(this.watch);
  }

  private async begin(): Promise<void> {
    if (this.closed) return;
    this.source?.close();
    this.source = null;
    let first: Snapshot;
    try {
      first = await snapshot();
    } catch (problem) {
      this.failed(problem);
      return;
    }
    if (this.closed) return;
    this.heard = Date.now();
    this.follower.onServer(true);
    this.follower.onSnapshot(first);
    const source = new EventSource(`api/stream?cursor=${first.cursor}`);
    this.source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (message: MessageEvent<string>) => {
        this.heard = Date.now();
        this.tries = 0;
        this.follower.onPush(kind, JSON.parse(message.data) as never);
      });
    }
    source.addEventListener("reset", () => void this.begin());
    source.addEventListener("open", () => {
      this.heard = Date.now();
      this.tries = 0;
      this.follower.onServer(true);
    });
    // The browser's own retry would keep the cursor, but says nothing of a session that is over: begin anew instead.
    source.addEventListener("error", () => {
      if (this.source !== source) return;
      source.close();
      this.later();
    });
  }

  private failed(problem: unknown): void {
    if (problem instanceof Refused && problem.status === 401) {
      this.close();
      this.follower.onSignedOut();
      return;
    }
    this.later();
  }

  private later(): void {
    if (this.closed) return;
    this.source = null;
    this.follower.onServer(false);
    const wait = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)] ?? 8000;
    this.tries += 1;
    window.clearTimeout(this.retry);
    this.retry = window.setTimeout(() => void this.begin(), wait * (0.75 + Math.random() / 2));
  }

  /** A line that is dead without a word is found by asking. */
  private async probe(): Promise<void> {
    if (!this.source || Date.now() - this.heard < QUIET_MS) return;
    this.heard = Date.now();
    try {
      await me();
    } catch (problem) {
      this.source?.close();
      this.failed(problem);
    }
  }
}
