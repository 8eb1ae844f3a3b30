// Taps a call of SIP.js: from its answer to its end, with hold and changed tracks.
// https://github.com/onsip/SIP.js/blob/main/docs/session-description-handler.md
// It must never need SIP.js: what a session looks like stands here, and a test holds it against the package.
import { FollowedPeer, connectionOf, type PeerOptions, type TappedPeer } from "./peer.js";
import type { Stopped } from "./options.js";
import type { Tap } from "./tap.js";

/** What is used of `Inviter` and `Invitation`. */
export interface SipJsSession {
  readonly state: string;
  // `any`, for its listeners take the library's own enumeration, which must not be needed here.
  readonly stateChange: {
    addListener(listener: (state: any) => void): void;
    removeListener(listener: (state: any) => void): void;
  };
  readonly sessionDescriptionHandler: object | undefined;
}

/** Tap a session; begins when it is established, ends when it is terminated. */
export function tapSipJs(session: SipJsSession, options: PeerOptions): TappedPeer {
  let peer: FollowedPeer | null = null;
  let over = false;
  const look = (): void => {
    if (session.state === "Established" && !peer && !over) {
      const handler = session.sessionDescriptionHandler as { peerConnection?: RTCPeerConnection } | undefined;
      peer = new FollowedPeer(connectionOf(handler?.peerConnection, "SIP.js"), options);
    } else if (session.state === "Terminated") {
      void stop();
    }
  };
  const stop = async (): Promise<Stopped> => {
    over = true;
    session.stateChange.removeListener(look);
    return (await peer?.stop()) ?? { utterances: 0, confirmed: false };
  };
  session.stateChange.addListener(look);
  look();
  return {
    get tap(): Tap | null {
      return peer?.tap ?? null;
    },
    stop,
  };
}
