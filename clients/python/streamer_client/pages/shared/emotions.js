// How an emotion looks: a shape, a letter, a word and a colour of the Okabe-Ito palette, so that nobody needs to see
// colour to tell two apart. An uncertain verdict is hatched and dashed. It must never say more than the verdict does.
import { setAttribute, svg } from "./dom.js";
const UNKNOWN = { word: "other", letter: "·", shape: "M3 6H21V18H3Z", baseline: 16.2 };
export const LOOKS = {
    neutral: { word: "neutral", letter: "N", shape: "M7 6H17A6 6 0 0 1 17 18H7A6 6 0 0 1 7 6Z", baseline: 16.2 },
    happy: { word: "happy", letter: "H", shape: "M12 1.5A10.5 10.5 0 1 1 12 22.5A10.5 10.5 0 1 1 12 1.5Z", baseline: 16.4 },
    sad: { word: "sad", letter: "S", shape: "M1 2.5H23L12 23.5Z", baseline: 13.4 },
    angry: { word: "angry", letter: "A", shape: "M12 .5L23.5 21.5H.5Z", baseline: 19 },
    fear: { word: "fear", letter: "F", shape: "M12 0L24 12L12 24L0 12Z", baseline: 16.4 },
    disgust: { word: "disgust", letter: "D", shape: "M2.5 2.5H21.5V21.5H2.5Z", baseline: 16.4 },
    surprise: {
        word: "surprise",
        letter: "!",
        shape: "M12 0L14.9 5L20.5 3.5L19 9.1L24 12L19 14.9L20.5 20.5L14.9 19L12 24L9.1 19L3.5 20.5L5 14.9L0 12L5 9.1L3.5 3.5L9.1 5Z",
        baseline: 16.6,
    },
};
/** The order in which emotions are listed everywhere. */
export const ORDER = Object.keys(LOOKS);
const NEGATIVE = ["angry", "sad", "fear", "disgust"];
export const look = (emotion) => LOOKS[emotion] ?? UNKNOWN;
/** A name that is safe in a class or an id: one of ours, or `other`. */
export const safe = (emotion) => (emotion in LOOKS ? emotion : "other");
/** One of the emotions that the list's order counts. */
export const isNegative = (emotion) => NEGATIVE.includes(emotion);
/** A verdict in words: `angry 81 %`, or `uncertain, perhaps angry`. */
export function inWords(verdict) {
    if (verdict.uncertain)
        return `uncertain, perhaps ${look(verdict.top).word}`;
    return `${look(verdict.top).word} ${Math.round(verdict.confidence * 100)} %`;
}
/** Put every glyph and hatching into the page, once; {@link glyph} and {@link Glyph} refer to them. */
export function defineGlyphs() {
    const defs = svg("defs");
    for (const name of [...ORDER, "other"]) {
        const { letter, shape, baseline } = look(name);
        defs.append(svg("pattern", { id: `hatch-${name}`, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, svg("rect", { width: 5, height: 5, class: "hatch-ground" }), svg("rect", { width: 1.6, height: 5, class: `fill-${name}` })));
        for (const uncertain of [false, true]) {
            defs.append(svg("symbol", { id: `glyph-${name}${uncertain ? "-u" : ""}`, viewBox: "-1 -1 26 26" }, svg("path", {
                d: shape,
                class: uncertain ? "glyph-unsure" : `glyph-sure fill-${name}`,
                fill: uncertain ? `url(#hatch-${name})` : null,
            }), svg("text", { x: 12, y: baseline, class: uncertain ? "glyph-letter unsure" : `glyph-letter on-${name}` }, letter)));
        }
    }
    document.body.append(svg("svg", { class: "defs", "aria-hidden": "true", width: 0, height: 0 }, defs));
}
const href = (emotion, uncertain) => `#glyph-${safe(emotion)}${uncertain ? "-u" : ""}`;
/** A glyph as a picture of its own; the word stands beside it, so it is hidden from screen readers. */
export class Glyph {
    element;
    use = svg("use");
    constructor(className = "glyph") {
        this.element = svg("svg", { class: className, viewBox: "0 0 26 26", "aria-hidden": "true" }, this.use);
    }
    show(emotion, uncertain = false) {
        setAttribute(this.use, "href", emotion === null ? null : href(emotion, uncertain));
    }
}
/** A glyph that does not change. */
export function glyph(emotion, uncertain = false, className = "glyph") {
    const made = new Glyph(className);
    made.show(emotion, uncertain);
    return made.element;
}
/** A glyph inside a larger drawing. */
export function glyphAt(emotion, uncertain, x, y, size) {
    return svg("use", { href: href(emotion, uncertain), x, y, width: size, height: size });
}
