// Made by `python -m tools.schemas` from the program's own types. Never edit it by hand.

export type Role = "customer" | "agent" | "unknown";

export type EmotionName = "neutral" | "happy" | "sad" | "angry" | "fear" | "disgust" | "surprise";

/** Which call an event belongs to. */
export interface CallRef {
  /** The platform's id, made safe for topics; a pseudonym where it looked like a telephone number. */
  readonly id: string;
  /** Whose call it is: that of the key which let it in. */
  readonly tenant: string;
  /** How the platform speaks: the name of its path, or `recording`. */
  readonly dialect: string;
  /** What the platform said of the call, as far as the configuration allows it by name. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Whose audio it was. */
export interface Speaker {
  /** `customer`, `agent` or `unknown`. */
  readonly role: Role;
  /** Which channel of the call, from 0. */
  readonly channel: number;
}

/** Where the utterance lies on the call's media clock. */
export interface Utterance {
  /** Counts from 1 per role of a call. */
  readonly n: number;
  /** Where it begins, pre-roll included. */
  readonly start_ms: number;
  /** Where the last speech ends; the hangover is not part of it. */
  readonly end_ms: number;
  /** Time inside the utterance that the VAD called speech. */
  readonly speech_ms: number;
  /** Null in a partial: the utterance goes on. */
  readonly cut: "silence" | "max_length" | "gap" | "end_of_call" | null;
}

/** The verdict. Scores are calibrated probabilities that sum to 1 within rounding. */
export interface Emotion {
  /** The likeliest emotion; no verdict where `uncertain` is true. */
  readonly top: EmotionName;
  /** The score of `top`, 0 to 1. */
  readonly confidence: number;
  /** True below the model's calibrated threshold: treat `top` as no verdict then. */
  readonly uncertain: boolean;
  /** By emotion: the first six of `EMOTIONS`, or all seven, by the model. */
  readonly scores: Readonly<Partial<Record<EmotionName, number>>>;
}

/** How good the audio was that the verdict rests on. */
export interface Quality {
  /** Level of speech over level of the silence around it, in dB. */
  readonly snr_db: number;
  /** Share of samples at full scale, 0 to 1. */
  readonly clipped: number;
  /** Media time that never arrived and was filled with silence. */
  readonly lost_ms: number;
}

/** Which model spoke. */
export interface ModelRef {
  /** As in the store and in `emotion.model`. */
  readonly name: string;
  /** Verdicts of two versions are not comparable number by number. */
  readonly version: string;
  /** Checksum of the network's file, as its card has it. */
  readonly sha256: string;
}

/** What the verdict took after the last spoken sample, in ms by stage. */
export interface Latency {
  /** The silence that had to pass before the utterance was over: `speech.hangover_ms`. */
  readonly hangover_ms: number;
  /** Waiting for the model. */
  readonly queue_ms: number;
  /** The model's run. */
  readonly compute_ms: number;
}

/** Payload of an utterance or partial event. */
export interface UtteranceData {
  readonly call: CallRef;
  readonly speaker: Speaker;
  readonly utterance: Utterance;
  readonly emotion: Emotion;
  readonly quality: Quality;
  readonly model: ModelRef;
  readonly latency: Latency;
}

/** Final verdict of an utterance. */
export interface UtteranceEvent {
  readonly type: "emotion-streamer.utterance.v1";
  readonly specversion: "1.0";
  /** Stable: a redelivery carries the same id. De-duplicate by it. */
  readonly id: string;
  /** Who says so: `/nodes/<node>` for a server. */
  readonly source: string;
  /** What it is about: the call, the utterance of a party of it, or the node. */
  readonly subject: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  /** Zero-padded number that sorts as text (CloudEvents extension `sequence`). */
  readonly sequence: string;
  readonly data: UtteranceData;
}

/** Rolling verdict inside a long utterance that is still going on. */
export interface PartialEvent {
  readonly type: "emotion-streamer.partial.v1";
  readonly specversion: "1.0";
  /** Stable: a redelivery carries the same id. De-duplicate by it. */
  readonly id: string;
  /** Who says so: `/nodes/<node>` for a server. */
  readonly source: string;
  /** What it is about: the call, the utterance of a party of it, or the node. */
  readonly subject: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  /** Zero-padded number that sorts as text (CloudEvents extension `sequence`). */
  readonly sequence: string;
  readonly data: UtteranceData;
}

/** Payload of the retained state of a live call. */
export interface StateData {
  readonly call: CallRef;
  readonly status: "live";
  /** Who is on the call, by channel. */
  readonly roles: readonly Role[];
  /** Whose emotion is named. */
  readonly analysed: readonly Role[];
  /** Whether the person has been told (AI Act art. 50(3)). */
  readonly notice: boolean;
  /** Stated by the operator where a worker's channel is analysed. */
  readonly lawful_basis: string;
}

/** A call is live. */
export interface StateEvent {
  readonly type: "emotion-streamer.state.v1";
  readonly specversion: "1.0";
  /** Stable: a redelivery carries the same id. De-duplicate by it. */
  readonly id: string;
  /** Who says so: `/nodes/<node>` for a server. */
  readonly source: string;
  /** What it is about: the call, the utterance of a party of it, or the node. */
  readonly subject: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: StateData;
}

/** What one party did in the call; it names no emotion of a role that is not analysed. */
export interface SpeakerSummary {
  readonly role: Role;
  /** Which channel of the call, from 0. */
  readonly channel: number;
  /** Whether this party's emotion was named. */
  readonly analysed: boolean;
  /** How many times this party spoke, from pause to pause. */
  readonly utterances: number;
  /** Time in which this party spoke. */
  readonly talk_ms: number;
  /** The rest of the call. */
  readonly silence_ms: number;
  /** Mean level of the speech, dB relative to full scale; null where nobody spoke. */
  readonly loudness_dbfs: number | null;
  /** Rough speech rate: syllable nuclei per second of speech; null under 1 s of speech. */
  readonly syllables_per_s: number | null;
  /** Media time of this party that never arrived. */
  readonly lost_ms: number;
  /** Certain verdicts by emotion; empty for a role that is not analysed. */
  readonly emotions: Readonly<Partial<Record<EmotionName, number>>>;
}

/** Payload of the summary of a call. */
export interface EndedData {
  readonly call: CallRef;
  /** How long the call was, on its media clock. */
  readonly duration_ms: number;
  /** Utterance events of the call, all roles. */
  readonly utterances: number;
  /** Both parties speaking at once. */
  readonly overlap_ms: number;
  /** `stop`, `disconnected`, `idle`, `draining`, `error` or `withdrawn`. */
  readonly reason: "stop" | "disconnected" | "idle" | "draining" | "error" | "withdrawn";
  readonly speakers: readonly SpeakerSummary[];
}

/** Summary of a call. */
export interface EndedEvent {
  readonly type: "emotion-streamer.ended.v1";
  readonly specversion: "1.0";
  /** Stable: a redelivery carries the same id. De-duplicate by it. */
  readonly id: string;
  /** Who says so: `/nodes/<node>` for a server. */
  readonly source: string;
  /** What it is about: the call, the utterance of a party of it, or the node. */
  readonly subject: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: EndedData;
}

/** Payload of a compliance alert. */
export interface AlertData {
  readonly call: CallRef;
  /** Name of the rule that fired. */
  readonly rule: string;
  readonly severity: "info" | "warning" | "critical";
  /** Whose utterances it rests on. */
  readonly role: Role;
  /** One sentence a supervisor can act on. */
  readonly message: string;
  /** Ids of the utterance events behind the alert. */
  readonly utterances: readonly string[];
}

/** A compliance rule fired. */
export interface AlertEvent {
  readonly type: "emotion-streamer.alert.v1";
  readonly specversion: "1.0";
  /** Stable: a redelivery carries the same id. De-duplicate by it. */
  readonly id: string;
  /** Who says so: `/nodes/<node>` for a server. */
  readonly source: string;
  /** What it is about: the call, the utterance of a party of it, or the node. */
  readonly subject: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: AlertData;
}

/** Payload of an acknowledgement: somebody has taken care of an alert. When is the event's `time`. */
export interface AcknowledgementData {
  readonly call: CallRef;
  /** Id of the alert event. */
  readonly alert: string;
  /** Who, as the person or the desk calls itself; 1 to 80 characters. */
  readonly by: string;
  /** What was done, in the person's words; up to 1000 characters. */
  readonly note: string;
}

/** Somebody has taken care of an alert. */
export interface AcknowledgementEvent {
  readonly type: "emotion-streamer.acknowledgement.v1";
  readonly specversion: "1.0";
  /** Stable: a redelivery carries the same id. De-duplicate by it. */
  readonly id: string;
  /** Who says so: `/nodes/<node>` for a server. */
  readonly source: string;
  /** What it is about: the call, the utterance of a party of it, or the node. */
  readonly subject: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: AcknowledgementData;
}

/** Payload of a node's retained status. */
export interface StatusData {
  /** Name of the server: `node` of its configuration. */
  readonly node: string;
  readonly status: "online" | "draining" | "offline";
  readonly version: string;
}

/** A node came, drains or went. */
export interface StatusEvent {
  readonly type: "emotion-streamer.status.v1";
  readonly specversion: "1.0";
  /** Stable: a redelivery carries the same id. De-duplicate by it. */
  readonly id: string;
  /** Who says so: `/nodes/<node>` for a server. */
  readonly source: string;
  /** What it is about: the call, the utterance of a party of it, or the node. */
  readonly subject: string;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: StatusData;
}

/** Any event on the bus; `type` says which. */
export type EmotionEvent = UtteranceEvent | PartialEvent | StateEvent | EndedEvent | AlertEvent | AcknowledgementEvent | StatusEvent;

/** The `type` of each kind of event. */
export const TYPES = {
  "utterance": "emotion-streamer.utterance.v1",
  "partial": "emotion-streamer.partial.v1",
  "state": "emotion-streamer.state.v1",
  "ended": "emotion-streamer.ended.v1",
  "alert": "emotion-streamer.alert.v1",
  "acknowledgement": "emotion-streamer.acknowledgement.v1",
  "status": "emotion-streamer.status.v1"
} as const;

/** A kind of event, as `subscribe` takes it. */
export type Kind = keyof typeof TYPES;

/** What a value must be; see `STRUCTS`. */
export type Shape =
  | "string"
  | "integer"
  | "number"
  | "boolean"
  | "null"
  | { readonly struct: StructName }
  | { readonly oneOf: readonly string[] }
  | { readonly map: Shape }
  | { readonly list: Shape }
  | { readonly any: readonly Shape[] };

/** A field: what it must be, and what stands for it where it is missing. Without `otherwise` it must be there. */
export interface Field {
  readonly is: Shape;
  readonly otherwise?: unknown;
}

export type StructName = "CallRef" | "Speaker" | "Utterance" | "Emotion" | "Quality" | "ModelRef" | "Latency" | "UtteranceData" | "UtteranceEvent" | "PartialEvent" | "StateData" | "StateEvent" | "SpeakerSummary" | "EndedData" | "EndedEvent" | "AlertData" | "AlertEvent" | "AcknowledgementData" | "AcknowledgementEvent" | "StatusData" | "StatusEvent";

/** Every part of the events, field by field. */
export const STRUCTS: Readonly<Record<StructName, Readonly<Record<string, Field>>>> = {
  "CallRef": {
    "id": {
      "is": "string"
    },
    "tenant": {
      "is": "string",
      "otherwise": "default"
    },
    "dialect": {
      "is": "string",
      "otherwise": "native"
    },
    "labels": {
      "is": {
        "map": "string"
      },
      "otherwise": {}
    }
  },
  "Speaker": {
    "role": {
      "is": "string"
    },
    "channel": {
      "is": "integer"
    }
  },
  "Utterance": {
    "n": {
      "is": "integer"
    },
    "start_ms": {
      "is": "integer"
    },
    "end_ms": {
      "is": "integer"
    },
    "speech_ms": {
      "is": "integer"
    },
    "cut": {
      "is": {
        "any": [
          {
            "oneOf": [
              "silence",
              "max_length",
              "gap",
              "end_of_call"
            ]
          },
          "null"
        ]
      }
    }
  },
  "Emotion": {
    "top": {
      "is": "string"
    },
    "confidence": {
      "is": "number"
    },
    "uncertain": {
      "is": "boolean"
    },
    "scores": {
      "is": {
        "map": "number"
      }
    }
  },
  "Quality": {
    "snr_db": {
      "is": "number"
    },
    "clipped": {
      "is": "number"
    },
    "lost_ms": {
      "is": "integer"
    }
  },
  "ModelRef": {
    "name": {
      "is": "string"
    },
    "version": {
      "is": "string"
    },
    "sha256": {
      "is": "string"
    }
  },
  "Latency": {
    "hangover_ms": {
      "is": "integer"
    },
    "queue_ms": {
      "is": "number"
    },
    "compute_ms": {
      "is": "number"
    }
  },
  "UtteranceData": {
    "call": {
      "is": {
        "struct": "CallRef"
      }
    },
    "speaker": {
      "is": {
        "struct": "Speaker"
      }
    },
    "utterance": {
      "is": {
        "struct": "Utterance"
      }
    },
    "emotion": {
      "is": {
        "struct": "Emotion"
      }
    },
    "quality": {
      "is": {
        "struct": "Quality"
      }
    },
    "model": {
      "is": {
        "struct": "ModelRef"
      }
    },
    "latency": {
      "is": {
        "struct": "Latency"
      }
    }
  },
  "UtteranceEvent": {
    "specversion": {
      "is": "string",
      "otherwise": "1.0"
    },
    "id": {
      "is": "string"
    },
    "source": {
      "is": "string"
    },
    "subject": {
      "is": "string"
    },
    "time": {
      "is": "string"
    },
    "datacontenttype": {
      "is": "string",
      "otherwise": "application/json"
    },
    "sequence": {
      "is": "string"
    },
    "data": {
      "is": {
        "struct": "UtteranceData"
      }
    }
  },
  "PartialEvent": {
    "specversion": {
      "is": "string",
      "otherwise": "1.0"
    },
    "id": {
      "is": "string"
    },
    "source": {
      "is": "string"
    },
    "subject": {
      "is": "string"
    },
    "time": {
      "is": "string"
    },
    "datacontenttype": {
      "is": "string",
      "otherwise": "application/json"
    },
    "sequence": {
      "is": "string"
    },
    "data": {
      "is": {
        "struct": "UtteranceData"
      }
    }
  },
  "StateData": {
    "call": {
      "is": {
        "struct": "CallRef"
      }
    },
    "status": {
      "is": {
        "oneOf": [
          "live"
        ]
      }
    },
    "roles": {
      "is": {
        "list": "string"
      }
    },
    "analysed": {
      "is": {
        "list": "string"
      }
    },
    "notice": {
      "is": "boolean"
    },
    "lawful_basis": {
      "is": "string",
      "otherwise": ""
    }
  },
  "StateEvent": {
    "specversion": {
      "is": "string",
      "otherwise": "1.0"
    },
    "id": {
      "is": "string"
    },
    "source": {
      "is": "string"
    },
    "subject": {
      "is": "string"
    },
    "time": {
      "is": "string"
    },
    "datacontenttype": {
      "is": "string",
      "otherwise": "application/json"
    },
    "data": {
      "is": {
        "struct": "StateData"
      }
    }
  },
  "SpeakerSummary": {
    "role": {
      "is": "string"
    },
    "channel": {
      "is": "integer"
    },
    "analysed": {
      "is": "boolean"
    },
    "utterances": {
      "is": "integer"
    },
    "talk_ms": {
      "is": "integer"
    },
    "silence_ms": {
      "is": "integer"
    },
    "loudness_dbfs": {
      "is": {
        "any": [
          "number",
          "null"
        ]
      }
    },
    "syllables_per_s": {
      "is": {
        "any": [
          "number",
          "null"
        ]
      }
    },
    "lost_ms": {
      "is": "integer"
    },
    "emotions": {
      "is": {
        "map": "integer"
      },
      "otherwise": {}
    }
  },
  "EndedData": {
    "call": {
      "is": {
        "struct": "CallRef"
      }
    },
    "duration_ms": {
      "is": "integer"
    },
    "utterances": {
      "is": "integer"
    },
    "overlap_ms": {
      "is": "integer"
    },
    "reason": {
      "is": "string"
    },
    "speakers": {
      "is": {
        "list": {
          "struct": "SpeakerSummary"
        }
      }
    }
  },
  "EndedEvent": {
    "specversion": {
      "is": "string",
      "otherwise": "1.0"
    },
    "id": {
      "is": "string"
    },
    "source": {
      "is": "string"
    },
    "subject": {
      "is": "string"
    },
    "time": {
      "is": "string"
    },
    "datacontenttype": {
      "is": "string",
      "otherwise": "application/json"
    },
    "data": {
      "is": {
        "struct": "EndedData"
      }
    }
  },
  "AlertData": {
    "call": {
      "is": {
        "struct": "CallRef"
      }
    },
    "rule": {
      "is": "string"
    },
    "severity": {
      "is": {
        "oneOf": [
          "info",
          "warning",
          "critical"
        ]
      }
    },
    "role": {
      "is": "string"
    },
    "message": {
      "is": "string"
    },
    "utterances": {
      "is": {
        "list": "string"
      }
    }
  },
  "AlertEvent": {
    "specversion": {
      "is": "string",
      "otherwise": "1.0"
    },
    "id": {
      "is": "string"
    },
    "source": {
      "is": "string"
    },
    "subject": {
      "is": "string"
    },
    "time": {
      "is": "string"
    },
    "datacontenttype": {
      "is": "string",
      "otherwise": "application/json"
    },
    "data": {
      "is": {
        "struct": "AlertData"
      }
    }
  },
  "AcknowledgementData": {
    "call": {
      "is": {
        "struct": "CallRef"
      }
    },
    "alert": {
      "is": "string"
    },
    "by": {
      "is": "string"
    },
    "note": {
      "is": "string",
      "otherwise": ""
    }
  },
  "AcknowledgementEvent": {
    "specversion": {
      "is": "string",
      "otherwise": "1.0"
    },
    "id": {
      "is": "string"
    },
    "source": {
      "is": "string"
    },
    "subject": {
      "is": "string"
    },
    "time": {
      "is": "string"
    },
    "datacontenttype": {
      "is": "string",
      "otherwise": "application/json"
    },
    "data": {
      "is": {
        "struct": "AcknowledgementData"
      }
    }
  },
  "StatusData": {
    "node": {
      "is": "string"
    },
    "status": {
      "is": {
        "oneOf": [
          "online",
          "draining",
          "offline"
        ]
      }
    },
    "version": {
      "is": "string",
      "otherwise": ""
    }
  },
  "StatusEvent": {
    "specversion": {
      "is": "string",
      "otherwise": "1.0"
    },
    "id": {
      "is": "string"
    },
    "source": {
      "is": "string"
    },
    "subject": {
      "is": "string"
    },
    "time": {
      "is": "string"
    },
    "datacontenttype": {
      "is": "string",
      "otherwise": "application/json"
    },
    "data": {
      "is": {
        "struct": "StatusData"
      }
    }
  }
};

/** Which of them an event is. */
export const EVENTS: ReadonlyMap<string, StructName> = new Map<string, StructName>([
  [
    "emotion-streamer.utterance.v1",
    "UtteranceEvent"
  ],
  [
    "emotion-streamer.partial.v1",
    "PartialEvent"
  ],
  [
    "emotion-streamer.state.v1",
    "StateEvent"
  ],
  [
    "emotion-streamer.ended.v1",
    "EndedEvent"
  ],
  [
    "emotion-streamer.alert.v1",
    "AlertEvent"
  ],
  [
    "emotion-streamer.acknowledgement.v1",
    "AcknowledgementEvent"
  ],
  [
    "emotion-streamer.status.v1",
    "StatusEvent"
  ]
]);
