import { OptionError } from "./topics.js";
const CONNECT_TIMEOUT_MS = 10_000;
const KEEPALIVE_S = 30;
const REFUSED = 0x80;
/** Reasons of the broker's answer, in MQTT 3.1.1 (section 3.2.2.3) and 5 (3.2.2.2). */
const NOT_LET_IN = new Set([4, 5, 0x86, 0x87]);
const WRONG_VERSION = new Set([1, 0x84]);
/** The broker cannot be reached, does not let us in, or forbids the subscription. */
export class BrokerError extends Error {
    name = "BrokerError";
    /** Whether trying again would be answered in the same way. */
    isForFinal;
    constructor(message, isForFinal = false) {
        super(message);
        this.isForFinal = isForFinal;
    }
}
export class Link {
    /** Scheme, host and port, for messages. */
    address;
    #options;
    #filters;
    #hear;
    #client;
    constructor(options, filters, hear) {
        this.address = addressOf(options.url);
        if (options.version !== undefined && !["5", "3.1.1"].includes(options.version)) {
            throw new OptionError(`unknown MQTT version ${options.version}; choose from 5, 3.1.1`);
        }
        this.#options = options;
        this.#filters = filters;
        this.#hear = hear;
    }
    /**
     * Connects and subscribes.
     *
     * @returns `lost`, which settles with the reason when the connection is no more.
     * @throws BrokerError
     */
    async open() {
        const connect = await this.#load();
        const { username, password, version } = this.#options;
        const options = {
            protocolVersion: version === "3.1.1" ? 4 : 5,
            clean: true,
            reconnectPeriod: 0,
            resubscribe: false,
            connectTimeout: CONNECT_TIMEOUT_MS,
            keepalive: KEEPALIVE_S,
            ...(username === undefined ? {} : { username }),
            ...(password === undefined ? {} : { password }),
        };
        const client = connect(this.#options.url, options);
        this.#client = client;
        let why;
        const lost = new Promise((settle) => {
            client.on("error", (problem) => {
                why ??= problem;
            });
            client.on("close", () => {
                settle(this.#explain(why));
            });
        });
        client.on("message", (topic, payload, packet) => {
            if (client === this.#client)
                this.#hear(topic, payload, packet.retain);
        });
        const stands = new Promise((resolve, reject) => {
            client.on("connect", () => {
                client.subscribe(this.#filters, { qos: 1 }, (problem, granted) => {
                    const forbidden = this.#refused(problem, granted);
                    if (forbidden !== undefined)
                        reject(forbidden);
                    else if (problem === null)
                        resolve(undefined); // else the connection closes
                });
            });
        });
        try {
            const problem = await Promise.race([stands, lost]);
            if (problem !== undefined)
                throw problem;
        }
        catch (problem) {
            client.end(true, {}, () => { });
            throw problem;
        }
        return { lost };
    }
    /** Says goodbye, if there is a connection; returns when it is closed. */
    async close() {
        const client = this.#client;
        this.#client = undefined;
        if (client === undefined)
            return;
        await new Promise((resolve) => {
            client.end(false, {}, resolve);
        });
    }
    async #load() {
        if (this.#options.mqtt !== undefined)
            return this.#options.mqtt.connect;
        try {
            const module = await import("mqtt");
            return module.connect ?? module.default.connect; // in Node, and in a page
        }
        catch (problem) {
            const how = "install the package `mqtt`, name its mqtt.esm.js in an import map, or give it as option `mqtt`";
            throw new BrokerError(`mqtt.js cannot be loaded (${String(problem)}); ${how}`, true);
        }
    }
    #refused(problem, granted) {
        const { packet } = (problem ?? {});
        const codes = packet?.granted ?? granted?.map((grant) => grant.qos) ?? [];
        const at = codes.findIndex((code) => code >= REFUSED);
        if (at < 0)
            return undefined;
        const why = `forbids us to subscribe to ${this.#filters[at] ?? "a topic"}; allow it for this user`;
        return new BrokerError(`the MQTT broker at ${this.address} ${why}`, true);
    }
    #explain(why) {
        const { code } = (why ?? {});
        const broker = `the MQTT broker at ${this.address}`;
        if (typeof code === "number" && NOT_LET_IN.has(code)) {
            return new BrokerError(`${broker} does not let us in; check username and password`);
        }
        if (typeof code === "number" && WRONG_VERSION.has(code)) {
            const version = this.#options.version ?? "5";
            return new BrokerError(`${broker} does not speak MQTT ${version}; try 3.1.1`);
        }
        const reason = why === undefined ? "the connection was closed" : why.message || String(code);
        return new BrokerError(`no connection to ${broker}: ${reason}; is that the WebSocket listener of a broker?`);
    }
}
function addressOf(url) {
    let parts;
    try {
        parts = new URL(url);
    }
    catch {
        parts = undefined;
    }
    if (parts === undefined || !["ws:", "wss:"].includes(parts.protocol) || parts.host === "") {
        // The URL may hold a password, so it is not repeated here.
        throw new OptionError("the broker's address is not understood; expected one like ws://127.0.0.1:9001 or wss://host/mqtt");
    }
    return `${parts.protocol}//${parts.host}`;
}
