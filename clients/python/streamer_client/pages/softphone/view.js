// What the page shows of a call: levels, clock, verdicts. It must never name an emotion that no event carries, nor show
// an uncertain one as if it were sure.
import { byId as element } from "../shared/dom.js";
import { defineGlyphs, Glyph, glyph } from "../shared/emotions.js";
const QUIETEST_DBFS = -60;
const LOUD_DBFS = -3;
const MOST_ROWS = 200;
const STATES = {
    connecting: "Connecting",
    live: "Live",
    held: "On hold: nothing is sent",
    reconnecting: "Reconnecting",
    stopping: "Hanging up",
    ended: "Ended",
    withdrawn: "Objected: analysis has ended",
    failed: "Failed",
};
export function showState(state) {
    const shown = element("state");
    shown.dataset["state"] = state;
    shown.textContent = STATES[state];
}
export function showError(text, mild = false) {
    const shown = element("error");
    shown.textContent = text;
    shown.classList.toggle("mild", mild);
}
/** Show both levels at the screen's pace, however often they come. */
export class Meters {
    #latest = null;
    set(levels) {
        if (!this.#latest)
            requestAnimationFrame(() => this.#draw());
        this.#latest = levels;
    }
    #draw() {
        const levels = this.#latest;
        this.#latest = null;
        if (!levels)
            return;
        for (const side of ["customer", "agent"]) {
            const dbfs = Math.max(QUIETEST_DBFS, Math.min(0, Math.round(levels[side])));
            const isSilent = dbfs === QUIETEST_DBFS;
            const meter = element(side);
            meter.setAttribute("aria-valuenow", String(dbfs));
            meter.setAttribute("aria-valuetext", isSilent ? "silent" : `${dbfs} dB`);
            meter.classList.toggle("loud", dbfs > LOUD_DBFS);
            meter.firstElementChild.style.width = `${(1 - dbfs / QUIETEST_DBFS) * 100}%`;
            element(`${side}-db`).textContent = isSilent ? "silent" : `${dbfs} dB`;
        }
    }
}
/** The list of utterances, the latest on top, and the latest in large. */
export class Verdicts {
    #list = element("verdicts");
    #glyph = new Glyph();
    #going = null;
    constructor() {
        defineGlyphs();
        element("now-glyph").append(this.#glyph.element);
    }
    clear() {
        this.#list.replaceChildren();
        this.#going = null;
        this.#showNow(null);
    }
    add(event) {
        const isPartial = event.type === "emotion-streamer.partial.v1";
        const row = rowOf(event, isPartial);
        if (this.#going)
            this.#going.replaceWith(row);
        else
            this.#list.prepend(row);
        this.#going = isPartial ? row : null;
        while (this.#list.children.length > MOST_ROWS)
            this.#list.lastElementChild?.remove();
        this.#showNow(event);
    }
    end({ utterances, confirmed }) {
        const count = utterances === 1 ? "1 utterance" : `${utterances} utterances`;
        element("summary").textContent = confirmed
            ? `The call is over: ${count} judged, all handed over.`
            : `The call is over: ${count} came here. The server was gone at the end; the rest stands on the bus.`;
    }
    #showNow(event) {
        const now = element("now");
        now.dataset["emotion"] = event ? event.data.emotion.top : "none";
        now.classList.toggle("uncertain", event?.data.emotion.uncertain ?? false);
        this.#glyph.show(event?.data.emotion.top ?? null, event?.data.emotion.uncertain);
        element("summary").textContent = "";
        if (!event) {
            element("now-emotion").textContent = "Nobody has spoken yet";
            element("now-detail").textContent = "A verdict comes about half a second after a sentence ends.";
            return;
        }
        const { emotion, speaker } = event.data;
        element("now-emotion").textContent = emotion.uncertain ? "uncertain" : emotion.top;
        const perhaps = emotion.uncertain ? `perhaps ${emotion.top}, ` : "";
        const so_far = event.type === "emotion-streamer.partial.v1" ? " so far" : "";
        element("now-detail").textContent = `${speaker.role}${so_far}, ${perhaps}${percent(emotion.confidence)}`;
    }
}
function rowOf(event, isPartial) {
    const { emotion, speaker, utterance } = event.data;
    const row = document.createElement("li");
    row.dataset["emotion"] = emotion.top;
    row.dataset["n"] = String(utterance.n);
    row.classList.toggle("uncertain", emotion.uncertain);
    row.classList.toggle("partial", isPartial);
    const bar = part("bar", "");
    const fill = document.createElement("i");
    fill.style.width = percent(emotion.confidence).replace(" ", "");
    bar.append(fill);
    const word = emotion.uncertain ? `uncertain, perhaps ${emotion.top}` : emotion.top;
    bar.setAttribute("aria-hidden", "true");
    row.append(part("time", clock(utterance.start_ms)), part("role", speaker.role), glyph(emotion.top, emotion.uncertain), part("word", isPartial ? `${word} …` : word), bar, part("percent", percent(emotion.confidence)));
    return row;
}
function part(name, text) {
    const made = document.createElement("span");
    made.className = name;
    made.textContent = text;
    return made;
}
function percent(share) {
    return `${Math.round(share * 100)} %`;
}
/** Minutes and seconds of media time. */
export function clock(ms) {
    const s = Math.floor(ms / 1000);
    return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}
