// Taps a call of JsSIP: from its answer to its end, with hold and changed tracks.
// https://jssip.net/documentation/api/session/
// It must never need JsSIP: what a session looks like stands here, and a test holds it against the package.
import { FollowedPeer, connectionOf, type PeerOptions, type TappedPeer } from "./peer.js";
import type { Stopped } from "./options.js";
import type { Tap } from "./tap.js";

/** What is used of `RTCSession`. */
export interface JsSipSession {
  readonly connection: RTCPeerConnection;
  isEstablished(): boolean;
  isOnHold(): { local: boolean; remote: boolean };
  on(event: "confirmed" | "hold" | "unhold" | "ended" | "failed", listener: () => void): unknown;
}

/** Tap a session; begins when it is confirmed, ends when it is ended or has failed. */
export function tapJsSip(session: JsSipSession, options: PeerOptions): TappedPeer {
  let peer: FollowedPeer | null = null;
  let over = false;
  const isHeld = (): boolean => {
    const { local, remote } = session.isOnHold();
    return local || remote;
  };
  const look = (): void => {
    if (over) return;
    if (peer) peer.look();
    else if (session.isEstablished()) peer = new FollowedPeer(connectionOf(session.connection, "JsSIP"), options, isHeld);
  };
  const stop = async (): Promise<Stopped> => {
    over = true;
    return (await peer?.stop()) ?? { utterances: 0, confirmed: false };
  };
  for (const event of ["confirmed", "hold", "unhold"] as const) session.on(event, look);
  for (const event of ["ended", "failed"] as const) session.on(event, () => void stop());
  look();
  return {
    get tap(): Tap | null {
      return peer?.tap ?? null;
    },
    stop,
  };
}
