// A party's emotion over time in one line: a glyph for each utterance, the newest on the right, under it how sure the
// model was. Elements are made once and filled anew. It must never draw a party that is not analysed.
import { safe } from "../shared/emotions.js";
import { setAttribute, svg } from "../shared/dom.js";
const SLOTS = 24;
const SLOT = 26;
const GLYPH = 22;
const BAR = 20;
const HEIGHT = 32;
export class Trace {
    element;
    slots = [];
    shown = null;
    constructor() {
        this.element = svg("svg", {
            class: "trace",
            viewBox: `0 0 ${SLOTS * SLOT} ${HEIGHT}`,
            preserveAspectRatio: "xMaxYMid slice",
            "aria-hidden": "true",
        });
        for (let index = 0; index < SLOTS; index++) {
            const x = index * SLOT;
            const use = svg("use", { x: x + (SLOT - GLYPH) / 2, y: 1, width: GLYPH, height: GLYPH });
            const bar = svg("rect", { x: x + (SLOT - BAR) / 2, y: 27, height: 4, width: 0, class: "bar" });
            const ground = svg("rect", { x: x + (SLOT - BAR) / 2, y: 27, height: 4, width: BAR, class: "bar-ground" });
            const group = svg("g", { class: "slot" }, use, ground, bar);
            this.slots.push({ group, use, bar });
            this.element.append(group);
        }
    }
    show(points) {
        if (points === this.shown)
            return;
        this.shown = points;
        const first = points.length - SLOTS;
        this.slots.forEach(({ group, use, bar }, index) => {
            const point = points[first + index];
            setAttribute(group, "class", point ? "slot" : "slot none");
            if (!point)
                return;
            const [, emotion, confidence, uncertain] = point;
            setAttribute(use, "href", `#glyph-${safe(emotion)}${uncertain ? "-u" : ""}`);
            setAttribute(bar, "width", (BAR * confidence).toFixed(1));
            setAttribute(bar, "class", uncertain ? "bar unsure" : "bar");
        });
    }
}
