"""Why no connection came about: one line for each way it can fail, with what to do."""

from __future__ import annotations

import socket
import ssl

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from streamer.bus.failures import explain
from streamer.bus.reasons import Trouble
from streamer.bus.settings import MqttSettings

SETTINGS = MqttSettings("mqtt://broker")


def because(cause: BaseException | None) -> aiomqtt.MqttError:
    """Return an error of aiomqtt that hides another."""
    problem = aiomqtt.MqttError("hidden")
    problem.__context__ = cause
    return problem


def tls_error(reason: str) -> ssl.SSLError:
    problem = ssl.SSLError(1, reason)
    problem.reason = reason
    return problem


def distrust(code: int) -> ssl.SSLCertVerificationError:
    problem = ssl.SSLCertVerificationError(1, "no")
    problem.verify_code, problem.verify_message = code, "so it is"
    return problem


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (socket.gaierror(-2, "unknown"), Trouble.UNREACHABLE, "no such host; check mqtt.url"),
        (ConnectionRefusedError(), Trouble.UNREACHABLE, "nothing listens there; start the broker"),
        (ConnectionResetError(), Trouble.NO_ANSWER, "hangs up on our greeting"),
        (BrokenPipeError(), Trouble.NO_ANSWER, "hangs up on our greeting"),
        (OSError(113, "No route to host"), Trouble.UNREACHABLE, "cannot be reached (No route to host)"),
        (TimeoutError(), Trouble.NO_ANSWER, "no answer; check mqtt.url and the firewall"),
        (distrust(9), Trouble.TLS, "(so it is); it is not valid yet: check this machine's clock"),
        (distrust(10), Trouble.TLS, "renew it at the broker"),
        (distrust(20), Trouble.TLS, "set mqtt.ca_file to the authority that signed it"),
        (distrust(62), Trouble.TLS, "write the name that stands in it into mqtt.url"),
        (distrust(64), Trouble.TLS, "write the name that stands in it into mqtt.url"),
        (tls_error("WRONG_VERSION_NUMBER"), Trouble.TLS, "no TLS there (WRONG_VERSION_NUMBER); check the port"),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Trouble.TLS, "set mqtt.cert_file and mqtt.key_file"),
        (tls_error("SSLV3_ALERT_CERTIFICATE_EXPIRED"), Trouble.TLS, "renew the certificate in mqtt.cert_file"),
        (None, Trouble.NO_ANSWER, "gives no answer to the MQTT greeting (hidden); it takes no more connections"),
    ],
)
def test_each_way_to_fail_is_told_apart(cause: BaseException | None, kind: Trouble, words: str) -> None:
    problem = explain(because(cause), SETTINGS)
    assert problem.trouble is kind
    assert str(problem).startswith("broker mqtt://broker: ")
    assert words in str(problem)


def test_a_certificate_of_ours_that_is_not_believed_is_looked_for_there() -> None:
    shown = MqttSettings("mqtts://broker", cert_file="us.pem")
    assert "is the certificate in mqtt.cert_file one" in str(explain(because(tls_error("ALERT_UNKNOWN_CA")), shown))


@pytest.mark.parametrize(
    ("settings", "code", "kind", "words"),
    [
        (
            MqttSettings(username="me"),
            0x86,
            Trouble.CREDENTIALS,
            "refuses 'me' (Bad user name or password); check mqtt",
        ),
        (MqttSettings(), 0x87, Trouble.CREDENTIALS, "refuses a client without a name"),
        (MqttSettings(), 0x84, Trouble.VERSION, "set mqtt.version = '3.1.1'"),
        (MqttSettings(version="3.1.1"), 0x84, Trouble.VERSION, "set mqtt.version = '5'"),
        (MqttSettings(), 0x97, Trouble.FULL, "refuses the connection (Quota exceeded); the broker is full"),
    ],
)
def test_a_refusal_names_its_reason_and_the_setting(
    settings: MqttSettings, code: int, kind: Trouble, words: str
) -> None:
    refusal = aiomqtt.MqttCodeError(ReasonCode(PacketTypes.CONNACK, identifier=code))
    problem = explain(refusal, settings)
    assert problem.trouble is kind
    assert words in str(problem)


def test_silence_has_fewer_reasons_over_tls_and_under_3_1_1() -> None:
    assert "wants TLS" in str(explain(because(None), SETTINGS))
    assert "knows no MQTT 5" in str(explain(because(None), SETTINGS))
    bare = str(explain(because(None), MqttSettings("mqtts://broker", version="3.1.1")))
    assert "TLS" not in bare
    assert "MQTT 5" not in bare
