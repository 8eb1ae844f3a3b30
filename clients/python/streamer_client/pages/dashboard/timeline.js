// A call's utterances on its media clock: a block for each, as wide as it lasted and as high as the model was sure,
// hatched where it was not; alerts stand above what they rest on. Blocks are kept, so that focus survives what comes.
// It must never draw a block for a party that is not analysed.
import { el, setAttribute, svg } from "../shared/dom.js";
import { glyphAt, inWords, safe } from "../shared/emotions.js";
import { capital, duration, position, words } from "./format.js";
import { notAnalysed } from "./row.js";
const LANE = 96;
const LANE_OFF = 34;
const GAP = 8;
const TOP = 30; // alerts
const AXIS = 26;
const PAD = 16;
const GLYPH = 20;
const CLOSE_UP = 10; // px for each second
const READABLE = 2;
const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600];
export class Timeline {
    onChosen;
    element;
    scroller;
    names = el("div", { class: "lane-names", "aria-hidden": "true" });
    drawing = svg("svg", { class: "timeline", role: "group", "aria-label": "Utterances on the call's clock" });
    ground = svg("g", { "aria-hidden": "true" });
    blocks = svg("g");
    marks = svg("g");
    zoom = el("button", { type: "button" });
    known = new Map();
    order = [];
    current = "";
    whole = null;
    detail = null;
    constructor(onChosen) {
        this.onChosen = onChosen;
        this.drawing.append(this.ground, this.blocks, this.marks);
        this.scroller = el("div", { class: "timeline-scroll" }, this.drawing);
        this.element = el("div", { class: "timeline-box" }, el("div", { class: "buttons timeline-tools" }, this.zoom), this.names, this.scroller);
        this.zoom.addEventListener("click", () => {
            this.whole = !this.isWhole();
            this.redraw();
            if (!this.whole)
                this.reveal();
        });
        this.drawing.addEventListener("keydown", (event) => {
            this.onKey(event);
        });
        new ResizeObserver(() => {
            this.redraw();
        }).observe(this.element);
    }
    show(detail) {
        const atEnd = this.scroller.scrollLeft + this.scroller.clientWidth >= this.scroller.scrollWidth - 40;
        this.detail = detail;
        this.redraw();
        if (atEnd && detail.call.status === "live")
            this.scroller.scrollLeft = this.scroller.scrollWidth;
    }
    /** Choose an utterance from elsewhere: from the table, or an alert. */
    choose(id) {
        const block = this.known.get(id);
        if (!block)
            return;
        this.point(id);
        block.group.focus();
    }
    get longest() {
        const { call, utterances } = this.detail ?? {};
        return Math.max(1000, call?.duration_ms ?? 0, ...(utterances ?? []).map((row) => row.end_ms));
    }
    isWhole() {
        return this.whole ?? (this.scroller.clientWidth / this.longest) * 1000 >= READABLE;
    }
    redraw() {
        const { detail } = this;
        if (!detail || !this.scroller.clientWidth)
            return;
        const whole = this.isWhole();
        const room = this.scroller.clientWidth;
        const width = whole ? room : Math.max(room, (this.longest / 1000) * CLOSE_UP + 2 * PAD);
        const scale = (width - 2 * PAD) / this.longest;
        const x = (ms) => PAD + ms * scale;
        this.zoom.textContent = whole ? "Close up" : "Whole call";
        let y = TOP;
        const lanes = new Map();
        const names = [];
        this.ground.replaceChildren();
        for (const role of detail.call.roles) {
            const analysed = detail.call.analysed.includes(role);
            const height = analysed ? LANE : LANE_OFF;
            this.ground.append(svg("rect", { x: 0, y, width, height, class: analysed ? "lane-ground" : "lane-ground off" }), svg("text", { x: PAD, y: y + height / 2 + 4, class: "lane-off" }, analysed ? "" : `${notAnalysed(role)}: no emotion is named`));
            names.push(el("span", { class: analysed ? "lane-name" : "lane-name off" }, capital(role)));
            lanes.set(role, y + height);
            y += height + GAP;
        }
        this.names.replaceChildren(...names);
        this.axis(x, width, y);
        setAttribute(this.drawing, "width", Math.round(width));
        setAttribute(this.drawing, "height", y + AXIS);
        this.fill(detail.utterances, x, lanes);
        this.mark(detail.alerts, x, lanes);
    }
    axis(x, width, y) {
        const step = STEPS_S.find((seconds) => x(seconds * 1000) - x(0) >= 64) ?? 3600;
        for (let at = 0; at <= this.longest; at += step * 1000) {
            this.ground.append(svg("line", { x1: x(at), x2: x(at), y1: TOP, y2: y, class: "tick" }), svg("text", { x: Math.min(x(at), width - 18), y: y + 16, class: "tick-text" }, duration(at)));
        }
    }
    fill(rows, x, lanes) {
        const ids = new Set(rows.map((row) => row.id));
        for (const [id, block] of this.known) {
            if (ids.has(id))
                continue;
            block.group.remove();
            this.known.delete(id);
        }
        this.order = [];
        for (const row of rows) {
            const bottom = lanes.get(row.role);
            if (bottom === undefined)
                continue;
            this.order.push(row.id);
            let block = this.known.get(row.id);
            if (!block) {
                block = { group: this.make(row), row };
                this.known.set(row.id, block);
                this.blocks.append(block.group);
            }
            this.place(block, x, bottom);
        }
        if (!this.known.has(this.current))
            this.point(this.order.at(-1) ?? "");
    }
    make(row) {
        const label = `${capital(row.role)}, ${position(row.start_ms)} to ${position(row.end_ms)}: ${verdictOf(row)}`;
        const group = svg("g", { class: "block", role: "button", tabindex: -1, "aria-label": label, "data-id": row.id });
        for (const kind of ["focus", "pointerenter", "click"]) {
            group.addEventListener(kind, () => {
                if (kind !== "pointerenter")
                    this.point(row.id);
                this.onChosen(row);
            });
        }
        return group;
    }
    place({ group, row }, x, bottom) {
        const left = x(row.start_ms);
        const width = Math.max(3, x(row.end_ms) - left);
        const placed = `${left.toFixed(1)} ${width.toFixed(1)} ${bottom}`;
        if (group.dataset["placed"] === placed)
            return;
        group.dataset["placed"] = placed;
        const name = safe(row.emotion);
        const height = 6 + row.confidence * (LANE - GLYPH - 14);
        const size = Math.min(GLYPH, Math.max(11, width + 7)); // a short one has its letter, too
        group.replaceChildren(svg("rect", { x: left - 2, y: bottom - LANE, width: width + 4, height: LANE, class: "hit" }), svg("rect", {
            x: left,
            y: bottom - height,
            width,
            height,
            rx: Math.min(3, width / 2),
            class: row.uncertain ? "bar-block unsure" : `bar-block fill-${name}`,
            fill: row.uncertain ? `url(#hatch-${name})` : null,
        }), glyphAt(row.emotion, row.uncertain, left + width / 2 - size / 2, bottom - height - size - 3, size));
    }
    mark(alerts, x, lanes) {
        this.marks.replaceChildren();
        for (const alert of alerts) {
            const behind = alert.utterances.flatMap((id) => this.known.get(id)?.row ?? []);
            const last = behind.at(-1);
            if (!last)
                continue;
            const at = x(last.end_ms);
            const bottom = lanes.get(last.role) ?? TOP;
            const first = Math.min(...behind.map((row) => row.start_ms));
            const label = `${alert.severity} alert at ${position(last.end_ms)}: ${words(alert.rule)}`;
            this.marks.append(svg("g", { class: `mark ${alert.severity}${alert.acknowledged ? " is-taken" : ""}`, role: "img", "aria-label": label }, svg("title", {}, label), svg("path", { d: `M${x(first)} 26H${at}`, class: "mark-span" }), svg("path", { d: `M${at} 22V${bottom}`, class: "mark-line" }), svg("path", { d: `M${at} 2l11 20h-22Z`, class: "mark-sign" }), svg("text", { x: at, y: 19.5, class: "mark-text" }, alert.severity === "critical" ? "!!" : "!")));
        }
    }
    /** Make one utterance the one that Tab comes to. */
    point(id) {
        const before = this.known.get(this.current)?.group;
        if (before) {
            setAttribute(before, "tabindex", -1);
            before.classList.remove("is-current");
        }
        this.current = id;
        const group = this.known.get(id)?.group;
        if (!group)
            return;
        setAttribute(group, "tabindex", 0);
        group.classList.add("is-current");
    }
    onKey(event) {
        const at = this.order.indexOf(this.current);
        const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.order.length - 1 }[event.key];
        const id = to === undefined ? undefined : this.order[Math.max(0, Math.min(this.order.length - 1, to))];
        if (id === undefined)
            return;
        event.preventDefault();
        this.choose(id);
        this.reveal();
    }
    reveal() {
        const box = this.known.get(this.current)?.group.getBoundingClientRect();
        const room = this.scroller.getBoundingClientRect();
        if (!box)
            return;
        if (box.left < room.left || box.right > room.right) {
            this.scroller.scrollLeft += box.left - room.left - room.width / 2;
        }
    }
}
/** The verdict of an utterance in words. */
export const verdictOf = (row) => inWords({ top: row.emotion, confidence: row.confidence, uncertain: row.uncertain });
