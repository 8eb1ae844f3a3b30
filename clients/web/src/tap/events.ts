// What the server hands back on the tap's own socket: CloudEvents 1.0, the same that stand on MQTT.
// It must never say more than `docs/mqtt.md` does.

export type Role = "customer" | "agent" | "unknown";

/** A verdict; `type` tells a final one from one inside an utterance that goes on. */
export interface TapEvent {
  readonly specversion: "1.0";
  /** Stable: a redelivery has the same. */
  readonly id: string;
  readonly type: "emotion-streamer.utterance.v1" | "emotion-streamer.partial.v1";
  readonly source: string;
  readonly subject: string;
  readonly time: string;
  readonly sequence: string;
  readonly data: {
    readonly call: {
      readonly id: string;
      readonly tenant: string;
      readonly dialect: string;
      readonly labels: Readonly<Record<string, string>>;
    };
    readonly speaker: { readonly role: Role; readonly channel: number };
    readonly utterance: {
      readonly n: number;
      /** On the call's media clock. */
      readonly start_ms: number;
      readonly end_ms: number;
      readonly speech_ms: number;
      /** Null in a partial: the utterance goes on. */
      readonly cut: "silence" | "max_length" | "gap" | "end_of_call" | null;
    };
    readonly emotion: {
      readonly top: string;
      readonly confidence: number;
      /** True below the model's threshold: treat `top` as no verdict then. */
      readonly uncertain: boolean;
      readonly scores: Readonly<Record<string, number>>;
    };
    readonly quality: { readonly snr_db: number; readonly clipped: number; readonly lost_ms: number };
    readonly model: { readonly name: string; readonly version: string; readonly sha256: string };
    readonly latency: { readonly hangover_ms: number; readonly queue_ms: number; readonly compute_ms: number };
  };
}
