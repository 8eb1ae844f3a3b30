// When to connect again. It must never read a clock: time comes in.

/** Close codes after which another try makes sense at once, from the start: draining, restarting, full. */
const TRY_AGAIN = new Set([1001, 1012, 1013]);
/** What the server says of a stream that was silent too long; audio that comes again may open a new one. */
const IDLE = "idle";
const LONGEST_S = 15;

export interface Closed {
  readonly code: number;
  /** The `code` of the server's `error`. */
  readonly error: string | null;
}

/**
 * Whether a connection that ended is worth another.
 *
 * @param everReady Whether the server has accepted this call before: then even a connection that fails without a word is
 *   a broken network, not a refusal.
 */
export function isWorthAnother(closed: Closed, everReady: boolean): boolean {
  if (TRY_AGAIN.has(closed.code)) return true;
  if (!everReady) return false;
  if (closed.code === 1008) return closed.error === IDLE;
  return closed.code !== 1009 && closed.code !== 1000;
}

/**
 * Seconds until the next try: half a second, doubling to 15, spread so that a thousand softphones do not come back as one.
 *
 * @param failures Tries in a row that failed, from 1.
 * @param chance 0 to 1.
 */
export function delayS(failures: number, chance: number): number {
  const longest = Math.min(LONGEST_S, 0.5 * 2 ** (failures - 1));
  return longest * (0.5 + chance / 2);
}

/** The tries of one tap, on the call's media clock. */
export class Tries {
  #failures = 0;
  #nextAtS: number | null = null;

  /** Whether there is no connection and the next try is still to come. */
  get areWaiting(): boolean {
    return this.#nextAtS !== null;
  }

  /** Whether the next try is due. */
  areDue(nowS: number): boolean {
    return this.#nextAtS !== null && nowS >= this.#nextAtS;
  }

  /** A connection is gone, or was not made. */
  failed(nowS: number): void {
    this.#failures += 1;
    this.#nextAtS = nowS + delayS(this.#failures, Math.random());
  }

  /** A try begins, or no more are wanted. */
  begun(): void {
    this.#nextAtS = null;
  }

  /** The server has accepted the call. */
  succeeded(): void {
    this.#failures = 0;
  }
}
