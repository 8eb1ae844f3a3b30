/** So long the server may take for its last verdicts. */
const ENDED_WITHIN_MS = 30_000;
export class Farewell {
    #onEnded = null;
    /** Say stop and wait for `ended`: how many verdicts this connection had, or null where it does not come. */
    async say(line) {
        if (!line.isOpen)
            return null;
        const ended = new Promise((resolve) => {
            const late = setTimeout(resolve, ENDED_WITHIN_MS, null);
            this.#onEnded = (utterances) => {
                clearTimeout(late);
                resolve(utterances);
            };
        });
        line.tell({ type: "stop" });
        return ended;
    }
    /** The server has said so, or (null) its connection is gone. */
    answered(utterances) {
        this.#onEnded?.(utterances);
    }
}
