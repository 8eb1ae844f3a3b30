// For the tests: sources of sound, and an account of everything that the tap says on its sockets.
import { tapCall, tapPeer } from "./tap/index.js";

/** By connection: what was sent, in order: {text} or {bytes}. */
export const sockets = [];
export const live = [];
const Plain = WebSocket;
globalThis.WebSocket = class extends Plain {
  constructor(...given) {
    super(...given);
    this.sent = [];
    sockets.push(this.sent);
    live.push(this);
  }
  send(data) {
    if (typeof data === "string") this.sent.push({ text: JSON.parse(data) });
    else this.sent.push({ bytes: data.byteLength, loudest: loudest(data) });
    super.send(data);
  }
};

function loudest(data) {
  const samples = new Int16Array(data);
  const most = [0, 0];
  for (let i = 0; i < samples.length; i++) most[i % 2] = Math.max(most[i % 2], Math.abs(samples[i]));
  return most;
}

export const room = new AudioContext({ sampleRate: 48000 });

/** A stream with a tone in it, or with silence. */
export function tone(hz, loudness = 0.5) {
  const source = new OscillatorNode(room, { frequency: hz });
  const gain = new GainNode(room, { gain: loudness });
  const end = room.createMediaStreamDestination();
  source.connect(gain).connect(end);
  source.start();
  return end.stream;
}

/** A stream that plays a file once, when told to; `over` resolves at its end. */
export async function recording(path) {
  const samples = await (await fetch(path)).arrayBuffer();
  const source = new AudioBufferSourceNode(room, { buffer: await room.decodeAudioData(samples) });
  const end = room.createMediaStreamDestination();
  source.connect(end);
  const over = new Promise((resolve) => (source.onended = resolve));
  return { stream: end.stream, play: () => source.start(), over };
}

/** Tap with everything that comes noted; `tapped.until(text, test)` waits for what a test is about. */
export function tapped(options) {
  const notes = { events: [], states: [], errors: [], levels: null, blocks: 0 };
  const waits = new Set();
  const look = () => {
    for (const wait of waits) if (wait.test(notes)) wait.resolve(waits.delete(wait));
  };
  const listening = {
    callId: "softphone-1",
    onEvent: (event) => (notes.events.push(event), look()),
    onState: (state) => (notes.states.push(state), look()),
    onError: (error) => (notes.errors.push({ code: error.code, message: error.message, fatal: error.fatal }), look()),
    onLevels: (levels) => ((notes.levels = levels), notes.blocks++, look()),
    ...options,
  };
  const { connection, remoteStream } = options;
  const peer = remoteStream ? null : tapPeer(connection, listening);
  const until = (test) => new Promise((resolve) => (waits.add({ test, resolve }), look()));
  return { notes, until, peer, tap: peer ? peer.tap : tapCall(listening), blocks: (n) => {
    const to = notes.blocks + n;
    return until((now) => now.blocks >= to);
  } };
}

/** What one connection accounted for: frames sent, and frames told as gap. */
export function account(sent, rate) {
  const frames = sent.reduce((sum, { bytes = 0 }) => sum + bytes / 4, 0);
  const gaps = sent.filter(({ text }) => text?.type === "gap").map(({ text }) => text.duration_ms);
  return { frames, gaps, gapFrames: gaps.reduce((sum, ms) => sum + (ms * rate) / 1000, 0) };
}

/** Two ends of a call in this page. */
export async function peers(...streams) {
  const ends = [new RTCPeerConnection(), new RTCPeerConnection()];
  ends.forEach((end, i) => {
    end.onicecandidate = ({ candidate }) => candidate && ends[1 - i].addIceCandidate(candidate);
    for (const track of streams[i].getTracks()) end.addTrack(track, streams[i]);
  });
  const connected = new Promise((resolve) => {
    ends[0].onconnectionstatechange = () => ends[0].connectionState === "connected" && resolve();
  });
  await negotiate(...ends);
  await connected;
  return ends;
}

export async function negotiate(offers, answers, options) {
  await offers.setLocalDescription(await offers.createOffer(options));
  await answers.setRemoteDescription(offers.localDescription);
  await answers.setLocalDescription();
  await offers.setRemoteDescription(answers.localDescription);
}
