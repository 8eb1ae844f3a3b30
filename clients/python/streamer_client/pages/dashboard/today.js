// The day's overview: calls, utterances by emotion, alerts for each hour, time to acknowledgement; as pictures and as a
// table. It must never show a figure that the server did not count.
import { byId, el, setAttribute, svg } from "../shared/dom.js";
import { glyph, look, ORDER } from "../shared/emotions.js";
import { capital, clock, span } from "./format.js";
const SEVERITIES = ["critical", "warning", "info"];
const CHART = { width: 600, height: 150, foot: 22, head: 14 };
const total = (counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);
/** Draw the whole view; nothing in it takes input, so nothing is lost by drawing it anew. */
export function drawToday(today, nodes) {
    const box = byId("today");
    if (!today) {
        box.replaceChildren(el("p", { class: "quiet" }, "Nothing has been counted yet."));
        return;
    }
    const judged = total(today.utterances);
    const first = today.hours.findIndex((hour) => hour.calls + hour.uncertain + total(hour.utterances) + total(hour.alerts));
    const hours = today.hours.slice(Math.max(0, first)); // nobody reads the empty hours of the night
    box.replaceChildren(el("p", { class: "quiet" }, `Since ${clock(today.since, false)}, as far as this dashboard has heard.`), el("div", { class: "figures" }, figure(String(today.calls), "calls", `${today.live} live now`), figure(judged.toLocaleString("en"), "certain verdicts", `and ${today.uncertain.toLocaleString("en")} uncertain`), figure(String(total(today.alerts)), "alerts", `${today.open_alerts} open`), figure(today.median_acknowledgement_s === null ? "–" : span(today.median_acknowledgement_s * 1000), "until an alert is taken", today.median_acknowledgement_s === null ? "none was taken today" : "median of today")), el("div", { class: "pair" }, el("section", { class: "panel" }, el("h2", {}, "Utterances by emotion"), emotions(today)), el("section", { class: "panel" }, el("h2", {}, "Alerts by the hour"), alertsByHour(hours), key()), el("section", { class: "panel" }, el("h2", {}, "Calls by the hour"), callsByHour(hours))), el("h2", {}, "Hour by hour"), table(hours), el("h2", {}, "Servers"), servers([...nodes]));
}
function figure(value, name, more) {
    return el("div", { class: "figure" }, el("b", {}, value), el("span", {}, name), el("small", {}, more));
}
function emotions(today) {
    const rows = ORDER.filter((emotion) => emotion !== "surprise" || today.utterances[emotion]);
    const most = Math.max(1, today.uncertain, ...rows.map((emotion) => today.utterances[emotion] ?? 0));
    const line = (name, picture, n, className) => {
        const bar = svg("svg", { class: "hbar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
        bar.append(svg("rect", { width: (100 * n) / most, height: 10, class: className, fill: className ? null : "url(#hatch-neutral)" }));
        return el("li", {}, picture, el("span", {}, name), bar, el("span", { class: "num" }, n.toLocaleString("en")));
    };
    return el("ul", { class: "hbars" }, ...rows.map((emotion) => line(look(emotion).word, glyph(emotion), today.utterances[emotion] ?? 0, `fill-${emotion}`)), line("uncertain", glyph("other", true), today.uncertain, "fill-unsure"));
}
function columns(hours, label, parts) {
    const most = Math.max(1, ...hours.map((hour) => parts(hour).reduce((sum, [n]) => sum + n, 0)));
    const slots = Math.max(8, hours.length);
    const slot = CHART.width / slots;
    const room = CHART.height - CHART.foot - CHART.head;
    const chart = svg("svg", { class: "columns", viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": label });
    const base = CHART.height - CHART.foot;
    chart.append(svg("line", { x1: 0, x2: CHART.width, y1: base, y2: base, class: "tick" }));
    const every = Math.ceil(slots / 12);
    hours.forEach((hour, index) => {
        let y = base;
        for (const [n, className] of parts(hour)) {
            const height = (n / most) * room;
            if (!n)
                continue;
            y -= height;
            chart.append(svg("rect", { x: index * slot + slot * 0.15, y, width: slot * 0.7, height, class: className }));
        }
        const sum = parts(hour).reduce((all, [n]) => all + n, 0);
        const middle = index * slot + slot / 2;
        if (sum)
            chart.append(svg("text", { x: middle, y: y - 4, class: "tick-text" }, String(sum)));
        if (index % every === 0) {
            chart.append(svg("text", { x: middle, y: base + 16, class: "tick-text" }, clock(hour.start, false).slice(0, 2)));
        }
    });
    return chart;
}
const alertsByHour = (hours) => columns(hours, "Alerts by the hour; the figures stand in the table below", (hour) => SEVERITIES.map((severity) => [hour.alerts[severity] ?? 0, `column ${severity}`]));
const callsByHour = (hours) => columns(hours, "Calls by the hour; the figures stand in the table below", (hour) => [[hour.calls, "column calls-column"]]);
const key = () => el("ul", { class: "column-key" }, ...SEVERITIES.map((severity) => {
    const box = svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" });
    box.append(svg("rect", { width: 12, height: 12, class: `column ${severity}` }));
    return el("li", {}, box, ` ${severity}`);
}));
function table(hours) {
    const named = ORDER.filter((emotion) => emotion !== "surprise" || hours.some((hour) => hour.utterances[emotion]));
    const head = (text) => el("th", { scope: "col", class: "num" }, text);
    const cell = (n) => el("td", { class: n ? "num" : "num zero" }, n.toLocaleString("en"));
    return el("div", { class: "table-box", role: "region", tabindex: 0, "aria-label": "Hour by hour" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "From"), ...["Calls", ...named.map(capital), "Uncertain", ...SEVERITIES.map(capital)].map(head))), el("tbody", {}, ...hours.map((hour) => el("tr", {}, el("th", { scope: "row" }, clock(hour.start, false)), cell(hour.calls), ...named.map((emotion) => cell(hour.utterances[emotion] ?? 0)), cell(hour.uncertain), ...SEVERITIES.map((severity) => cell(hour.alerts[severity] ?? 0)))))));
}
function servers(nodes) {
    if (!nodes.length)
        return el("p", { class: "quiet" }, "No server has spoken of itself yet.");
    return el("ul", { class: "nodes" }, ...nodes.map((node) => {
        const line = el("li", {}, el("b", {}, node.node), ` ${node.status} since ${clock(node.time)}`, node.version && ` · ${node.version}`);
        setAttribute(line, "class", node.status === "online" ? null : "is-off");
        return line;
    }));
}
