export const PROTOCOL = "emotion-streamer.v1";
export class Line {
    #socket;
    #listener;
    #error = null;
    #ready = false;
    /**
     * @throws DOMException where the browser does not even try.
     */
    constructor(url, token, start, listener) {
        this.#listener = listener;
        this.#socket = new WebSocket(url, token ? [PROTOCOL, `bearer.${token}`] : [PROTOCOL]);
        this.#socket.binaryType = "arraybuffer";
        this.#socket.onopen = () => this.#say({ type: "start", version: 1, ...COMMON, ...start });
        this.#socket.onmessage = ({ data }) => this.#heard(JSON.parse(data));
        this.#socket.onclose = ({ code }) => {
            this.#listener.closed({ code, error: this.#error, wasReady: this.#ready });
        };
    }
    /** Whether audio may go out. */
    get isOpen() {
        return this.#ready && this.#socket.readyState === WebSocket.OPEN;
    }
    /** Bytes that wait in the browser because the network, or the server, does not take them. */
    get bufferedBytes() {
        return this.#socket.bufferedAmount;
    }
    audio(pcm) {
        this.#socket.send(pcm);
    }
    tell(word) {
        if (this.isOpen)
            this.#say(word);
    }
    /** Leave it to itself, silently: for one that is dead and would take minutes to say so. */
    abandon() {
        this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
        this.#socket.close();
    }
    #say(message) {
        this.#socket.send(JSON.stringify(message));
    }
    #heard(message) {
        switch (message.type) {
            case "ready":
                this.#ready = true;
                this.#listener.ready({ sessionId: message.session_id, analysed: message.analysed });
                break;
            case "event":
                this.#listener.event(message.event);
                break;
            case "error":
                this.#error = { code: message.code, message: message.message };
                break;
            case "ended":
                this.#listener.ended(message.utterances);
                break;
        }
    }
}
const COMMON = {
    channels: [{ role: "customer" }, { role: "agent" }],
    encoding: "pcm_s16le",
    events: true,
};
