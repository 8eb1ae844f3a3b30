// The JSON of the dashboard's server, as `streamer_client/dashboard/api.py` promises it; what each field means stands
// there. Types only: this file must never hold behaviour.

/** `[end_ms, emotion, confidence, uncertain]` */
export type TracePoint = readonly [number, string, number, boolean];

export interface Verdict {
  readonly emotion: string;
  readonly confidence: number;
  readonly uncertain: boolean;
  readonly end_ms: number;
  readonly time: string;
}

export interface Party {
  readonly role: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly uncertain: number;
  readonly last: Verdict | null;
  readonly partial: Verdict | null;
  readonly trace: readonly TracePoint[];
}

export interface Call {
  readonly tenant: string;
  readonly id: string;
  readonly dialect: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly started: string;
  readonly status: "live" | "ended";
  readonly roles: readonly string[];
  readonly analysed: readonly string[];
  readonly notice: boolean;
  readonly lawful_basis: string;
  readonly parties: readonly Party[];
  readonly open_alerts: number;
  readonly duration_ms: number;
  readonly ended_reason: string;
  readonly ended: string;
}

export interface Acknowledged {
  readonly by: string;
  readonly time: string;
  readonly note: string;
}

export interface Alert {
  readonly id: string;
  readonly tenant: string;
  readonly call: string;
  readonly rule: string;
  readonly severity: string;
  readonly role: string;
  readonly message: string;
  readonly time: string;
  readonly utterances: readonly string[];
  readonly acknowledged: Acknowledged | null;
}

export interface Hour {
  readonly start: string;
  readonly calls: number;
  readonly utterances: Readonly<Record<string, number>>;
  readonly uncertain: number;
  readonly alerts: Readonly<Record<string, number>>;
}

export interface Today {
  readonly since: string;
  readonly hours: readonly Hour[];
  readonly calls: number;
  readonly live: number;
  readonly utterances: Readonly<Record<string, number>>;
  readonly uncertain: number;
  readonly alerts: Readonly<Record<string, number>>;
  readonly open_alerts: number;
  readonly median_acknowledgement_s: number | null;
}

export interface ServerNode {
  readonly node: string;
  readonly status: string;
  readonly version: string;
  readonly time: string;
}

export interface BrokerState {
  readonly connected: boolean;
  readonly reason: string;
  readonly since: string;
}

export interface Snapshot {
  readonly cursor: number;
  readonly now: string;
  readonly broker: BrokerState;
  readonly nodes: readonly ServerNode[];
  readonly calls: readonly Call[];
  readonly alerts: readonly Alert[];
  readonly today: Today;
}

export interface UtteranceRow {
  readonly id: string;
  readonly role: string;
  readonly n: number;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly speech_ms: number;
  readonly cut: string;
  readonly emotion: string;
  readonly confidence: number;
  readonly uncertain: boolean;
  readonly scores: Readonly<Record<string, number>>;
  readonly quality: { readonly snr_db: number; readonly clipped: number; readonly lost_ms: number };
  readonly model: string;
  readonly time: string;
}

export interface SpeakerSummary {
  readonly role: string;
  readonly channel: number;
  readonly analysed: boolean;
  readonly utterances: number;
  readonly talk_ms: number;
  readonly silence_ms: number;
  readonly loudness_dbfs: number | null;
  readonly syllables_per_s: number | null;
  readonly lost_ms: number;
  readonly emotions: Readonly<Record<string, number>>;
}

export interface Summary {
  readonly time: string;
  readonly duration_ms: number;
  readonly overlap_ms: number;
  readonly reason: string;
  readonly speakers: readonly SpeakerSummary[];
}

export interface CallDetail {
  readonly call: Call;
  readonly utterances: readonly UtteranceRow[];
  readonly alerts: readonly Alert[];
  readonly summary: Summary | null;
}

export interface Me {
  readonly name: string;
  readonly tenant: string;
  readonly version: string;
}

export interface Refusal {
  readonly error: string;
  readonly name_needed?: boolean;
  readonly acknowledged?: Acknowledged;
}

/** What the stream pushes, by the name of its event. */
export interface Pushed {
  call: Call;
  alert: Alert;
  today: Today;
  node: ServerNode;
  broker: BrokerState;
  gone: { readonly tenant: string; readonly id: string };
  alert_gone: { readonly id: string };
  reset: { readonly cursor: number };
}
