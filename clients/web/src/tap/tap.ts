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
import { isWorthAnother, Tries } from "./backoff.js";
import { AGENT, CUSTOMER, Ears, type Block, type Side } from "./ears.js";
import {
  TapError,
  audioFailed,
  blocked,
  checkToken,
  checkedUrl,
  lost,
  refused,
  suspended,
  trackEnded,
  unreachable,
} from "./errors.js";
import { Farewell } from "./farewell.js";
import { levelsOf } from "./levels.js";
import { Line, type Closing, type Listener, type Ready } from "./line.js";
import type { Stopped, TapOptions, TapState } from "./options.js";
import { Outbox } from "./outbox.js";

/** Tap a call; begins at once. Errors come to `onError` and reject `ready`. */
export function tapCall(options: TapOptions): Tap {
  return new Tap(options);
}

export class Tap {
  /** The server has accepted the call for the first time. Need not be awaited. */
  readonly ready: Promise<Ready>;
  readonly #options: TapOptions;
  readonly #url: URL | null = null;
  #state: TapState = "connecting";
  #ears: Ears | null = null;
  readonly #outbox: Outbox;
  #line: Line | null = null;
  readonly #pauses = new Set<string>();
  /** Nothing more goes out, whatever comes. */
  #silent = false;
  #noticed: boolean;
  #streams: [MediaStream, MediaStream | null];
  #sleptSinceMs: number | null = null;
  #everReady = false;
  readonly #tries = new Tries();
  #heard = 0;
  /** Of those, on the present connection: `ended` counts them, too. */
  #heardHere = 0;
  readonly #endedTracks = new Set<Side>();
  #stopping: Promise<Stopped> | null = null;
  readonly #farewell = new Farewell();
  #settleReady!: { resolve(ready: Ready): void; reject(error: TapError): void };

  constructor(options: TapOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.mostBufferedS ?? 2);
    this.#noticed = options.notice ?? false;
    this.#streams = [options.remoteStream, options.localStream ?? null];
    this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }));
    this.ready.catch(() => undefined); // whoever does not await it has onError
    try {
      this.#url = checkedUrl(options.url, location);
      checkToken(options.token ?? "");
      if (!options.remoteStream.getAudioTracks().length) {
        throw new TapError(
          "no_remote_audio",
          "remoteStream has no audio track; tap when the other side's track has come (RTCPeerConnection 'track')",
        );
      }
    } catch (problem) {
      this.#failLater(problem);
      return;
    }
    addEventListener("pagehide", this.#onPageHide);
    this.#listen().catch((problem: unknown) => this.#fail(problem));
  }

  get state(): TapState {
    return this.#state;
  }

  get callId(): string {
    return this.#options.callId;
  }

  /** Samples a second that go out on each channel; 0 before audio is open. */
  get sampleRate(): number {
    return this.#ears?.rateHz ?? 0;
  }

  /** Media time since the tap began, in ms: where `start_ms` of an utterance that begins now will lie. */
  get mediaMs(): number {
    return this.#outbox.mediaMs;
  }

  /** Media time that was left out because the network did not take it, in ms. */
  get leftOutMs(): number {
    return this.#outbox.leftOutMs;
  }

  /**
   * Hold, secure entry: no audio leaves the browser until `resume`. The timeline goes on.
   *
   * @param why Pauses of several reasons last until each is resumed: the end of a hold does not end a secure entry.
   */
  pause(why = ""): void {
    if (this.#isOver) return;
    const wasPaused = this.#isPaused;
    this.#pauses.add(why);
    if (wasPaused) return;
    this.#outbox.clear();
    this.#line?.tell({ type: "pause" });
    if (this.#state === "live") this.#become("held");
  }

  /** End the pause of that reason; a second time nothing happens. */
  resume(why = ""): void {
    if (this.#isOver || !this.#pauses.delete(why) || this.#isPaused) return;
    this.#line?.tell({ type: "resume" });
    if (this.#state === "held") this.#become("live");
  }

  /** The customer has now been told that emotion is inferred. */
  notice(): void {
    if (this.#noticed || this.#isOver) return;
    this.#noticed = true;
    this.#line?.tell({ type: "notice" });
  }

  /** The customer's side comes from another stream from now on: a new track, or the same person on a new connection. */
  replaceRemote(stream: MediaStream): void {
    this.#replace(CUSTOMER, stream);
  }

  /** The agent's side comes from another stream from now on: another microphone; null = silence. */
  replaceLocal(stream: MediaStream | null): void {
    this.#replace(AGENT, stream);
  }

  /** The call is over. Resolves when the server has handed over all verdicts; a second time with the same. */
  stop(): Promise<Stopped> {
    return (this.#stopping ??= this.#stop("ended"));
  }

  /** The customer objects: no audio leaves any more, and the server removes what is pending. The tap ends with it. */
  withdraw(): Promise<Stopped> {
    return (this.#stopping ??= this.#stop("withdrawn"));
  }

  get #isPaused(): boolean {
    return this.#pauses.size > 0;
  }

  get #isOver(): boolean {
    return this.#stopping !== null || this.#state === "failed";
  }

  #become(state: TapState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  #replace(side: Side, stream: MediaStream | null): void {
    if (this.#isOver) return;
    if (side === CUSTOMER && !stream?.getAudioTracks().length) {
      throw new TapError("no_remote_audio", "the new remote stream has no audio track; the old one stays", false);
    }
    if (side === CUSTOMER) this.#streams[CUSTOMER] = stream!;
    else this.#streams[AGENT] = stream;
    this.#endedTracks.delete(side);
    this.#ears?.hear(side, stream);
  }

  async #listen(): Promise<void> {
    const { workletUrl, sampleRate = 16_000 } = this.#options;
    const ears = await Ears.open(
      {
        rateHz: sampleRate,
        workletUrl: new URL(workletUrl ?? "./packer.worklet.js", workletUrl ? location.href : import.meta.url),
        onBlock: (block) => this.#take(block),
        onRunning: (running) => this.#onRunning(running),
        onTrackEnded: (side) => this.#endedTracks.add(side),
      },
      ...this.#streams,
    );
    if (this.#isOver) {
      await ears.close();
      return;
    }
    this.#ears = ears;
    this.#outbox.begin(ears.rateHz);
    // Streams may have been replaced while audio was being opened.
    ears.hear(CUSTOMER, this.#streams[CUSTOMER]);
    ears.hear(AGENT, this.#streams[AGENT]);
    if (!ears.isRunning) this.#onRunning(false);
    this.#connect();
  }

  #connect(): void {
    this.#tries.begun();
    this.#outbox.connecting();
    const { callId, labels = {}, token = "" } = this.#options;
    const start = { call_id: callId, sample_rate: this.sampleRate, labels, notice: this.#noticed };
    const noticed = this.#noticed;
    this.#heardHere = 0;
    const listener: Listener = {
      ready: (ready) => {
        this.#tries.succeeded();
        this.#everReady = true;
        if (this.#noticed && !noticed) this.#line?.tell({ type: "notice" });
        if (this.#isPaused) this.#line?.tell({ type: "pause" });
        this.#become(this.#isPaused ? "held" : "live");
        this.#settleReady.resolve(ready);
      },
      event: (event) => {
        this.#outbox.moved();
        if (event.type === "emotion-streamer.utterance.v1") {
          this.#heard += 1;
          this.#heardHere += 1;
        }
        this.#options.onEvent(event);
      },
      ended: (utterances) => this.#farewell.answered(utterances),
      closed: (closing) => this.#lost(closing),
    };
    try {
      this.#line = new Line(this.#url!, token, start, listener);
    } catch (problem) {
      this.#fail(blocked(this.#url!, problem));
    }
  }

  /** One block of audio: the heartbeat of the tap. */
  #take(block: Block): void {
    const begins = this.#outbox.advance(block.frames);
    this.#options.onLevels?.(levelsOf(block));
    if (!this.#isOver) this.#tellEndedTracks();
    if (this.#tries.areDue(this.#outbox.nowS)) this.#connect();
    if (this.#isPaused || this.#silent) return;
    const line = this.#line;
    if (line?.isOpen) {
      this.#lookAfter(line); // before anything is sent: what has just been is always still there
      if (this.#line === line) this.#outbox.send(line, block, begins);
    } else {
      this.#outbox.keep(block, begins);
      if (!this.#tries.areWaiting && line) this.#lookAfter(line);
    }
  }

  /** Give up a connection that takes nothing and says nothing. */
  #lookAfter(line: Line): void {
    if (!this.#outbox.isDead(line)) return;
    const wasReady = line.isOpen;
    line.abandon();
    this.#lost({ code: 1006, error: null, wasReady });
  }

  #lost({ code, error }: Closing): void {
    this.#line = null;
    if (this.#stopping) {
      this.#farewell.answered(null);
      return;
    }
    if (!isWorthAnother({ code, error: error?.code ?? null }, this.#everReady)) {
      this.#fail(refused(error, code, this.#everReady) ?? unreachable(this.#url!, Boolean(this.#options.token), location.origin));
      return;
    }
    this.#tries.failed(this.#outbox.nowS);
    if (this.#everReady) this.#become("reconnecting");
    this.#report(lost(error, code));
  }

  #onRunning(running: boolean): void {
    if (!running) {
      this.#sleptSinceMs = performance.now();
      this.#report(suspended());
    } else if (this.#sleptSinceMs !== null) {
      const sleptMs = performance.now() - this.#sleptSinceMs;
      this.#sleptSinceMs = null;
      this.#outbox.slept(sleptMs);
    }
  }

  /** Said with the next block: a softphone that hangs up ends its tracks first, and stops the tap at once. */
  #tellEndedTracks(): void {
    for (const side of this.#endedTracks) {
      this.#endedTracks.delete(side);
      this.#report(trackEnded(side === CUSTOMER ? "customer's" : "agent's"));
    }
  }

  async #stop(as: "ended" | "withdrawn"): Promise<Stopped> {
    await Promise.resolve(); // so that `#stopping` stands before anyone hears of it
    if (this.#state === "failed") return { utterances: this.#heard, confirmed: false };
    this.#become("stopping");
    removeEventListener("pagehide", this.#onPageHide);
    const line = this.#line;
    let ended: number | null = null;
    if (line?.isOpen) {
      if (as === "withdrawn") {
        this.#silent = true;
        line.tell({ type: "withdraw" });
      } else if (!this.#isPaused) {
        await this.#ears?.flush(true);
        this.#silent = true; // audio after `stop` would be an error
        this.#outbox.close(line);
      }
      ended = await this.#farewell.say(line);
    }
    this.#line?.abandon();
    this.#line = null;
    this.#tries.begun();
    await this.#ears?.close();
    this.#become(as);
    this.#settleReady.reject(new TapError("stopped", "the tap was stopped before the server had accepted the call"));
    const here = ended ?? this.#heardHere;
    return { utterances: this.#heard - this.#heardHere + here, confirmed: ended !== null };
  }

  #onPageHide = (event: PageTransitionEvent): void => {
    if (event.persisted) return; // it may come back
    this.#line?.tell({ type: "stop" });
  };

  #failLater(problem: unknown): void {
    queueMicrotask(() => this.#fail(problem)); // not before whoever called has the tap
  }

  #fail(problem: unknown): void {
    if (this.#isOver) return;
    const error = problem instanceof TapError ? problem : audioFailed(problem);
    removeEventListener("pagehide", this.#onPageHide);
    this.#line?.abandon();
    this.#line = null;
    void this.#ears?.close();
    this.#become("failed");
    this.#settleReady.reject(error);
    this.#report(error);
  }

  #report(error: TapError): void {
    this.#options.onError?.(error);
  }
}
