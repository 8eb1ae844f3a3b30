"""Why a call is not taken: the reason that the peer can do something about is named."""

from __future__ import annotations

from streamer.auth import Pass
from streamer.limits import Admission
from streamer.load.refusals import DRAINING, FULL, OVERLOADED, why_refused

ACME = Pass(tenant="acme", key_id="crm")


def test_the_key_or_the_tenant_that_is_full_is_named_with_its_limit() -> None:
    by_key = Admission(10, {"crm": 1}, {"acme": 5})
    by_key.acquire("crm", "acme")
    assert "'crm'" in why_refused(by_key, ACME).message
    assert "max_calls = 1" in why_refused(by_key, ACME).message
    by_tenant = Admission(10, {"crm": 2}, {"acme": 1})
    by_tenant.acquire("pbx", "acme")
    fault = why_refused(by_tenant, ACME)
    assert (fault.code, fault.close_code) == ("full", 1013)
    assert "'acme'" in fault.message
    assert "limits.calls_per_tenant: 1" in fault.message


def test_going_down_is_said_before_full_and_full_before_overloaded() -> None:
    admission = Admission(1)
    admission.overloaded = True
    assert why_refused(admission, ACME) is OVERLOADED
    admission.overloaded = False
    admission.acquire()
    admission.overloaded = True
    assert why_refused(admission, ACME) is FULL
    admission.drain()
    assert why_refused(admission, ACME) is DRAINING
