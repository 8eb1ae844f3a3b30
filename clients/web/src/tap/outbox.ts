// Audio on its way to the server: what waits for a connection, what is left out, what is told as gap, and whether anything
// moves. Pure but for the line that it is given. It must never connect, nor keep more than a moment of audio.
import { MediaClock } from "./clock.js";
import type { Block } from "./ears.js";
import type { Line } from "./line.js";

/** Audio that may wait for a connection that is being made. */
const MOST_WAITING_S = 2;
/** Neither a word nor a byte taken for so long: the connection is dead, though the system does not know yet. */
const DEAD_AFTER_S = 15;
const BYTES_PER_FRAME = 4;

interface Waiting {
  readonly block: Block;
  readonly begins: number;
}

export class Outbox {
  #clock = new MediaClock(1);
  #waiting: Waiting[] = [];
  #lastBufferedBytes = 0;
  #lastMovedS = 0;
  #leftOut = 0;

  /** @param mostBufferedS Audio beyond this that the network does not take is left out. */
  constructor(readonly mostBufferedS: number) {}

  /** Seconds since the call began. */
  get nowS(): number {
    return this.#clock.nowS;
  }

  /** Media time since the tap began, in ms. */
  get mediaMs(): number {
    return (this.#clock.captured * 1000) / this.#clock.rateHz;
  }

  /** Media time that was left out because the network did not take it, in ms. */
  get leftOutMs(): number {
    return (this.#leftOut * 1000) / this.#clock.rateHz;
  }

  /** Audio is open, with so many frames a second. */
  begin(rateHz: number): void {
    this.#clock = new MediaClock(rateHz);
  }

  /** Take note of a block, or of time in which the browser gave none; return where it begins. */
  advance(frames: number): number {
    return this.#clock.advance(frames);
  }

  /** The browser gave no audio for so long. */
  slept(ms: number): void {
    this.#clock.advance(Math.round((ms * this.#clock.rateHz) / 1000));
  }

  /** A new connection: nothing waits in it, and it knows nothing of what went before. */
  connecting(): void {
    this.#clock.forget();
    this.moved();
    this.#lastBufferedBytes = 0;
  }

  /** The server has said something. */
  moved(): void {
    this.#lastMovedS = this.#clock.nowS;
  }

  /** Keep a block for the connection that is being made; the oldest go first. */
  keep(block: Block, begins: number): void {
    this.#waiting.push({ block, begins });
    const oldest = this.#clock.captured - MOST_WAITING_S * this.#clock.rateHz;
    while (this.#waiting[0] && this.#waiting[0].begins < oldest) this.#waiting.shift();
  }

  /** Nothing that waits is to go out. */
  clear(): void {
    this.#waiting = [];
  }

  /** Send what waits, then this block. */
  send(line: Line, block: Block, begins: number): void {
    for (const waiting of this.#waiting.splice(0)) this.#sendOne(line, waiting);
    this.#sendOne(line, { block, begins });
  }

  /** Tell the server how long the call was: what is missing up to now. */
  close(line: Line): void {
    this.#tellGap(line, this.#clock.captured);
  }

  /** Whether this connection takes nothing and says nothing; to be asked with each block. */
  isDead(line: Line): boolean {
    const buffered = line.bufferedBytes;
    if (line.isOpen && (buffered === 0 || buffered < this.#lastBufferedBytes)) this.moved();
    this.#lastBufferedBytes = buffered;
    return this.#clock.nowS - this.#lastMovedS >= DEAD_AFTER_S;
  }

  #sendOne(line: Line, { block, begins }: Waiting): void {
    const mostBytes = this.mostBufferedS * this.#clock.rateHz * BYTES_PER_FRAME;
    if (line.bufferedBytes > mostBytes) {
      this.#leftOut += block.frames;
      return;
    }
    this.#tellGap(line, begins);
    line.audio(block.pcm);
    this.#clock.sent(block.frames);
  }

  #tellGap(line: Line, begins: number): void {
    const duration_ms = this.#clock.gapBeforeMs(begins);
    if (duration_ms) line.tell({ type: "gap", duration_ms });
  }
}
