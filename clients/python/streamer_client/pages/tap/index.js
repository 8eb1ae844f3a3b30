// Both sides of a call from a softphone in the browser to Emotion Streamer, and its events back. See docs/softphone.md.
export { tapCall } from "./tap.js";
export { TapError } from "./errors.js";
export { openMicrophone } from "./microphone.js";
export { tapPeer } from "./peer.js";
export { tapSipJs } from "./sipjs.js";
export { tapJsSip } from "./jssip.js";
