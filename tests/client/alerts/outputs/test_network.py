from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from streamer_client.alerts.outputs.network import is_loopback, tls_context
from streamer_client.alerts.tables import KeyProblem


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "127.example", "10.0.0.1", "::2", "0.0.0.0", ""])
def test_everything_else_may_be_another_machine(host: str) -> None:
    assert not is_loopback(host)


def test_certificates_and_names_are_always_checked() -> None:
    context = tls_context("")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_authority_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyProblem, match=r"there is no file .*nowhere"):
        tls_context(str(tmp_path / "nowhere"))
    (tmp_path / "x").write_text("no certificate")
    with pytest.raises(KeyProblem, match="cannot read a certificate in PEM"):
        tls_context(str(tmp_path / "x"))
