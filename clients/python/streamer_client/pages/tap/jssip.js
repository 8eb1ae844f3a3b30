// Taps a call of JsSIP: from its answer to its end, with hold and changed tracks.
// https://jssip.net/documentation/api/session/
// It must never need JsSIP: what a session looks like stands here, and a test holds it against the package.
import { FollowedPeer, connectionOf } from "./peer.js";
/** Tap a session; begins when it is confirmed, ends when it is ended or has failed. */
export function tapJsSip(session, options) {
    let peer = null;
    let over = false;
    const isHeld = () => {
        const { local, remote } = session.isOnHold();
        return local || remote;
    };
    const look = () => {
        if (over)
            return;
        if (peer)
            peer.look();
        else if (session.isEstablished())
            peer = new FollowedPeer(connectionOf(session.connection, "JsSIP"), options, isHeld);
    };
    const stop = async () => {
        over = true;
        return (await peer?.stop()) ?? { utterances: 0, confirmed: false };
    };
    for (const event of ["confirmed", "hold", "unhold"])
        session.on(event, look);
    for (const event of ["ended", "failed"])
        session.on(event, () => void stop());
    look();
    return {
        get tap() {
            return peer?.tap ?? null;
        },
        stop,
    };
}
