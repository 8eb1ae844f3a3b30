// Two tracks into one stream of blocks, in step: Web Audio around `packer.worklet.ts`.
// It must never be heard: what is tapped does not sound a second time.
import { TapError, insecure } from "./errors.js";
/** The sides of a call, by the channel on which they are sent. */
export const CUSTOMER = 0;
export const AGENT = 1;
const CHANNELS = 2;
const BLOCK_S = 0.04;
/** What the server takes (docs/native-protocol.md). */
const RATES_HZ = [8000, 16000, 24000, 32000, 44100, 48000];
export class Ears {
    #context;
    #node;
    #options;
    #sources = [null, null];
    #flushed = null;
    constructor(context, options) {
        this.#context = context;
        this.#options = options;
        this.#node = new AudioWorkletNode(context, "emotion-streamer-packer", {
            numberOfInputs: CHANNELS,
            numberOfOutputs: 1,
            channelCount: 1,
            channelCountMode: "explicit",
            processorOptions: { blockFrames: Math.round(context.sampleRate * BLOCK_S) },
        });
        this.#node.port.onmessage = ({ data }) => {
            if (data === "flushed")
                this.#flushed?.();
            else
                options.onBlock(data);
        };
        this.#node.connect(context.destination); // silence; without a way to the end some browsers do not run a node
        context.onstatechange = () => options.onRunning(context.state === "running");
    }
    /**
     * Open, with a source of each side.
     *
     * Chromium and Safari resample to the rate that is asked for. Where a browser will not (Firefox: NotSupportedError),
     * its own rate is used; the server resamples.
     *
     * @throws TapError
     */
    static async open(options, remote, local) {
        if (!isSecureContext || typeof AudioWorkletNode === "undefined")
            throw insecure();
        try {
            return await Ears.#openAt(options.rateHz, options, remote, local);
        }
        catch (problem) {
            if (!(problem instanceof DOMException && problem.name === "NotSupportedError"))
                throw problem;
            return await Ears.#openAt(undefined, options, remote, local);
        }
    }
    static async #openAt(rateHz, options, remote, local) {
        const context = new AudioContext(rateHz === undefined ? {} : { sampleRate: rateHz });
        try {
            if (!RATES_HZ.includes(context.sampleRate)) {
                throw new TapError("bad_sample_rate", `this browser's audio runs at ${context.sampleRate} Hz; the server takes ${RATES_HZ.join(", ")}. ` +
                    "Set the sound card to 48000");
            }
            await context.audioWorklet.addModule(options.workletUrl).catch((problem) => {
                throw new TapError("no_worklet", `cannot load ${options.workletUrl.href}, which packs the audio: ${String(problem)}`);
            });
            const ears = new Ears(context, options);
            ears.hear(CUSTOMER, remote);
            ears.hear(AGENT, local);
            if (context.state !== "running")
                ears.#wakeOnTouch();
            return ears;
        }
        catch (problem) {
            await context.close();
            throw problem;
        }
    }
    get rateHz() {
        return this.#context.sampleRate;
    }
    get isRunning() {
        return this.#context.state === "running";
    }
    /** Take a side from another stream from now on; null = silence. The timeline goes on. */
    hear(side, stream) {
        const track = stream?.getAudioTracks()[0] ?? null;
        const before = this.#sources[side];
        // Made before the other goes: if this fails, the old one is still there.
        this.#sources[side] = track && new Source(this.#context, this.#node, side, track, () => {
            this.#options.onTrackEnded(side);
        });
        before?.close();
    }
    /** Have a block that has begun come now, short; returns when it has. */
    async flush(last = false) {
        if (!this.isRunning)
            return;
        const flushed = new Promise((resolve) => (this.#flushed = resolve));
        this.#node.port.postMessage(last ? "close" : "flush");
        await flushed;
    }
    async close() {
        this.#context.onstatechange = null;
        for (const source of this.#sources)
            source?.close();
        this.#node.port.close();
        if (this.#context.state !== "closed")
            await this.#context.close();
    }
    /** Browsers let no audio run in a page that nobody has touched; a click or key is enough. */
    #wakeOnTouch() {
        const wake = () => {
            if (this.#context.state === "suspended")
                void this.#context.resume();
            for (const kind of TOUCHES)
                removeEventListener(kind, wake);
        };
        for (const kind of TOUCHES)
            addEventListener(kind, wake);
    }
}
const TOUCHES = ["pointerdown", "keydown"];
/** One side's track on its way into the packer. */
class Source {
    #node;
    #pump = new Audio();
    #track;
    #onEnded;
    constructor(context, packer, side, track, onEnded) {
        const stream = new MediaStream([track]);
        this.#node = context.createMediaStreamSource(stream);
        this.#node.connect(packer, 0, side);
        // Chromium decodes a remote track only while an element plays it (Chromium issue 121673), heard or not.
        this.#pump.muted = true;
        this.#pump.srcObject = stream;
        this.#pump.play().catch(() => undefined); // refused only where the page plays the track itself, or has closed it
        this.#track = track;
        this.#onEnded = onEnded;
        track.addEventListener("ended", onEnded);
    }
    close() {
        this.#track.removeEventListener("ended", this.#onEnded);
        this.#node.disconnect();
        this.#pump.srcObject = null;
    }
}
