// Events of Emotion Streamer in a page or in Node: see docs/javascript-client.md.
export { BrokerError } from "./link.js";
export type { MqttModule } from "./link.js";
export { EventError, isKnown, readEvent } from "./read.js";
export type { UnknownEvent } from "./read.js";
export { subscribe, Subscription } from "./subscribe.js";
export type { Status, SubscribeOptions } from "./subscribe.js";
export { KINDS, OptionError, topics } from "./topics.js";
export type { Selection } from "./topics.js";
export { TYPES } from "./types.js";
export type {
  AcknowledgementEvent,
  AlertEvent,
  EmotionEvent,
  EmotionName,
  EndedEvent,
  Kind,
  PartialEvent,
  Role,
  StateEvent,
  StatusEvent,
  UtteranceEvent,
} from "./types.js";
