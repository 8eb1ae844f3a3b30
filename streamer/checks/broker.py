"""Can the broker be reached, may this user publish what the server publishes, and what misleads on our topics.

This file must never publish or remove anything that lasts; what is published is described in `bus.rights`.
"""

from __future__ import annotations

import ssl
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from streamer.access.tls import SOON_S
from streamer.bus.bus import mqtt_settings
from streamer.bus.connection import Link
from streamer.bus.diagnose import diagnose
from streamer.bus.retained import Census, look
from streamer.bus.rights import Asking, May, Right
from streamer.bus.settings import LinkError
from streamer.bus.topics import Topics
from streamer.checks.certificates import days
from streamer.checks.outcome import Level, Outcome
from streamer.config import Settings
from streamer.errors import StreamerError

WITHIN_S: Final = 5.0
QUIET_S: Final = 1.0
LARGEST_EVENT_BYTES: Final = 16_384
"""A summary with all labels that a call may have needs less."""
_SHOWN: Final = 3
"""Topics that are named of those that mislead."""


async def check(settings: Settings) -> list[Outcome]:
    """Return what was found: the broker, its certificate, the right to publish, what is retained.

    Raises
    ------
    StreamerError
        There is no broker to ask.
    """
    mqtt = mqtt_settings(settings)
    try:
        Topics(mqtt.base)
    except ValueError as problem:
        raise StreamerError(str(problem)) from problem
    asking = Asking(mqtt, settings.node, WITHIN_S)
    try:
        try:
            link = await asking.link()
        except LinkError as problem:
            raise await diagnose(mqtt, problem, WITHIN_S) from problem
        found = [limits(link, f"{mqtt.url} answers, MQTT {mqtt.version}", tells=mqtt.version == "5")]
        if certificate := link.certificate:
            found.append(of_certificate(certificate, time.time()))
        try:
            found += publish(await asking.rights(tenants(settings)))
        except LinkError as problem:
            found.append(Outcome("publish", Level.WRONG, str(problem)))
        found.append(await _retained(asking, mqtt.base))
    finally:
        await asking.close()
    return found


def tenants(settings: Settings) -> list[str]:
    """Return whose calls this server may serve; without keys that is one."""
    return sorted({key.tenant for key in settings.keys}) or ["default"]


def limits(link: Link, answers: str, *, tells: bool) -> Outcome:
    """Return whether the broker takes what the server needs; under 3.1.1 it tells nothing of that."""
    if not tells:
        return Outcome("broker", Level.OK, f"{answers}; which limits it has, this version does not tell")
    if link.highest_qos < 1:
        text = f"{answers}, but takes no QoS 1, without which nothing is acknowledged: allow it (Mosquitto: max_qos)"
        return Outcome("broker", Level.WRONG, text)
    if not link.keeps_retained:
        text = f"{answers}, but keeps no retained messages, so nobody sees who is live: allow them (retain_available)"
        return Outcome("broker", Level.WRONG, text)
    largest = link.largest_packet
    size = "packets of any size" if largest is None else f"packets of at most {largest} bytes"
    found = f"{answers}; takes {size}, {link.most_in_flight} unacknowledged at once"
    if largest is not None and largest < LARGEST_EVENT_BYTES:
        text = f"{found}. Some events are larger, and would be given up: allow {LARGEST_EVENT_BYTES} (max_packet_size)"
        return Outcome("broker", Level.WARN, text)
    return Outcome("broker", Level.OK, found)


def of_certificate(certificate: Mapping[str, object], now_s: float) -> Outcome:
    """Return how long the broker's certificate is good; that it is believed, the connection has shown."""
    left_s = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - now_s
    if left_s < SOON_S:
        text = f"trusted, but only {days(left_s)} left: renew it at the broker"
        return Outcome("broker certificate", Level.WARN, text)
    return Outcome("broker certificate", Level.OK, f"trusted, {days(left_s)} left")


def publish(rights: Sequence[Right]) -> list[Outcome]:
    """Return one outcome where all is allowed, else one for each answer of the broker."""
    grouped: dict[tuple[May, str], list[Right]] = defaultdict(list)
    for right in rights:
        grouped[right.may, right.says].append(right)
    found: list[Outcome] = []
    for (may, says), group in grouped.items():
        kinds = ", ".join(dict.fromkeys(right.kind.value for right in group))
        if may is May.NO:
            text = f"{kinds} cannot be published, as on {group[0].topic}: {says}"
            found.append(Outcome("publish", Level.WRONG, text))
        elif may is May.UNKNOWN:
            text = (
                f"{kinds}: MQTT 3.1.1 cannot say that a message was refused, and ours did not come back. Either this "
                "user may not read them, or they are thrown away: look into the broker's rights, or use version 5"
            )
            found.append(Outcome("publish", Level.WARN, text))
        else:
            found.append(Outcome("publish", Level.OK, f"{kinds} are taken"))
    return found


async def _retained(asking: Asking, base: str) -> Outcome:
    await asking.close()  # a fresh connection: on the old one there is still what came back of our own
    link = await asking.link()
    try:
        return retained(await look(link, base, QUIET_S), base)
    except LinkError as problem:
        return Outcome("retained", Level.OK, f"not looked at: {problem}; the server does not need it")


def retained(census: Census, base: str) -> Outcome:
    """Return what misleads of what the broker keeps under our topics."""
    if not census.seen:
        return Outcome("retained", Level.OK, f"nothing under {base}/v1, or nothing that this user may read")
    if not census.junk:
        return Outcome("retained", Level.OK, f"{census.seen} messages under {base}/v1, all in order")
    counts = ", ".join(f"{count} {junk}" for junk, count in census.counts.items())
    topics = ", ".join(topic for _, topic in census.junk[:_SHOWN])
    more = f" and {len(census.junk) - _SHOWN} more" if len(census.junk) > _SHOWN else ""
    text = (
        f"{len(census.junk)} of {census.seen} messages under {base}/v1 mislead whoever subscribes ({counts}): {topics}"
        f"{more}; find who publishes them, and remove each: mosquitto_pub -r -n -t TOPIC"
    )
    return Outcome("retained", Level.WARN, text)
