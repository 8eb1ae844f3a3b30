// One call, from two media streams to the server and its events back.
//
// The samples are the only clock: the audio thread posts a block every 40 ms whatever the tab does, and with each block
// the tap sends it, or not, and looks after its connection. There is no timer on that way, for browsers slow timers of a
// tab in the background. It must never disturb the call: whatever fails here, the people go on speaking.
//
// connecting ── ready ──> live <── resume / pause ──> held
//                          │ connection lost               ready again: live or held
//                          └──────────> reconnecting ─────────┘
// any of them: stop ──> stopping ──> ended;  withdraw ──> stopping ──> withdrawn;  refused for good ──> failed
import { delayS, isWorthAnother } from "./backoff.js";
import { MediaClock } from "./clock.js";
import { AGENT, CUSTOMER, Ears } from "./ears.js";
import { TapError, checkToken, checkedUrl, unreachable } from "./errors.js";
import { Line } from "./line.js";
export { TapError } from "./errors.js";
/** Audio that may wait for a connection that is being made. */
const MOST_WAITING_S = 2;
/** Neither a word nor a byte taken for so long: the connection is dead, though the system does not know yet. */
const DEAD_AFTER_S = 15;
/** So long the server may take for its last verdicts. */
const ENDED_WITHIN_MS = 30_000;
const BYTES_PER_FRAME = 4;
const QUIETEST_DBFS = -100;
/** Tap a call; begins at once. Errors come to `onError` and reject `ready`. */
export function tapCall(options) {
    return new Tap(options);
}
export class Tap {
    /** The server has accepted the call for the first time. Need not be awaited. */
    ready;
    #options;
    #url = null;
    #state = "connecting";
    #ears = null;
    #clock = new MediaClock(1);
    #line = null;
    #waiting = [];
    #pauses = new Set();
    /** Nothing more goes out, whatever comes. */
    #silent = false;
    #noticed;
    #streams;
    #sleptSinceMs = null;
    #everReady = false;
    #failures = 0;
    #tryAgainAtS = null;
    #lastBufferedBytes = 0;
    #lastMovedS = 0;
    #heard = 0;
    /** Of those, on the present connection: `ended` counts them, too. */
    #heardHere = 0;
    #leftOut = 0;
    #endedTracks = new Set();
    #stopping = null;
    #onEnded = null;
    #settleReady;
    constructor(options) {
        this.#options = options;
        this.#noticed = options.notice ?? false;
        this.#streams = [options.remoteStream, options.localStream ?? null];
        this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }));
        this.ready.catch(() => undefined); // whoever does not await it has onError
        try {
            this.#url = checkedUrl(options.url, location);
            checkToken(options.token ?? "");
            if (!options.remoteStream.getAudioTracks().length) {
                throw new TapError("no_remote_audio", "remoteStream has no audio track; tap when the other side's track has come (RTCPeerConnection 'track')");
            }
        }
        catch (problem) {
            this.#failLater(problem);
            return;
        }
        addEventListener("pagehide", this.#onPageHide);
        this.#listen().catch((problem) => this.#fail(problem));
    }
    get state() {
        return this.#state;
    }
    get callId() {
        return this.#options.callId;
    }
    /** Samples a second that go out on each channel; 0 before audio is open. */
    get sampleRate() {
        return this.#ears?.rateHz ?? 0;
    }
    /** Media time since the tap began, in ms: where `start_ms` of an utterance that begins now will lie. */
    get mediaMs() {
        return (this.#clock.captured * 1000) / this.#clock.rateHz;
    }
    /** Media time that was left out because the network did not take it, in ms. */
    get leftOutMs() {
        return (this.#leftOut * 1000) / this.#clock.rateHz;
    }
    /**
     * Hold, secure entry: no audio leaves the browser until `resume`. The timeline goes on.
     *
     * @param why Pauses of several reasons last until each is resumed: the end of a hold does not end a secure entry.
     */
    pause(why = "") {
        if (this.#isOver)
            return;
        const wasPaused = this.#isPaused;
        this.#pauses.add(why);
        if (wasPaused)
            return;
        this.#waiting = [];
        this.#line?.tell({ type: "pause" });
        if (this.#state === "live")
            this.#become("held");
    }
    /** End the pause of that reason; a second time nothing happens. */
    resume(why = "") {
        if (this.#isOver || !this.#pauses.delete(why) || this.#isPaused)
            return;
        this.#line?.tell({ type: "resume" });
        if (this.#state === "held")
            this.#become("live");
    }
    /** The customer has now been told that emotion is inferred. */
    notice() {
        if (this.#noticed || this.#isOver)
            return;
        this.#noticed = true;
        this.#line?.tell({ type: "notice" });
    }
    /** The customer's side comes from another stream from now on: a new track, or the same person on a new connection. */
    replaceRemote(stream) {
        this.#replace(CUSTOMER, stream);
    }
    /** The agent's side comes from another stream from now on: another microphone; null = silence. */
    replaceLocal(stream) {
        this.#replace(AGENT, stream);
    }
    /** The call is over. Resolves when the server has handed over all verdicts; a second time with the same. */
    stop() {
        return (this.#stopping ??= this.#stop("ended"));
    }
    /** The customer objects: no audio leaves any more, and the server removes what is pending. The tap ends with it. */
    withdraw() {
        return (this.#stopping ??= this.#stop("withdrawn"));
    }
    get #isPaused() {
        return this.#pauses.size > 0;
    }
    get #isOver() {
        return this.#stopping !== null || this.#state === "failed";
    }
    #become(state) {
        if (state === this.#state)
            return;
        this.#state = state;
        this.#options.onState?.(state);
    }
    #replace(side, stream) {
        if (this.#isOver)
            return;
        if (side === CUSTOMER && !stream?.getAudioTracks().length) {
            throw new TapError("no_remote_audio", "the new remote stream has no audio track; the old one stays", false);
        }
        if (side === CUSTOMER)
            this.#streams[CUSTOMER] = stream;
        else
            this.#streams[AGENT] = stream;
        this.#endedTracks.delete(side);
        this.#ears?.hear(side, stream);
    }
    async #listen() {
        const { workletUrl, sampleRate = 16_000 } = this.#options;
        const ears = await Ears.open({
            rateHz: sampleRate,
            workletUrl: new URL(workletUrl ?? "./packer.worklet.js", workletUrl ? location.href : import.meta.url),
            onBlock: (block) => this.#take(block),
            onRunning: (running) => this.#onRunning(running),
            onTrackEnded: (side) => this.#endedTracks.add(side),
        }, ...this.#streams);
        if (this.#isOver) {
            await ears.close();
            return;
        }
        this.#ears = ears;
        this.#clock = new MediaClock(ears.rateHz);
        // Streams may have been replaced while audio was being opened.
        ears.hear(CUSTOMER, this.#streams[CUSTOMER]);
        ears.hear(AGENT, this.#streams[AGENT]);
        if (!ears.isRunning)
            this.#onRunning(false);
        this.#connect();
    }
    #connect() {
        this.#tryAgainAtS = null;
        this.#clock.forget();
        this.#lastMovedS = this.#clock.nowS;
        this.#lastBufferedBytes = 0;
        const { callId, labels = {}, token = "" } = this.#options;
        const start = { call_id: callId, sample_rate: this.sampleRate, labels, notice: this.#noticed };
        const noticed = this.#noticed;
        this.#heardHere = 0;
        const listener = {
            ready: (ready) => {
                this.#failures = 0;
                this.#everReady = true;
                if (this.#noticed && !noticed)
                    this.#line?.tell({ type: "notice" });
                if (this.#isPaused)
                    this.#line?.tell({ type: "pause" });
                this.#become(this.#isPaused ? "held" : "live");
                this.#settleReady.resolve(ready);
            },
            event: (event) => {
                this.#lastMovedS = this.#clock.nowS;
                if (event.type === "emotion-streamer.utterance.v1") {
                    this.#heard += 1;
                    this.#heardHere += 1;
                }
                this.#options.onEvent(event);
            },
            ended: (utterances) => this.#onEnded?.(utterances),
            closed: (closing) => this.#lost(closing),
        };
        try {
            this.#line = new Line(this.#url, token, start, listener);
        }
        catch (problem) {
            this.#fail(new TapError("blocked", `the browser does not let this page connect to ${this.#url.host}: ${String(problem)}`));
        }
    }
    /** One block of audio: the heartbeat of the tap. */
    #take(block) {
        const begins = this.#clock.advance(block.frames);
        this.#tellLevels(block);
        if (!this.#isOver)
            this.#tellEndedTracks();
        if (this.#tryAgainAtS !== null && this.#clock.nowS >= this.#tryAgainAtS)
            this.#connect();
        if (this.#isPaused || this.#silent)
            return;
        const line = this.#line;
        if (line?.isOpen) {
            this.#lookAfter(line); // before anything is sent: what has just been is always still there
            if (this.#line !== line)
                return;
            for (const waiting of this.#waiting.splice(0))
                this.#send(line, waiting);
            this.#send(line, { block, begins });
        }
        else {
            this.#waiting.push({ block, begins });
            const oldest = this.#clock.captured - MOST_WAITING_S * this.#clock.rateHz;
            while (this.#waiting[0] && this.#waiting[0].begins < oldest)
                this.#waiting.shift();
            if (this.#tryAgainAtS === null && line)
                this.#lookAfter(line);
        }
    }
    #send(line, { block, begins }) {
        const mostBytes = (this.#options.mostBufferedS ?? 2) * this.#clock.rateHz * BYTES_PER_FRAME;
        if (line.bufferedBytes > mostBytes) {
            this.#leftOut += block.frames;
            return;
        }
        this.#tellGap(line, begins);
        line.audio(block.pcm);
        this.#clock.sent(block.frames);
    }
    #tellGap(line, begins) {
        const duration_ms = this.#clock.gapBeforeMs(begins);
        if (duration_ms)
            line.tell({ type: "gap", duration_ms });
    }
    /** Give up a connection that takes nothing and says nothing. */
    #lookAfter(line) {
        const buffered = line.bufferedBytes;
        if (line.isOpen && (buffered === 0 || buffered < this.#lastBufferedBytes))
            this.#lastMovedS = this.#clock.nowS;
        this.#lastBufferedBytes = buffered;
        if (this.#clock.nowS - this.#lastMovedS < DEAD_AFTER_S)
            return;
        const wasReady = line.isOpen;
        line.abandon();
        this.#lost({ code: 1006, error: null, wasReady });
    }
    #lost({ code, error }) {
        this.#line = null;
        if (this.#stopping) {
            this.#onEnded?.(null);
            return;
        }
        if (!isWorthAnother({ code, error: error?.code ?? null }, this.#everReady)) {
            this.#fail(error
                ? new TapError(error.code, `the server refused: ${error.message}`)
                : this.#everReady
                    ? new TapError("closed", `the server closed the connection with ${code}; its log says why`)
                    : unreachable(this.#url, Boolean(this.#options.token), location.origin));
            return;
        }
        this.#failures += 1;
        const waitS = delayS(this.#failures, Math.random());
        this.#tryAgainAtS = this.#clock.nowS + waitS;
        if (this.#everReady)
            this.#become("reconnecting");
        const why = error ? `the server says: ${error.message}` : `it closed with ${code}`;
        this.#report(new TapError(error?.code ?? "lost", `the connection to the server is gone (${why}); trying again`, false));
    }
    #onRunning(running) {
        if (!running) {
            this.#sleptSinceMs = performance.now();
            this.#report(new TapError("suspended", "the browser holds this page's audio back until somebody clicks on it or presses a key", false));
        }
        else if (this.#sleptSinceMs !== null) {
            const sleptMs = performance.now() - this.#sleptSinceMs;
            this.#sleptSinceMs = null;
            this.#clock.advance(Math.round((sleptMs * this.#clock.rateHz) / 1000));
        }
    }
    /** Said with the next block: a softphone that hangs up ends its tracks first, and stops the tap at once. */
    #tellEndedTracks() {
        for (const side of this.#endedTracks) {
            this.#endedTracks.delete(side);
            const who = side === CUSTOMER ? "customer's" : "agent's";
            this.#report(new TapError("track_ended", `the ${who} audio track has ended (unplugged, or closed by the softphone); silence is sent until another is given`, false));
        }
    }
    #tellLevels({ squares, frames }) {
        this.#options.onLevels?.({ customer: dbfs(squares[0], frames), agent: dbfs(squares[1], frames) });
    }
    async #stop(as) {
        await Promise.resolve(); // so that `#stopping` stands before anyone hears of it
        if (this.#state === "failed")
            return { utterances: this.#heard, confirmed: false };
        this.#become("stopping");
        removeEventListener("pagehide", this.#onPageHide);
        const line = this.#line;
        let ended = null;
        if (line?.isOpen) {
            if (as === "withdrawn") {
                this.#silent = true;
                line.tell({ type: "withdraw" });
            }
            else if (!this.#isPaused) {
                await this.#ears?.flush(true);
                this.#silent = true; // audio after `stop` would be an error
                this.#tellGap(line, this.#clock.captured);
            }
            ended = await this.#lastWord(line);
        }
        this.#line?.abandon();
        this.#line = null;
        this.#tryAgainAtS = null;
        await this.#ears?.close();
        this.#become(as);
        this.#settleReady.reject(new TapError("stopped", "the tap was stopped before the server had accepted the call"));
        const here = ended ?? this.#heardHere;
        return { utterances: this.#heard - this.#heardHere + here, confirmed: ended !== null };
    }
    /** Say stop and wait for `ended`; null where it does not come. */
    async #lastWord(line) {
        if (!line.isOpen)
            return null;
        const ended = new Promise((resolve) => {
            const late = setTimeout(resolve, ENDED_WITHIN_MS, null);
            this.#onEnded = (utterances) => {
                clearTimeout(late);
                resolve(utterances);
            };
        });
        line.tell({ type: "stop" });
        return ended;
    }
    #onPageHide = (event) => {
        if (event.persisted)
            return; // it may come back
        this.#line?.tell({ type: "stop" });
    };
    #failLater(problem) {
        queueMicrotask(() => this.#fail(problem)); // not before whoever called has the tap
    }
    #fail(problem) {
        if (this.#isOver)
            return;
        const error = problem instanceof TapError
            ? problem
            : new TapError("audio_failed", `the browser's audio cannot be tapped: ${String(problem)}`);
        removeEventListener("pagehide", this.#onPageHide);
        this.#line?.abandon();
        this.#line = null;
        void this.#ears?.close();
        this.#become("failed");
        this.#settleReady.reject(error);
        this.#report(error);
    }
    #report(error) {
        this.#options.onError?.(error);
    }
}
function dbfs(squares, frames) {
    return Math.max(QUIETEST_DBFS, 10 * Math.log10(squares / frames + 1e-12));
}
