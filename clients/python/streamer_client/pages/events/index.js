// Events of Emotion Streamer in a page or in Node: see docs/javascript-client.md.
export { BrokerError } from "./link.js";
export { EventError, isKnown, readEvent } from "./read.js";
export { subscribe, Subscription } from "./subscribe.js";
export { KINDS, OptionError, topics } from "./topics.js";
export { TYPES } from "./types.js";
