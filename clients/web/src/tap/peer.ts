// Taps a call that an RTCPeerConnection carries: finds both tracks, and follows what becomes of them.
//
// New tracks and hold show in the negotiation; a microphone that is changed with `replaceTrack` shows nowhere, so that is
// looked for while audio runs. An ICE restart changes neither track nor tap. It must never change the connection.
import { TapError } from "./errors.js";
import type { Stopped, TapOptions } from "./options.js";
import { tapCall, type Tap } from "./tap.js";

export interface PeerOptions extends Omit<TapOptions, "remoteStream" | "localStream"> {
  /** The tap, as soon as the other side's track is there. */
  onTap?(tap: Tap): void;
}

/** A tap that follows a connection. */
export interface TappedPeer {
  /** Null until the other side's track has come. */
  readonly tap: Tap | null;
  /** The call is over. */
  stop(): Promise<Stopped>;
}

/** Levels come 25 times a second; a changed microphone may wait that long. */
const LOOK_EVERY = 10;

/**
 * Tap a connection from the moment it has the other side's audio track.
 *
 * @param connection Its owner goes on as if there were no tap.
 * @param isHeld Whether the call is on hold; where left out, read from the negotiated direction.
 */
export function tapPeer(connection: RTCPeerConnection, options: PeerOptions, isHeld?: () => boolean): FollowedPeer {
  return new FollowedPeer(connection, options, isHeld);
}

export class FollowedPeer implements TappedPeer {
  tap: Tap | null = null;
  readonly #connection: RTCPeerConnection;
  readonly #options: PeerOptions;
  readonly #isHeld: () => boolean;
  #remote: MediaStreamTrack | null = null;
  #local: MediaStreamTrack | null = null;
  #wasBothWays = false;
  #levels = 0;
  #over = false;

  constructor(connection: RTCPeerConnection, options: PeerOptions, isHeld?: () => boolean) {
    this.#connection = connection;
    this.#options = options;
    this.#isHeld = isHeld ?? (() => this.#isOneWay());
    connection.addEventListener("track", this.look);
    connection.addEventListener("signalingstatechange", this.look);
    this.look();
  }

  /** Look at the connection again: after a change that only its owner knows of. */
  look = (): void => {
    if (this.#over) return;
    if (this.#connection.signalingState === "closed") {
      void this.stop();
      return;
    }
    const audio = this.#audio();
    const remote = audio?.receiver.track ?? null;
    if (!remote || remote.readyState === "ended" || audio?.currentDirection === null) return; // not negotiated yet
    const local = audio?.sender.track ?? null;
    if (!this.tap) this.#begin(remote, local);
    else this.#follow(this.tap, remote, local);
    if (this.#isHeld()) this.tap?.pause("hold");
    else this.tap?.resume("hold");
  };

  async stop(): Promise<Stopped> {
    this.#over = true;
    this.#connection.removeEventListener("track", this.look);
    this.#connection.removeEventListener("signalingstatechange", this.look);
    return (await this.tap?.stop()) ?? { utterances: 0, confirmed: false };
  }

  #audio(): RTCRtpTransceiver | undefined {
    return this.#connection
      .getTransceivers()
      .find((one) => one.receiver.track.kind === "audio" && one.currentDirection !== "stopped");
  }

  /** On hold one side stops to send, or both; a call that never went both ways is not on hold. */
  #isOneWay(): boolean {
    const isBothWays = this.#audio()?.currentDirection === "sendrecv";
    this.#wasBothWays ||= isBothWays;
    return this.#wasBothWays && !isBothWays;
  }

  #begin(remote: MediaStreamTrack, local: MediaStreamTrack | null): void {
    [this.#remote, this.#local] = [remote, local];
    this.tap = tapCall({
      ...this.#options,
      remoteStream: new MediaStream([remote]),
      localStream: streamOf(local),
      onLevels: (levels) => {
        if (++this.#levels % LOOK_EVERY === 0) this.look();
        this.#options.onLevels?.(levels);
      },
    });
    this.#options.onTap?.(this.tap);
  }

  #follow(tap: Tap, remote: MediaStreamTrack, local: MediaStreamTrack | null): void {
    if (remote !== this.#remote) tap.replaceRemote(new MediaStream([remote]));
    if (local !== this.#local) tap.replaceLocal(streamOf(local));
    [this.#remote, this.#local] = [remote, local];
  }
}

function streamOf(track: MediaStreamTrack | null): MediaStream | null {
  return track && new MediaStream([track]);
}

/** Return a session's connection, or say that it has none. */
export function connectionOf(connection: RTCPeerConnection | undefined, library: string): RTCPeerConnection {
  if (connection) return connection;
  throw new TapError("no_connection", `this ${library} session has no RTCPeerConnection; is it in a browser, and answered?`);
}
