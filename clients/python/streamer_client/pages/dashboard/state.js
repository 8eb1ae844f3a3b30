// What is known now, and in which order it is shown. Pure: no element, no clock. Calls, alerts and nodes are values
// that are replaced whole, so what is worked out of one is kept beside it and never goes stale.
import { inWords, isNegative } from "../shared/emotions.js";
const LATELY = 5;
const SEVERITIES = ["critical", "warning", "info"];
export const keyOf = (tenant, id) => `${tenant}/${id}`;
export const rank = (severity) => {
    const found = SEVERITIES.indexOf(severity);
    return found < 0 ? SEVERITIES.length : found;
};
/** How sure the model was of anger, sadness, fear or disgust, averaged over a party's last certain utterances: 0 to 1. */
export function negativeLately(party) {
    const certain = party.trace.filter(([, , , uncertain]) => !uncertain).slice(-LATELY);
    if (certain.length === 0)
        return 0;
    const sum = certain.reduce((all, [, emotion, confidence]) => all + (isNegative(emotion) ? confidence : 0), 0);
    return sum / certain.length;
}
const isAnalysed = (call, party) => call.analysed.includes(party.role);
/** The latest verdict of any analysed party. */
export function latest(call) {
    let found = null;
    for (const party of call.parties) {
        if (isAnalysed(call, party) && party.last && (!found || party.last.end_ms > found.end_ms))
            found = party.last;
    }
    return found;
}
const worked = new WeakMap();
function work(call) {
    const known = worked.get(call);
    if (known)
        return known;
    const last = latest(call);
    const made = {
        negative: Math.max(0, ...call.parties.filter((party) => isAnalysed(call, party)).map(negativeLately)),
        started: Date.parse(call.started) || 0,
        text: [
            call.id,
            call.tenant,
            call.dialect,
            call.status,
            ...Object.entries(call.labels).flat(),
            last ? inWords({ top: last.emotion, ...last }) : "",
            call.open_alerts ? "alert" : "",
        ]
            .join("\n")
            .toLowerCase(),
    };
    worked.set(call, made);
    return made;
}
/** Has the call every one of these words, in whatever order? */
export function fits(call, filter) {
    const asked = filter.toLowerCase().split(/\s+/).filter(Boolean);
    return asked.every((word) => work(call).text.includes(word));
}
export class State {
    calls = new Map();
    alerts = new Map();
    nodes = new Map();
    today = null;
    broker = { connected: true, reason: "", since: "" };
    replace(snapshot) {
        this.calls.clear();
        this.alerts.clear();
        this.nodes.clear();
        for (const call of snapshot.calls)
            this.calls.set(keyOf(call.tenant, call.id), call);
        for (const alert of snapshot.alerts)
            this.alerts.set(alert.id, alert);
        for (const node of snapshot.nodes)
            this.nodes.set(node.node, node);
        this.today = snapshot.today;
        this.broker = snapshot.broker;
    }
    apply(kind, data) {
        const pushed = { kind, data };
        switch (pushed.kind) {
            case "call":
                this.calls.set(keyOf(pushed.data.tenant, pushed.data.id), pushed.data);
                break;
            case "alert":
                this.alerts.set(pushed.data.id, pushed.data);
                break;
            case "node":
                this.nodes.set(pushed.data.node, pushed.data);
                break;
            case "today":
                this.today = pushed.data;
                break;
            case "broker":
                this.broker = pushed.data;
                break;
            case "gone":
                this.calls.delete(keyOf(pushed.data.tenant, pushed.data.id));
                for (const alert of this.alerts.values()) {
                    if (alert.tenant === pushed.data.tenant && alert.call === pushed.data.id)
                        this.alerts.delete(alert.id);
                }
                break;
            case "alert_gone":
                this.alerts.delete(pushed.data.id);
                break;
            case "reset":
                break; // the stream asks for the snapshot
        }
    }
    /** Alerts that nobody has taken: the most severe first, then the oldest. */
    open() {
        return [...this.alerts.values()]
            .filter((alert) => !alert.acknowledged)
            .sort((a, b) => rank(a.severity) - rank(b.severity) || a.time.localeCompare(b.time) || a.id.localeCompare(b.id));
    }
    /** Alerts that somebody has taken, the latest first. */
    taken() {
        return [...this.alerts.values()]
            .filter((alert) => alert.acknowledged)
            .sort((a, b) => (b.acknowledged?.time ?? "").localeCompare(a.acknowledged?.time ?? ""));
    }
    /** Calls by their worst open alert; the absent have none. */
    worst() {
        const found = new Map();
        for (const alert of this.alerts.values()) {
            if (alert.acknowledged)
                continue;
            const key = keyOf(alert.tenant, alert.call);
            found.set(key, Math.min(found.get(key) ?? Infinity, rank(alert.severity)));
        }
        return found;
    }
    /** The calls that fit, live before ended, in order. */
    ordered(order, filter) {
        const worst = this.worst();
        const severity = (call) => worst.get(keyOf(call.tenant, call.id)) ?? SEVERITIES.length + 1;
        const started = (call) => work(call).started;
        return [...this.calls.values()]
            .filter((call) => fits(call, filter))
            .sort((a, b) => {
            if (a.status !== b.status)
                return a.status === "live" ? -1 : 1;
            if (a.status === "ended")
                return b.ended.localeCompare(a.ended) || a.id.localeCompare(b.id);
            if (order === "newest")
                return started(b) - started(a) || a.id.localeCompare(b.id);
            if (order === "longest")
                return started(a) - started(b) || a.id.localeCompare(b.id);
            return (severity(a) - severity(b) ||
                work(b).negative - work(a).negative ||
                started(a) - started(b) ||
                a.id.localeCompare(b.id));
        });
    }
}
