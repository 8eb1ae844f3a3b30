// A telephone call inside this page: a recording that calls, by a real WebRTC connection, whoever sits here.
// It must never leave the machine: both ends are here, so no address but this machine's own is needed.
/**
 * Have a recording call.
 *
 * @param recording In any format that the browser plays.
 * @param microphone What the agent says.
 * @param onOver The recording has come to its end.
 * @throws Error where the browser cannot read the recording.
 */
export async function callFrom(recording, microphone, onOver) {
    const room = new AudioContext();
    const caller = new RTCPeerConnection();
    const agent = new RTCPeerConnection();
    const hangUp = () => {
        caller.close();
        agent.close();
        if (room.state !== "closed")
            void room.close();
    };
    try {
        const voice = room.createBufferSource();
        voice.buffer = await room.decodeAudioData(recording).catch(() => {
            throw new Error("the browser cannot read this file; choose a WAV, MP3, Ogg or FLAC file");
        });
        const mouth = room.createMediaStreamDestination();
        voice.connect(mouth);
        voice.onended = onOver;
        for (const track of mouth.stream.getAudioTracks())
            caller.addTrack(track, mouth.stream);
        for (const track of microphone.getAudioTracks())
            agent.addTrack(track, microphone);
        introduce(caller, agent);
        introduce(agent, caller);
        const heard = new Promise((resolve) => {
            agent.ontrack = ({ track }) => resolve(new MediaStream([track]));
        });
        const connected = new Promise((resolve) => {
            caller.onconnectionstatechange = () => {
                if (caller.connectionState === "connected")
                    resolve();
            };
        });
        await negotiate(caller, agent);
        const remoteStream = await heard;
        await connected;
        voice.start(room.currentTime + 0.5);
        return {
            connection: agent,
            remoteStream,
            hangUp,
            hold: async (isHeld) => {
                for (const transceiver of agent.getTransceivers())
                    transceiver.direction = isHeld ? "inactive" : "sendrecv";
                await negotiate(agent, caller);
            },
        };
    }
    catch (problem) {
        hangUp();
        throw problem;
    }
}
function introduce(one, other) {
    one.onicecandidate = ({ candidate }) => {
        if (candidate)
            void other.addIceCandidate(candidate);
    };
}
async function negotiate(offers, answers) {
    await offers.setLocalDescription();
    await answers.setRemoteDescription(offers.localDescription);
    await answers.setLocalDescription();
    await offers.setRemoteDescription(answers.localDescription);
}
