// Follows the events on the bus in a page or in Node, over MQTT in a WebSocket: typed, each once, through broker
// restarts. The broker delivers at least once, so an event may come twice with the same id; it leaves here once. This
// file must never publish, never let one unreadable payload end the stream, and never put a password into a message.
import { BrokerError, Link } from "./link.js";
import type { MqttModule } from "./link.js";
import { EventError, isKnown, readEvent } from "./read.js";
import type { UnknownEvent } from "./read.js";
import { OptionError, topics } from "./topics.js";
import type { EmotionEvent, Kind } from "./types.js";

/** Last levels of the topics on which messages are retained. */
const RETAINED: ReadonlySet<string> = new Set(["state", "status"]);
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** Events that may wait for an iteration that does not come. */
const MOST_WAITING = 10_000;
const ALWAYS_TOLD = 3;

/** `connected`: events flow. `lost`: they do not, and the connection is being made again. `failed`: given up. */
export type Status = "connected" | "lost" | "failed";

export interface SubscribeOptions {
  /** The broker's WebSocket listener: `ws://host:9001` or `wss://host/path`. */
  readonly url: string;
  /** What to follow; utterances, where not given. */
  readonly kinds?: readonly Kind[];
  /** Whose calls; `default` where not given, `+` for all that this user may read. */
  readonly tenant?: string;
  /** First levels of every topic, as configured in the server. */
  readonly base?: string;
  /** Only this call, by its id as it stands in its topics. */
  readonly call?: string;
  /** Only this party: `customer`, `agent`, `unknown`. */
  readonly role?: string;
  readonly username?: string;
  readonly password?: string;
  /** MQTT version; 5 where not given. */
  readonly version?: "5" | "3.1.1";
  /** How many ids to remember, 10000 where not given. An event that comes again after that many is handed out again. */
  readonly dedupe?: number;
  /** Called with each event. Without it, iterate the subscription. */
  readonly onEvent?: (event: EmotionEvent) => void;
  /** Called with `connected` and the broker's address, or `lost` or `failed` and the reason. */
  readonly onStatus?: (status: Status, detail: string) => void;
  /** Called with the topic where a retained message was taken away: of a `state`, the call is over. */
  readonly onCleared?: (topic: string) => void;
  /** mqtt.js, where it cannot be imported by its name `mqtt`. */
  readonly mqtt?: MqttModule;
}

/**
 * Follows events: `subscribe({ url, onEvent })`, or `for await (const event of subscribe({ url }))`.
 *
 * The first connection must come about: if it does not, `ready` rejects, iteration throws and the status is `failed`.
 * One that is lost later is made again, for as long as that takes.
 *
 * @throws OptionError for an option that cannot be right.
 */
export function subscribe(options: SubscribeOptions): Subscription {
  return new Subscription(options);
}

/** A stream of events; made by `subscribe`. */
export class Subscription implements AsyncIterable<EmotionEvent> {
  /** Events that came again and were not handed out. */
  duplicates = 0;
  /** Payloads that were no event; the first are told on the console, then those that make a round number. */
  unreadable = 0;
  /** Retained messages of kinds that are never retained, left out and told likewise. */
  stale = 0;
  /** Events of a type that this version does not know, left out. */
  unknown = 0;
  /** Events that were left out because nobody iterated while 10000 others waited. */
  dropped = 0;
  /** Settles when the subscription first stands, or cannot. */
  readonly ready: Promise<void>;

  readonly #options: SubscribeOptions;
  readonly #link: Link;
  readonly #dedupe: number;
  readonly #seen = new Set<string>();
  readonly #waiting: EmotionEvent[] = [];
  #taker: { resolve: (result: IteratorResult<EmotionEvent>) => void; reject: (problem: Error) => void } | undefined;
  #failed: Error | undefined;
  #closed = false;
  #wake: () => void = () => {};

  constructor(options: SubscribeOptions) {
    const { dedupe = 10_000, kinds = ["utterance"], base = "emotion", tenant = "default", call = "+", role = "+" } = options;
    if (!(dedupe >= 1)) throw new OptionError(`got dedupe=${dedupe}; give 1 or more`);
    this.#options = options;
    this.#dedupe = dedupe;
    this.#link = new Link(options, topics(kinds, { base, tenant, call, role }), (topic, payload, isRetained) => {
      const event = this.#read(topic, payload, isRetained);
      if (event !== undefined) this.#hand(event);
    });
    let stands: () => void = () => {};
    let cannot: (problem: Error) => void = () => {};
    this.ready = new Promise((resolve, reject) => {
      stands = resolve;
      cannot = reject;
    });
    this.ready.catch(() => {}); // who does not ask for it has onStatus or the iteration
    this.#run(stands).catch((problem: Error) => {
      this.#fail(problem);
      cannot(problem);
    });
  }

  /** Ends it; events that wait for iteration are still handed out. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#link.close();
    this.#taker?.resolve({ done: true, value: undefined });
    this.#taker = undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<EmotionEvent> {
    if (this.#options.onEvent !== undefined) throw new OptionError("got onEvent and an iteration; events go one way");
    return {
      next: () => this.#next(),
      return: async () => {
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }

  #next(): Promise<IteratorResult<EmotionEvent>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#taker = { resolve, reject };
    });
  }

  async #run(stands: () => void): Promise<void> {
    let { lost } = await this.#link.open();
    this.#tell("connected", this.#link.address);
    stands();
    while (!this.#closed) {
      const reason = await lost;
      if (this.#closed) return;
      this.#tell("lost", reason.message);
      const again = await this.#again(reason.message);
      if (again === undefined) return;
      ({ lost } = again);
      this.#tell("connected", this.#link.address);
    }
  }

  async #again(reason: string): Promise<{ readonly lost: Promise<Error> } | undefined> {
    let told = reason;
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS)) {
      await this.#pause(delayMs * (0.5 + Math.random() / 2)); // jitter, so that many pages do not come at once
      if (this.#closed) return undefined;
      try {
        return await this.#link.open();
      } catch (problem) {
        if (!(problem instanceof BrokerError) || problem.isForFinal) throw problem;
        // Every new reason once: a broker that stays away for a day is not a day of messages.
        if (problem.message !== told) this.#tell("lost", problem.message);
        told = problem.message;
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #read(topic: string, payload: Uint8Array, isRetained: boolean): EmotionEvent | undefined {
    if (payload.length === 0) {
      guarded(() => this.#options.onCleared?.(topic)); // the retained state of a call is cleared by an empty message
      return undefined;
    }
    if (isRetained && !RETAINED.has(topic.slice(topic.lastIndexOf("/") + 1))) {
      this.stale += 1;
      const remove = "remove it: mosquitto_pub -r -n -t TOPIC";
      this.#warn(this.stale, `skipped a retained message on ${topic}, where nothing of ours is ever retained; ${remove}`);
      return undefined;
    }
    let event: EmotionEvent | UnknownEvent;
    try {
      event = readEvent(payload);
    } catch (problem) {
      if (!(problem instanceof EventError)) throw problem;
      this.unreadable += 1;
      this.#warn(this.unreadable, `skipped a message on ${topic}: ${problem.message}`);
      return undefined;
    }
    if (!isKnown(event)) this.unknown += 1;
    else if (event.type === "emotion-streamer.alert.v1") {
      // Alerts of all calls share a topic, so the broker cannot choose among them.
      const { call = "+", role = "+" } = this.#options;
      if (!["+", event.data.call.id].includes(call) || !["+", event.data.role].includes(role)) return undefined;
    }
    if (this.#seen.has(event.id)) {
      this.duplicates += 1;
      return undefined;
    }
    this.#seen.add(event.id);
    if (this.#seen.size > this.#dedupe) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest);
        break;
      }
    }
    return isKnown(event) ? event : undefined;
  }

  #hand(event: EmotionEvent): void {
    if (this.#options.onEvent !== undefined) {
      const { onEvent } = this.#options;
      guarded(() => onEvent(event));
    } else if (this.#taker !== undefined) {
      const taker = this.#taker;
      this.#taker = undefined;
      taker.resolve({ done: false, value: event });
    } else {
      this.#waiting.push(event);
      if (this.#waiting.length > MOST_WAITING) {
        this.#waiting.shift();
        this.dropped += 1;
      }
    }
  }

  #fail(problem: Error): void {
    this.#failed = problem;
    this.#tell("failed", problem.message);
    this.#taker?.reject(problem);
    this.#taker = undefined;
  }

  #tell(status: Status, detail: string): void {
    guarded(() => this.#options.onStatus?.(status, detail));
  }

  #warn(count: number, line: string): void {
    // A stranger who sends on and on must not fill a console.
    const isRound = /^10*$/.test(String(count));
    if (count <= ALWAYS_TOLD || isRound) console.warn(`emotion-streamer: ${line} (${count} so far)`);
  }
}

/** Calls the page's code: what it throws is the page's, shown as uncaught, and stops nothing here. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (problem) {
    queueMicrotask(() => {
      throw problem;
    });
  }
}
