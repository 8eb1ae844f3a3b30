// A short sound at a new critical alert: off until a person switches it on, here. It must never play anything else.
import { byId, setAttribute, setText } from "../shared/dom.js";
import { remember, remembered } from "./settings.js";
let context = null;
let on = false;
function show() {
    const button = byId("sound");
    setAttribute(button, "aria-pressed", String(on));
    setText(button, on ? "Sound on" : "Sound off");
}
/** Two notes, half a second. */
function play() {
    if (!context)
        return;
    const start = context.currentTime;
    [660, 880].forEach((frequency, index) => {
        const at = start + index * 0.22;
        const note = new OscillatorNode(context, { frequency, type: "triangle" });
        const level = new GainNode(context, { gain: 0 });
        level.gain.setValueAtTime(0, at);
        level.gain.linearRampToValueAtTime(0.25, at + 0.02);
        level.gain.linearRampToValueAtTime(0, at + 0.2);
        note.connect(level).connect(context.destination);
        note.start(at);
        note.stop(at + 0.21);
    });
}
/** On or off; a browser lets a page sound only after a click or key, which this is. */
export function toggleSound() {
    on = !on;
    remember("sound", on ? "on" : "");
    if (on) {
        context ??= new AudioContext();
        void context.resume().then(play);
    }
    show();
}
export function critical() {
    if (on)
        play();
}
/** What was chosen last time; it sounds from the first click or key on. */
export function startSound() {
    on = remembered("sound") === "on";
    show();
    addEventListener("pointerdown", () => {
        if (on)
            context ??= new AudioContext();
    }, { once: true });
}
