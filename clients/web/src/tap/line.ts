// One connection in the native protocol (docs/native-protocol.md): start, ready, audio and words, ended, close.
// It must never connect again by itself, nor keep audio: that is the tap's business.
import type { TapEvent } from "./events.js";

export const PROTOCOL = "emotion-streamer.v1";

/** The first message. */
export interface Start {
  readonly call_id: string;
  readonly sample_rate: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly notice: boolean;
}

/** What the server answers to `start`. */
export interface Ready {
  /** The server's name for this stream, for its log. */
  readonly sessionId: string;
  /** Whose emotion will be named. */
  readonly analysed: readonly string[];
}

export type Word =
  | { readonly type: "gap"; readonly duration_ms: number }
  | { readonly type: "pause" | "resume" | "notice" | "withdraw" | "stop" };

/** How a connection ended. */
export interface Closing {
  /** 1006 where nobody said anything. */
  readonly code: number;
  /** The server's `error`, where it sent one. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Whether the server had accepted the call. */
  readonly wasReady: boolean;
}

export interface Listener {
  ready(ready: Ready): void;
  event(event: TapEvent): void;
  ended(utterances: number): void;
  /** Comes once, last; not after `abandon`. */
  closed(closing: Closing): void;
}

type Message =
  | { type: "ready"; session_id: string; analysed: string[] }
  | { type: "event"; event: TapEvent }
  | { type: "error"; code: string; message: string }
  | { type: "ended"; utterances: number };

export class Line {
  readonly #socket: WebSocket;
  readonly #listener: Listener;
  #error: Closing["error"] = null;
  #ready = false;

  /**
   * @throws DOMException where the browser does not even try.
   */
  constructor(url: URL, token: string, start: Start, listener: Listener) {
    this.#listener = listener;
    this.#socket = new WebSocket(url, token ? [PROTOCOL, `bearer.${token}`] : [PROTOCOL]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#say({ type: "start", version: 1, ...COMMON, ...start });
    this.#socket.onmessage = ({ data }) => this.#heard(JSON.parse(data as string) as Message);
    this.#socket.onclose = ({ code }) => {
      this.#listener.closed({ code, error: this.#error, wasReady: this.#ready });
    };
  }

  /** Whether audio may go out. */
  get isOpen(): boolean {
    return this.#ready && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Bytes that wait in the browser because the network, or the server, does not take them. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  audio(pcm: ArrayBuffer): void {
    this.#socket.send(pcm);
  }

  tell(word: Word): void {
    if (this.isOpen) this.#say(word);
  }

  /** Leave it to itself, silently: for one that is dead and would take minutes to say so. */
  abandon(): void {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  #say(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  #heard(message: Message): void {
    switch (message.type) {
      case "ready":
        this.#ready = true;
        this.#listener.ready({ sessionId: message.session_id, analysed: message.analysed });
        break;
      case "event":
        this.#listener.event(message.event);
        break;
      case "error":
        this.#error = { code: message.code, message: message.message };
        break;
      case "ended":
        this.#listener.ended(message.utterances);
        break;
    }
  }
}

const COMMON = {
  channels: [{ role: "customer" }, { role: "agent" }],
  encoding: "pcm_s16le",
  events: true,
} as const;
