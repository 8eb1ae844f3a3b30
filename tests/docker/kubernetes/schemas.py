"""What custom resources may say, as far as docker/kubernetes uses them; Kubernetes' own are checked by a package.

Written after the references of KEDA 2.22 (https://keda.sh/docs/2.22/reference/scaledobject-spec/,
https://keda.sh/docs/2.22/scalers/prometheus/) and of the Prometheus operator
(https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitor). Fields that are not used
here are missing on purpose: a field that is not known is an error, as a mistyped one would be.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}


def whole(least: int, most: int = 2**31 - 1) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "minimum": least, "maximum": most}


def fields(required: str, **known: Schema) -> Schema:
    """Return the schema of a mapping; required are the named, parted by blanks."""
    return {"type": "object", "required": required.split(), "properties": known, "additionalProperties": False}


def many(of: Schema) -> Schema:
    """Return the schema of a list that is not empty."""
    return {"type": "array", "items": of, "minItems": 1}


LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
METADATA = fields("name namespace", name=TEXT, namespace=TEXT, labels=LABELS)

# autoscaling/v2, HPAScalingRules: at most an hour to look back, half an hour for a policy.
_RULES = fields(
    "policies",
    stabilizationWindowSeconds=whole(0, 3600),
    selectPolicy={"enum": ["Max", "Min", "Disabled"]},
    policies=many(
        fields(
            "type value periodSeconds", type={"enum": ["Pods", "Percent"]}, value=whole(1), periodSeconds=whole(1, 1800)
        )
    ),
)

SCALED_OBJECT = fields(
    "apiVersion kind metadata spec",
    apiVersion={"const": "keda.sh/v1alpha1"},
    kind={"const": "ScaledObject"},
    metadata=METADATA,
    spec=fields(
        "scaleTargetRef triggers",
        scaleTargetRef=fields("name", apiVersion=TEXT, kind=TEXT, name=TEXT),
        pollingInterval=whole(1),
        minReplicaCount=whole(0),
        maxReplicaCount=whole(1),
        fallback=fields(
            "failureThreshold replicas",
            failureThreshold=whole(0),
            replicas=whole(0),
            behavior={"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]},
        ),
        advanced=fields(
            "",
            horizontalPodAutoscalerConfig=fields("", behavior=fields("", scaleUp=_RULES, scaleDown=_RULES)),
        ),
        triggers=many(
            fields(
                "type metadata",
                type={"const": "prometheus"},
                # The fallback works with this one alone.
                metricType={"const": "AverageValue"},
                # Every value of a trigger is a text, numbers included.
                metadata=fields(
                    "serverAddress query threshold",
                    serverAddress={"type": "string", "pattern": "^https?://[^/ ]+$"},
                    query=TEXT,
                    threshold={"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
                    ignoreNullValues={"enum": ["true", "false"]},
                ),
            )
        ),
    ),
)

POD_MONITOR = fields(
    "apiVersion kind metadata spec",
    apiVersion={"const": "monitoring.coreos.com/v1"},
    kind={"const": "PodMonitor"},
    metadata=METADATA,
    spec=fields(
        "selector podMetricsEndpoints",
        selector=fields("matchLabels", matchLabels=LABELS),
        podMetricsEndpoints=many(
            fields(
                "port",
                port=TEXT,
                path={"type": "string", "pattern": "^/"},
                interval={"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
                relabelings=many(fields("targetLabel", sourceLabels=many(TEXT), targetLabel=TEXT, replacement=TEXT)),
            )
        ),
    ),
)
