// Which topics bring which events. It must never let a wildcard or a slash into a level that a caller gives.
import type { Kind } from "./types.js";

const TOPICS: Readonly<Record<Kind, string>> = {
  utterance: "{base}/v1/{tenant}/calls/{call}/{role}/utterance",
  partial: "{base}/v1/{tenant}/calls/{call}/{role}/partial",
  state: "{base}/v1/{tenant}/calls/{call}/state",
  ended: "{base}/v1/{tenant}/calls/{call}/ended",
  alert: "{base}/v1/{tenant}/alerts/+",
  acknowledgement: "{base}/v1/{tenant}/acknowledgements",
  status: "{base}/v1/nodes/+/status",
};

/** Every kind of event. */
export const KINDS = Object.keys(TOPICS) as readonly Kind[];

/** Whose events; every level may be `+` for any but `base`. */
export interface Selection {
  readonly base: string;
  readonly tenant: string;
  /** A call's id as it stands in its topics. */
  readonly call: string;
  readonly role: string;
}

/** An argument that cannot be right; the message says what came and what to give. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/**
 * Returns the MQTT topic filters that bring these kinds of events.
 *
 * @throws OptionError for an unknown kind, or a level that is empty, has a slash or mixes wildcards with characters.
 */
export function topics(kinds: readonly Kind[], selection: Selection): string[] {
  for (const name of ["tenant", "call", "role"] as const) {
    const level = selection[name];
    if (level === "" || /[/#]/.test(level) || (level.includes("+") && level !== "+")) {
      throw new OptionError(`got ${name}=${JSON.stringify(level)}; give one level of a topic, or + for any`);
    }
  }
  if (selection.base === "" || /[+#]/.test(selection.base)) {
    throw new OptionError(`got base=${JSON.stringify(selection.base)}; give the server's base topic, without wildcards`);
  }
  const unknown = kinds.filter((kind) => !Object.hasOwn(TOPICS, kind));
  if (unknown.length > 0 || kinds.length === 0) {
    throw new OptionError(`got kinds ${unknown.join(", ") || "(none)"}; choose from ${KINDS.join(", ")}`);
  }
  return kinds.map((kind) =>
    TOPICS[kind].replace(/\{(\w+)\}/g, (_, name: string) => selection[name as keyof Selection]),
  );
}
