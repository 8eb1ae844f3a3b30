// The call's media clock at the tap: what of it has been captured, and what of it the server knows. Pure.
//
// One rule covers hold, mute of the tab, back-pressure and a lost connection: whatever was not sent is told as `gap`,
// exactly, in front of the next audio that is. It must never read a clock of its own: the samples are the clock.
export class MediaClock {
    rateHz;
    #captured = 0;
    #told = 0;
    constructor(rateHz) {
        this.rateHz = rateHz;
    }
    /** Frames captured, or passed without being captured, since the call began. */
    get captured() {
        return this.#captured;
    }
    /** Seconds since the call began. */
    get nowS() {
        return this.#captured / this.rateHz;
    }
    /** Take note of a block, or of time in which the browser gave none; return where it begins. */
    advance(frames) {
        const begins = this.#captured;
        this.#captured += frames;
        return begins;
    }
    /** A new connection: it knows nothing of what went before. */
    forget() {
        this.#told = 0;
    }
    /** Return the milliseconds that must be told as gap before a block that begins there; 0 = none. They count as told. */
    gapBeforeMs(begins) {
        const missing = begins - this.#told;
        if (missing <= 0)
            return 0;
        this.#told = begins;
        return (missing * 1000) / this.rateHz;
    }
    /** Take note that so many frames have been sent. */
    sent(frames) {
        this.#told += frames;
    }
}
