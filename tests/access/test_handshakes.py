"""TLS handshakes that fail: each counted under one of a few reasons, few of them said."""

from __future__ import annotations

import ssl
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamer.access.handshakes import SAID, SAY_EVERY_S, Handshakes, reason_of
from streamer.access.tls import CurrentContext, server_context
from streamer.config import ServerSettings
from streamer.metrics import Metrics
from tests.certificates import Pair, authority, client_context, signed


def problem(reason: str) -> ssl.SSLError:
    found = ssl.SSLError(1, reason)
    found.reason = reason
    return found


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("HTTP_REQUEST", "plain"),
        ("WRONG_VERSION_NUMBER", "plain"),
        ("NO_SHARED_CIPHER", "old"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "no_certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "refused"),
        ("SOMETHING_NEW", "other"),
        ("", "other"),
    ],
)
def test_a_reason_of_the_library_is_one_of_ours(reason: str, expected: str) -> None:
    assert reason_of(problem(reason)) == expected


@given(st.text(max_size=20))
def test_whatever_the_library_says_there_are_few_reasons(reason: str) -> None:
    assert reason_of(problem(reason)) in SAID


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["HTTP_REQUEST", "SOMETHING_NEW"])), max_size=60))
def test_all_are_counted_and_of_each_kind_one_line_a_minute_is_said_that_tells_of_the_others(
    rhythm: list[tuple[float, str]],
) -> None:
    now_s = 1000.0
    metrics = Metrics(CollectorRegistry())
    handshakes = Handshakes(metrics, lambda: now_s)
    said: dict[str, list[tuple[float, int]]] = {"plain": [], "other": []}
    with capture_logs() as logs:
        # A last one of each, much later, tells of all that were not said.
        for wait_s, reason in [*rhythm, (SAY_EVERY_S + 1, "HTTP_REQUEST"), (SAY_EVERY_S + 1, "SOMETHING_NEW")]:
            now_s += wait_s
            handshakes.failed(problem(reason))
            for line in logs:
                said[line["reason"]].append((now_s, line["more_like_it"]))
            logs.clear()
    for reason, name in (("plain", "HTTP_REQUEST"), ("other", "SOMETHING_NEW")):
        times = [at_s for at_s, _ in said[reason]]
        assert all(later - earlier >= SAY_EVERY_S for earlier, later in pairwise(times))
        happened = 1 + sum(which == name for _, which in rhythm)
        sample = {"reason": reason}
        assert metrics.registry.get_sample_value("streamer_tls_handshake_failures_total", sample) == happened
        assert sum(1 + more for _, more in said[reason]) == happened


class Ends:
    """A server and a client that shake hands in memory."""

    def __init__(self, server: ServerSettings, client: ssl.SSLContext) -> None:
        self.metrics = Metrics(CollectorRegistry())
        inner = server_context(server)
        assert inner is not None
        context = CurrentContext(inner, Handshakes(self.metrics, lambda: 0.0))
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.to_server = to_server
        self.server = context.wrap_bio(to_server, to_client, server_side=True)
        self.client = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")

    def shake(self) -> None:
        waiting = [self.client, self.server]
        for _ in range(10):
            for end in tuple(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    waiting.remove(end)

    @property
    def counted(self) -> dict[str, float]:
        samples = next(iter(self.metrics.tls_failures.collect())).samples
        return {sample.labels["reason"]: sample.value for sample in samples if sample.name.endswith("_total")}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair, Pair]:
    folder = tmp_path_factory.mktemp("certificates")
    ca = authority(folder, "ca")
    return ca, signed(ca, folder, "calls"), signed(authority(folder, "other-ca"), folder, "stranger")


def settings(pairs: tuple[Pair, Pair, Pair], *, asks: bool) -> ServerSettings:
    ca, server, _ = pairs
    return ServerSettings(
        tls_cert_file=str(server.cert), tls_key_file=str(server.key), tls_client_ca_file=str(ca.cert) if asks else ""
    )


def test_a_client_without_a_certificate_and_one_with_a_strangers_are_counted_by_reason(pairs) -> None:
    ca, _, stranger = pairs
    ends = Ends(settings(pairs, asks=True), client_context(ca))
    ends.shake()
    assert ends.counted == {"no_certificate": 1}
    ends = Ends(settings(pairs, asks=True), client_context(ca, stranger))
    ends.shake()
    assert ends.counted == {"untrusted": 1}


def test_a_client_that_does_not_trust_us_is_counted(pairs) -> None:
    _, _, stranger = pairs
    ends = Ends(settings(pairs, asks=False), ssl.create_default_context(cafile=stranger.cert))
    ends.shake()
    assert ends.counted == {"refused": 1}


def test_what_is_no_tls_is_counted(pairs) -> None:
    ends = Ends(settings(pairs, asks=False), client_context(pairs[0]))
    ends.to_server.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        ends.server.do_handshake()
    assert ends.counted == {"plain": 1}


def test_a_good_handshake_and_what_follows_are_no_failures(pairs) -> None:
    ends = Ends(settings(pairs, asks=False), client_context(pairs[0]))
    ends.shake()
    ends.client.write(b"hello")
    assert ends.server.read(5) == b"hello"
    with pytest.raises(ssl.SSLWantReadError):
        ends.server.read(5)
    assert ends.counted == {}
