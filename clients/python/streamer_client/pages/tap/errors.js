// What can go wrong, in words for whoever sits in front of the page. It must never show a token.
/** An error of the tap. `code` is short and stable, for programs; `message` says what to do. */
export class TapError extends Error {
    code;
    fatal;
    /**
     * @param code `microphone_refused`, `unreachable` ..., or the `code` of the server's own `error` message.
     * @param message What came, what was expected, what to do.
     * @param fatal Whether the tap has ended with it; else it goes on trying, or goes on without.
     */
    constructor(code, message, fatal = true) {
        super(message);
        this.code = code;
        this.fatal = fatal;
        this.name = "TapError";
    }
}
/** Browsers let a subprotocol have these characters only (RFC 6455, section 4.1; RFC 9110, section 5.6.2). */
const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]*$/;
export function checkToken(token) {
    if (!TOKEN.test(token)) {
        throw new TapError("bad_token", "the token has a character that a browser cannot send; make the key's secret of letters and digits");
    }
}
/** Return the address as a WebSocket's. `http` and `https` are taken for `ws` and `wss`. */
export function checkedUrl(text, page) {
    let url;
    try {
        url = new URL(text, page.href);
    }
    catch {
        throw new TapError("bad_url", `${text} is no address; expected something like wss://host:8765/v1/stream`);
    }
    url.protocol = url.protocol.replace(/^http/, "ws");
    if (url.protocol !== "ws:" && url.protocol !== "wss:") {
        throw new TapError("bad_url", `${text} is no WebSocket's address; it must begin with wss:// or ws://`);
    }
    if (page.protocol === "https:" && url.protocol === "ws:" && !isLoopback(url.hostname)) {
        throw new TapError("mixed_content", `this page came by https, so the browser lets it talk to wss:// only, not to ${url.protocol}//${url.host}; ` +
            "give the server a certificate (server.certificate), or put it behind a proxy that has one");
    }
    return url;
}
function isLoopback(host) {
    return host === "localhost" || host === "[::1]" || /^127\./.test(host);
}
/** Why a WebSocket that never opened may not have: browsers tell a page nothing but 1006. */
export function unreachable(url, hasToken, origin) {
    return new TapError("unreachable", `no connection to ${url.protocol}//${url.host}${url.pathname}. A browser does not say why. Either nothing answers ` +
        "there (is the server running? is the port open? is its certificate trusted?), or the server refused: " +
        (hasToken ? "the token is not the secret of one of its [[keys]]" : "it asks for a key and no token was given") +
        `, or this page's origin ${origin} is not in its server.origins. The server's log names which`);
}
/** Turn what `getUserMedia` throws into words. */
export function microphoneError(problem) {
    const name = problem instanceof DOMException ? problem.name : "";
    const said = problem instanceof Error ? problem.message : String(problem);
    switch (name) {
        case "NotAllowedError":
        case "SecurityError":
            return new TapError("microphone_refused", "the microphone was refused: allow it for this page in the browser's address bar, and try again");
        case "NotFoundError":
        case "OverconstrainedError":
            return new TapError("no_microphone", "no such microphone: plug one in, or choose another");
        case "NotReadableError":
        case "AbortError":
            return new TapError("microphone_busy", `the microphone cannot be opened; another program may hold it (${said})`);
        default:
            return new TapError("microphone_failed", `the microphone cannot be opened: ${said}`);
    }
}
export function insecure() {
    return new TapError("insecure_page", "browsers give microphone and AudioWorklet to pages by https, or from localhost, only; this page came by " +
        `${location.protocol}//${location.host}`);
}
/** What the server gave as its reason to end a call for good, where it said anything. */
export function refused(error, code, everReady) {
    if (error)
        return new TapError(error.code, `the server refused: ${error.message}`);
    return everReady ? new TapError("closed", `the server closed the connection with ${code}; its log says why`) : null;
}
/** The connection is gone and another will be tried. */
export function lost(error, code) {
    const why = error ? `the server says: ${error.message}` : `it closed with ${code}`;
    return new TapError(error?.code ?? "lost", `the connection to the server is gone (${why}); trying again`, false);
}
export function blocked(url, problem) {
    return new TapError("blocked", `the browser does not let this page connect to ${url.host}: ${String(problem)}`);
}
export function suspended() {
    return new TapError("suspended", "the browser holds this page's audio back until somebody clicks on it or presses a key", false);
}
/** @param whose `customer's` or `agent's`. */
export function trackEnded(whose) {
    return new TapError("track_ended", `the ${whose} audio track has ended (unplugged, or closed by the softphone); silence is sent until another is given`, false);
}
export function audioFailed(problem) {
    return new TapError("audio_failed", `the browser's audio cannot be tapped: ${String(problem)}`);
}
