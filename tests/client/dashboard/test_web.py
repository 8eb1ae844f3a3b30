"""uvicorn as the dashboard uses it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from starlette.applications import Starlette
from streamer_client.dashboard.access import Served
from streamer_client.dashboard.web import make_web
from streamer_client.errors import OptionError


def test_signals_stay_their_owners() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with make_web(Starlette(), Served()).capture_signals():
        assert signal.getsignal(signal.SIGTERM) is before


def test_a_certificate_that_is_none_is_said(tmp_path: Path) -> None:
    wrong = tmp_path / "cert.pem"
    wrong.write_text("no certificate", encoding="utf-8")
    with pytest.raises(OptionError, match=r"cannot use the certificate in .*cert\.pem"):
        make_web(Starlette(), Served(tls_cert_file=str(wrong)))
