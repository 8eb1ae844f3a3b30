// What the server hands back on the tap's own socket: CloudEvents 1.0, the same that stand on MQTT.
// It must never say more than `docs/mqtt.md` does.
export {};
