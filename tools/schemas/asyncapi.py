"""The AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0): who says what where.

Topics, QoS and retention are those that the server's own code gives to a message, never written down a second time.
"""

from __future__ import annotations

from typing import Any, Final

from streamer_client.events import CONTENT_TYPE, ROLES, Severity

from streamer import __version__
from streamer.bus.cloudevents import outgoing
from streamer.bus.topics import Topics
from tools.schemas import examples
from tools.schemas.messages import EVENTS, FROM_CLIENT, FROM_SERVER, schemas
from tools.schemas.structs import Schema

Document = dict[str, Any]

_MQTT: Final = "0.2.0"
_WEBSOCKET: Final = "0.1.0"
_STREAM: Final = "stream"
_PARAMETERS: Final[dict[str, Schema]] = {
    "base": {"description": "First level of every topic: `mqtt.base` of the configuration.", "default": "emotion"},
    "tenant": {"description": "Whose calls: `tenant` of the key that let the call in.", "default": "default"},
    "call": {"description": "The platform's id, made topic-safe; a pseudonym where it looked like a number."},
    "role": {"description": "Who spoke.", "enum": list(ROLES)},
    "severity": {"description": "How urgent an alert is.", "enum": [str(severity) for severity in Severity]},
    "node": {"description": "Name of the server: `node` of the configuration."},
}
_SPEAKERS: Final = {
    "alert": "`streamer alerts` publishes them, under the ids that its rules and the utterances give.",
    "acknowledgement": "The dashboard and `streamer-client` publish them; any program that may write there can.",
}


def document() -> Document:
    """Return the document; it refers to the schemas beside it."""
    made = schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Emotion Streamer",
            "version": __version__,
            "description": (
                "Live telephone calls in, emotion events on MQTT out. Events are CloudEvents 1.0 in structured JSON, "
                "delivered at least once: de-duplicate by `id`. Unknown fields and unknown types must be passed over."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {kind: _topic_channel(kind) for kind in EVENTS} | {_STREAM: _stream_channel()},
        "operations": _operations(),
        "components": {
            "messages": {f"{kind}Event": _message(f"event/{kind}.json", made, is_event=True) for kind in EVENTS}
            | {f"native-{kind}": _message(f"native/{kind}.json", made) for kind in FROM_CLIENT | FROM_SERVER},
            "parameters": _PARAMETERS,
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "Of the MQTT user, where the broker has users."},
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Secret of a [[keys]] entry. A web page offers the subprotocol `bearer.SECRET`.",
                },
            },
        },
    }


def address(kind: str) -> str:
    """Return an event's topic with its parameters in braces."""
    named = {name: f"PARAMETER-{name}" for name in _PARAMETERS}
    topics = Topics(named["base"])
    a_call = (named["tenant"], named["call"])
    found = {
        "utterance": topics.utterance(*a_call, named["role"]),
        "partial": topics.partial(*a_call, named["role"]),
        "state": topics.state(*a_call),
        "ended": topics.ended(*a_call),
        "alert": topics.alert(named["tenant"], named["severity"]),
        "acknowledgement": topics.acknowledgement(named["tenant"]),
        "status": topics.status(named["node"]),
    }[kind]
    for name, placeholder in named.items():
        found = found.replace(placeholder, f"{{{name}}}")
    return found


def _servers() -> Document:
    will = {"topic": f"{Topics().status('node-1')}", "qos": 1, "retain": True, "message": "the status event, offline"}
    return {
        "broker": {
            "host": "127.0.0.1:1883",
            "protocol": "mqtt",
            "protocolVersion": "5",
            "description": "Any MQTT broker: `mqtt.url`. Version 3.1.1 by setting; then without user properties.",
            "security": [{"$ref": "#/components/securitySchemes/password"}],
            "bindings": {"mqtt": {"lastWill": will, "bindingVersion": _MQTT}},
        },
        "calls": {
            "host": "127.0.0.1:8765",
            "protocol": "ws",
            "description": "The server itself. On loopback no key is needed; elsewhere one is, and TLS (`wss`).",
            "security": [{"$ref": "#/components/securitySchemes/key"}],
        },
    }


def _topic_channel(kind: str) -> Document:
    topic = address(kind)
    return {
        "address": topic,
        "title": f"{kind.capitalize()} events",
        **({"description": _SPEAKERS[kind]} if kind in _SPEAKERS else {}),
        "servers": [{"$ref": "#/servers/broker"}],
        "parameters": {
            name: {"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS if f"{{{name}}}" in topic
        },
        "messages": {f"{kind}Event": {"$ref": f"#/components/messages/{kind}Event"}},
    }


def _stream_channel() -> Document:
    return {
        "address": "/v1/stream",
        "title": "The native protocol: one WebSocket a call",
        "description": (
            "`start` as text, then samples as binary messages of any size, interleaved by channel; then `stop`. Binary "
            "messages are no message of this document."
        ),
        "servers": [{"$ref": "#/servers/calls"}],
        "messages": {
            f"native-{kind}": {"$ref": f"#/components/messages/native-{kind}"}
            for kind in dict.fromkeys([*FROM_CLIENT, *FROM_SERVER])
        },
        "bindings": {"ws": {"method": "GET", "bindingVersion": _WEBSOCKET}},
    }


def _operations() -> Document:
    published = {f"publish-{kind}": _publishes(kind) for kind in EVENTS}
    stream = f"#/channels/{_STREAM}"
    return published | {
        "hear-call": {
            "action": "receive",
            "title": "What the client says",
            "channel": {"$ref": stream},
            "messages": [{"$ref": f"{stream}/messages/native-{kind}"} for kind in FROM_CLIENT],
        },
        "answer-call": {
            "action": "send",
            "title": "What the server says",
            "channel": {"$ref": stream},
            "messages": [{"$ref": f"{stream}/messages/native-{kind}"} for kind in FROM_SERVER],
        },
    }


def _publishes(kind: str) -> Document:
    sent = outgoing(examples.EVENTS[kind], Topics(), "session")
    binding = {"qos": sent.qos, "retain": sent.retain}
    if sent.expiry_s is not None:
        binding["messageExpiryInterval"] = sent.expiry_s
    cleared = " Cleared by an empty retained message at the call's end." if kind == "state" else ""
    return {
        "action": "send",
        "title": f"Publish {kind} events",
        **({"description": cleared.strip()} if cleared else {}),
        "channel": {"$ref": f"#/channels/{kind}"},
        "messages": [{"$ref": f"#/channels/{kind}/messages/{kind}Event"}],
        "bindings": {"mqtt": binding | {"bindingVersion": _MQTT}},
    }


def _message(path: str, made: dict[str, Schema], *, is_event: bool = False) -> Document:
    schema = made[path]
    common = {
        "name": schema["properties"]["type"]["const"],
        "title": schema["title"],
        "summary": schema["description"],
        "contentType": CONTENT_TYPE if is_event else "application/json",
        "payload": {"$ref": f"./{path}"},
        "examples": [{"name": "example", "payload": examples.of(path)}],
    }
    binding = {"mqtt": {"payloadFormatIndicator": 1, "contentType": CONTENT_TYPE, "bindingVersion": _MQTT}}
    return common | ({"bindings": binding} if is_event else {})
