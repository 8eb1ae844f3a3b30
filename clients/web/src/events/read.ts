// Reads one structured CloudEvent, as leniently and as strictly as the Python client does: unknown fields are left out,
// a missing one that has a default gets it, a known field of a wrong type makes the message unreadable. The table that
// it reads by is made from the server's own types. This file must never know a topic or a broker.
import { EVENTS, STRUCTS } from "./types.js";
import type { EmotionEvent, Shape, StructName } from "./types.js";

/** An event of a type that this version does not know; kept whole in `raw`. */
export interface UnknownEvent {
  readonly type: string;
  readonly id: string;
  readonly raw: string;
}

/** A payload that is no event of ours; the message says what is wrong with it. */
export class EventError extends Error {
  override readonly name = "EventError";
}

/** Whether an event is of a type that this version knows. */
export function isKnown(event: EmotionEvent | UnknownEvent): event is EmotionEvent {
  return EVENTS.has(event.type);
}

/**
 * Reads a payload: UTF-8, or text.
 *
 * @throws EventError where it is no JSON, lacks a required field, or a known field has the wrong type.
 */
export function readEvent(payload: Uint8Array | string): EmotionEvent | UnknownEvent {
  const text = typeof payload === "string" ? payload : decoded(payload);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new EventError(`got ${text.length} characters that are no JSON`);
  }
  if (!isObject(value) || typeof value["type"] !== "string") {
    throw new EventError("got JSON that is no event: no object with a text field `type`");
  }
  const type = value["type"];
  const struct = EVENTS.get(type);
  if (struct !== undefined) return { type, ...read({ struct }, value, "") } as EmotionEvent;
  if (typeof value["id"] !== "string") throw new EventError("got an event without a text field `id`");
  return { type, id: value["id"], raw: text };
}

function decoded(payload: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    throw new EventError(`got ${payload.length} bytes that are no UTF-8`);
  }
}

function read<S extends Shape>(shape: S, value: unknown, path: string): S extends { struct: string } ? object : unknown;
function read(shape: Shape, value: unknown, path: string): unknown {
  if (typeof shape === "string") return plain(shape, value, path);
  if ("struct" in shape) return structure(shape.struct, value, path);
  if ("oneOf" in shape) {
    if (typeof value === "string" && shape.oneOf.includes(value)) return value;
    throw wrong(shape.oneOf.join(" | "), value, path);
  }
  if ("map" in shape) {
    if (!isObject(value)) throw wrong("object", value, path);
    // Made anew entry by entry, so that no name in it, not even __proto__, is more than a name.
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, read(shape.map, each, `${path}.${name}`)]),
    );
  }
  if ("list" in shape) {
    if (!Array.isArray(value)) throw wrong("array", value, path);
    return value.map((each: unknown, index) => read(shape.list, each, `${path}[${index}]`));
  }
  const problems: EventError[] = [];
  for (const one of shape.any) {
    try {
      return read(one, value, path);
    } catch (problem) {
      if (!(problem instanceof EventError)) throw problem;
      problems.push(problem);
    }
  }
  throw problems[0] ?? wrong("a value", value, path);
}

function plain(shape: Extract<Shape, string>, value: unknown, path: string): unknown {
  const fits =
    shape === "null"
      ? value === null
      : shape === "integer"
        ? Number.isInteger(value)
        : shape === "number"
          ? Number.isFinite(value)
          : typeof value === shape;
  if (!fits) throw wrong(shape, value, path);
  return value;
}

function structure(name: StructName, value: unknown, path: string): object {
  if (!isObject(value)) throw wrong("object", value, path);
  const found: Record<string, unknown> = {};
  for (const [field, { is, ...rest }] of Object.entries(STRUCTS[name])) {
    if (Object.hasOwn(value, field)) found[field] = read(is, value[field], `${path}.${field}`);
    else if ("otherwise" in rest) found[field] = structuredClone(rest.otherwise);
    else throw new EventError(`the field ${path}.${field} is missing`);
  }
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(expected: string, value: unknown, path: string): EventError {
  const got = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return new EventError(`got ${got} for ${path || "the event"}, expected ${expected}`);
}
