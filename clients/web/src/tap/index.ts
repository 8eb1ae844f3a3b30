// Both sides of a call from a softphone in the browser to Emotion Streamer, and its events back. See docs/softphone.md.
export { tapCall } from "./tap.js";
export type { Tap } from "./tap.js";
export { TapError } from "./errors.js";
export type { Levels, Stopped, TapOptions, TapState } from "./options.js";
export type { Ready } from "./line.js";
export type { Role, TapEvent } from "./events.js";
export { openMicrophone } from "./microphone.js";
export { tapPeer } from "./peer.js";
export type { PeerOptions, TappedPeer } from "./peer.js";
export { tapSipJs } from "./sipjs.js";
export { tapJsSip } from "./jssip.js";
