const PATIENCE_MS = 10_000;
const RETRY_MS = [1000, 2000, 4000, 8000];
const QUIET_MS = 20_000; // the server says something every 15 s, if only to the connection
/** The server said no, and why. */
export class Refused extends Error {
    status;
    refusal;
    constructor(status, refusal) {
        super(refusal.error);
        this.status = status;
        this.refusal = refusal;
    }
}
/** There was no answer at all. */
export class Unreachable extends Error {
}
async function ask(path, body) {
    let response;
    try {
        response = await fetch(path, {
            method: body === undefined ? "GET" : "POST",
            ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
            cache: "no-store",
            signal: AbortSignal.timeout(PATIENCE_MS),
        });
    }
    catch (problem) {
        throw new Unreachable(`the dashboard's server does not answer (${String(problem)})`);
    }
    const text = await response.text();
    if (response.ok)
        return text ? JSON.parse(text) : null;
    let refusal = { error: `the server answered ${response.status} ${response.statusText}` };
    try {
        const said = JSON.parse(text);
        if (typeof said === "object" && said !== null && "error" in said)
            refusal = said;
    }
    catch {
        // not our server's words but a proxy's: its status is all there is to say
    }
    throw new Refused(response.status, refusal);
}
export const me = () => ask("api/me");
export const login = (token, name) => ask("api/login", { token, name });
export const logout = () => ask("api/logout", {});
export const snapshot = () => ask("api/snapshot");
export const callDetail = (tenant, id) => ask(`api/calls/${encodeURIComponent(tenant)}/${encodeURIComponent(id)}`);
export const acknowledge = (id, note) => ask(`api/alerts/${encodeURIComponent(id)}/acknowledge`, { note });
const KINDS = ["call", "alert", "today", "node", "broker", "gone", "alert_gone"];
/** Follows the server from a snapshot on; a connection that is lost is tried again until {@link Stream.close}. */
export class Stream {
    follower;
    source = null;
    tries = 0;
    retry = 0;
    watch = 0;
    heard = 0;
    closed = false;
    constructor(follower) {
        this.follower = follower;
        void this.begin();
        this.watch = window.setInterval(() => void this.probe(), QUIET_MS / 4);
    }
    close() {
        this.closed = true;
        this.source?.close();
        window.clearTimeout(this.retry);
        window.clearInterval(this.watch);
    }
    async begin() {
        if (this.closed)
            return;
        this.source?.close();
        this.source = null;
        let first;
        try {
            first = await snapshot();
        }
        catch (problem) {
            this.failed(problem);
            return;
        }
        if (this.closed)
            return;
        this.heard = Date.now();
        this.follower.onServer(true);
        this.follower.onSnapshot(first);
        const source = new EventSource(`api/stream?cursor=${first.cursor}`);
        this.source = source;
        for (const kind of KINDS) {
            source.addEventListener(kind, (message) => {
                this.heard = Date.now();
                this.tries = 0;
                this.follower.onPush(kind, JSON.parse(message.data));
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
            if (this.source !== source)
                return;
            source.close();
            this.later();
        });
    }
    failed(problem) {
        if (problem instanceof Refused && problem.status === 401) {
            this.close();
            this.follower.onSignedOut();
            return;
        }
        this.later();
    }
    later() {
        if (this.closed)
            return;
        this.source = null;
        this.follower.onServer(false);
        const wait = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)] ?? 8000;
        this.tries += 1;
        window.clearTimeout(this.retry);
        this.retry = window.setTimeout(() => void this.begin(), wait * (0.75 + Math.random() / 2));
    }
    /** A line that is dead without a word is found by asking. */
    async probe() {
        if (!this.source || Date.now() - this.heard < QUIET_MS)
            return;
        this.heard = Date.now();
        try {
            await me();
        }
        catch (problem) {
            this.source?.close();
            this.failed(problem);
        }
    }
}
