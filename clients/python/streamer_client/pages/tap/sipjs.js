// Taps a call of SIP.js: from its answer to its end, with hold and changed tracks.
// https://github.com/onsip/SIP.js/blob/main/docs/session-description-handler.md
// It must never need SIP.js: what a session looks like stands here, and a test holds it against the package.
import { FollowedPeer, connectionOf } from "./peer.js";
/** Tap a session; begins when it is established, ends when it is terminated. */
export function tapSipJs(session, options) {
    let peer = null;
    let over = false;
    const look = () => {
        if (session.state === "Established" && !peer && !over) {
            const handler = session.sessionDescriptionHandler;
            peer = new FollowedPeer(connectionOf(handler?.peerConnection, "SIP.js"), options);
        }
        else if (session.state === "Terminated") {
            void stop();
        }
    };
    const stop = async () => {
        over = true;
        session.stateChange.removeListener(look);
        return (await peer?.stop()) ?? { utterances: 0, confirmed: false };
    };
    session.stateChange.addListener(look);
    look();
    return {
        get tap() {
            return peer?.tap ?? null;
        },
        stop,
    };
}
