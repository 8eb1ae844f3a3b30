"""Signatures, read as the Standard Webhooks specification says, with nothing of the code that is tested."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamer_client.alerts.output import OutputError
from streamer_client.alerts.outputs.signature import headers, keys

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def accepted(found: dict[str, str], body: bytes, secret: str) -> bool:
    """Verify as a receiver does: any signature of version 1 that fits is enough."""
    key = base64.b64decode(secret.split("_", 1)[1])
    content = b".".join([found["webhook-id"].encode(), found["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return any(
        hmac.compare_digest(signature.split(",", 1)[1], expected)
        for signature in found["webhook-signature"].split(" ")
        if signature.startswith("v1,")
    )


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64), st.floats(0, 4e9))
def test_a_receiver_with_the_secret_accepts_what_we_signed(body: bytes, key: bytes, at_s: float) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    found = headers(body, name="0a1b", at_s=at_s, keys=keys(secret))
    assert accepted(found, body, secret)
    assert not accepted(found, body + b" ", secret)
    assert not accepted(found | {"webhook-id": "0a1c"}, body, secret)
    assert not accepted(found | {"webhook-timestamp": str(int(at_s) + 1)}, body, secret)
    assert not accepted(found, body, "whsec_" + base64.b64encode(key[:-1] + bytes([key[-1] ^ 1])).decode())


def test_the_signature_is_the_one_of_the_specifications_own_libraries() -> None:
    # The vector that the reference libraries test themselves with.
    found = headers(
        b'{"test": 2432232314}',
        name="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at_s=1614265330,
        keys=keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    )
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_sign_while_a_receiver_changes_from_one_to_the_other() -> None:
    other = "whsec_" + base64.b64encode(b"x" * 24).decode()
    found = headers(b"{}", name="0a1b", at_s=0, keys=keys(f"{SECRET}\n{other}\n"))
    assert accepted(found, b"{}", SECRET)
    assert accepted(found, b"{}", other)


def test_without_a_secret_there_is_no_signature() -> None:
    assert "webhook-signature" not in headers(b"{}", name="0a1b", at_s=0, keys=())


@pytest.mark.parametrize(
    "secret", ["whsec_", "password", "whsec_not base64", "whsec_c2hvcnQ=", "whsec_" + "A" * 88 + "="]
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(OutputError, match="24 to 64 bytes in base64; make one with") as caught:
        keys(secret)
    assert secret.removeprefix("whsec_")[:8] not in str(caught.value) or secret == "whsec_"
