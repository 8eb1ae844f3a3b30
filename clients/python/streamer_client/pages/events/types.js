// Made by `python -m tools.schemas` from the program's own types. Never edit it by hand.
/** The `type` of each kind of event. */
export const TYPES = {
    "utterance": "emotion-streamer.utterance.v1",
    "partial": "emotion-streamer.partial.v1",
    "state": "emotion-streamer.state.v1",
    "ended": "emotion-streamer.ended.v1",
    "alert": "emotion-streamer.alert.v1",
    "acknowledgement": "emotion-streamer.acknowledgement.v1",
    "status": "emotion-streamer.status.v1"
};
/** Every part of the events, field by field. */
export const STRUCTS = {
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
export const EVENTS = new Map([
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
