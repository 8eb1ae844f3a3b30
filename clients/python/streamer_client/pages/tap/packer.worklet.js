"use strict";
// Packs both sides of a call, on the audio thread: input 0 = customer, input 1 = agent, into blocks of 16-bit samples
// interleaved by channel. It must never wait, allocate per quantum or know of a network: a block is posted and forgotten.
/** Frames of a render quantum (Web Audio API 1.1, section 2.4), where no input tells. */
const QUANTUM = 128;
const CHANNELS = 2;
class Packer extends AudioWorkletProcessor {
    #blockFrames;
    #block;
    #frames = 0;
    #squares = [0, 0];
    #open = true;
    constructor(options) {
        super();
        this.#blockFrames = options.processorOptions.blockFrames;
        this.#block = new Int16Array(this.#blockFrames * CHANNELS);
        this.port.onmessage = ({ data }) => {
            if (this.#frames)
                this.#post();
            if (data === "close")
                this.#open = false;
            this.port.postMessage("flushed");
        };
    }
    process(inputs) {
        if (!this.#open)
            return false; // asked all the same, as long as it has inputs
        const customer = inputs[0]?.[0];
        const agent = inputs[1]?.[0];
        const frames = customer?.length ?? agent?.length ?? QUANTUM;
        for (let i = 0; i < frames; i++) {
            this.#put(0, customer ? customer[i] : 0);
            this.#put(1, agent ? agent[i] : 0);
            if (++this.#frames === this.#blockFrames)
                this.#post();
        }
        return true;
    }
    #put(channel, sample) {
        const clamped = sample < -1 ? -1 : sample > 1 ? 1 : sample;
        this.#squares[channel] += clamped * clamped;
        this.#block[this.#frames * CHANNELS + channel] = Math.round(clamped * 32767);
    }
    #post() {
        const pcm = this.#frames === this.#blockFrames ? this.#block : this.#block.slice(0, this.#frames * CHANNELS);
        const block = { pcm: pcm.buffer, frames: this.#frames, squares: this.#squares };
        this.port.postMessage(block, [pcm.buffer]);
        this.#block = new Int16Array(this.#blockFrames * CHANNELS);
        this.#frames = 0;
        this.#squares = [0, 0];
    }
}
registerProcessor("emotion-streamer-packer", Packer);
