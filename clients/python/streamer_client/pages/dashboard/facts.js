// What stands on top of a call's page, in words: whether it is live, how it ended, who is analysed. It must never say more
// than the call's own events do.
import { capital, clock, duration } from "./format.js";
const REASONS = {
    stop: "hung up",
    disconnected: "connection lost",
    idle: "nothing came any more",
    draining: "server was stopped",
    error: "an error",
    withdrawn: "the person objected",
    lost: "server was lost, no summary came",
};
/** `live 4:52`, or when and why it ended. */
export function statusOf(call, now) {
    if (call.status === "live")
        return `live ${duration(now - (Date.parse(call.started) || now))}`;
    const reason = REASONS[call.ended_reason] ?? call.ended_reason;
    return `ended${call.ended ? ` ${clock(call.ended)}` : ""} after ${duration(call.duration_ms)}${reason ? `: ${reason}` : ""}`;
}
/** One item each. */
export function factsOf(call) {
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
    if (call.lawful_basis)
        facts.push(`Lawful basis stated: ${call.lawful_basis}`);
    return facts;
}
