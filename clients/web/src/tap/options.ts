// What whoever taps a call says and hears: options, states, levels, the end. It must never hold anything but types.
import type { TapError } from "./errors.js";
import type { TapEvent } from "./events.js";

export type TapState =
  | "connecting"
  | "live"
  | "held"
  | "reconnecting"
  | "stopping"
  | "ended"
  | "withdrawn"
  | "failed";

/** Loudness of the last 40 ms in dBFS, at least -100. */
export interface Levels {
  readonly customer: number;
  readonly agent: number;
}

export interface Stopped {
  /** Verdicts of the whole call, over all its connections. */
  readonly utterances: number;
  /** Whether the server has said that all of them are handed over; false where the connection was gone. */
  readonly confirmed: boolean;
}

export interface TapOptions {
  /** What the agent hears: the customer. */
  readonly remoteStream: MediaStream;
  /** What the agent says; null or left out = silence. */
  readonly localStream?: MediaStream | null;
  /** `wss://host:8765/v1/stream`. */
  readonly url: string;
  /** The secret of a key for this page; left out where the server needs none. */
  readonly token?: string;
  /** 1 to 256 characters; made of no names. */
  readonly callId: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The customer has been told already that emotion is inferred. */
  readonly notice?: boolean;
  /** Each verdict as it is safe at the server; partial ones, too, where it makes them. */
  onEvent(event: TapEvent): void;
  onState?(state: TapState): void;
  /** Also what the tap goes on after: see `TapError.fatal`. */
  onError?(error: TapError): void;
  /** 25 times a second. */
  onLevels?(levels: Levels): void;
  /** Asked for from the browser, which resamples; 16000. */
  readonly sampleRate?: number;
  /** Audio beyond this that the network does not take is left out and told as gap; 2. */
  readonly mostBufferedS?: number;
  /** Where a bundler has put `packer.worklet.js`. */
  readonly workletUrl?: string | URL;
}
