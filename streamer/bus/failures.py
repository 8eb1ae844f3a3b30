"""Why no connection to the broker came about, in words that say what to do.

Pure. This file must never repeat a password, and never leave an operator alone with the word of a library.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from streamer.bus.reasons import BAD_VERSION, NOT_AUTHORISED, USER_OR_PASSWORD, Trouble, advice, trouble
from streamer.bus.settings import LinkError, MqttSettings

_REFUSED_USER: Final = frozenset({USER_OR_PASSWORD, NOT_AUTHORISED})


def explain(problem: aiomqtt.MqttError, settings: MqttSettings) -> LinkError:
    """Return why no connection came about, and what to do.

    Parameters
    ----------
    problem
        As aiomqtt raises it, with the error of the network as its context.
    settings
        With which it did not come about.
    """
    if isinstance(problem, aiomqtt.MqttCodeError) and isinstance(problem.rc, ReasonCode):
        text = _refused(problem.rc, settings)
        return LinkError(f"broker {settings.url}: {text}", trouble(problem.rc.value))
    # aiomqtt hides the error of the network behind its own, but it is still there.
    match problem.__context__:
        case socket.gaierror():
            kind, text = Trouble.UNREACHABLE, "no such host; check mqtt.url"
        case ConnectionRefusedError():
            kind, text = Trouble.UNREACHABLE, "nothing listens there; start the broker or check mqtt.url"
        case ssl.SSLCertVerificationError() as tls:
            kind, text = Trouble.TLS, f"its certificate is not trusted ({tls.verify_message}); {_mend(tls.verify_code)}"
        case ssl.SSLError() as tls if "ALERT" in (tls.reason or ""):
            kind, text = Trouble.TLS, f"refuses our side of TLS ({tls.reason}); {_own_side(tls, settings)}"
        case ssl.SSLError() as tls:
            kind, text = Trouble.TLS, f"no TLS there ({tls.reason}); check the port, or use mqtt:// in mqtt.url"
        case TimeoutError():
            kind, text = Trouble.NO_ANSWER, "no answer; check mqtt.url and the firewall"
        case ConnectionResetError() | BrokenPipeError():
            kind, text = Trouble.NO_ANSWER, "hangs up on our greeting; check the port in mqtt.url"
        case OSError() as network:
            kind, text = Trouble.UNREACHABLE, f"cannot be reached ({network.strerror or network})"
        case _:
            kind = Trouble.NO_ANSWER
            hint = ", or knows no MQTT 5 (then set mqtt.version = '3.1.1')" if settings.version == "5" else ""
            plain = "" if settings.address()[2] else ", or wants TLS (then write mqtts:// in mqtt.url)"
            text = (
                f"gives no answer to the MQTT greeting ({problem}); it takes no more connections{plain}{hint}: "
                "its log says which"
            )
    return LinkError(f"broker {settings.url}: {text}", kind)


def _own_side(alert: ssl.SSLError, settings: MqttSettings) -> str:
    """Return what to do where the broker does not take what we show (RFC 8446, section 6.2)."""
    if "EXPIRED" in (alert.reason or ""):
        return "renew the certificate in mqtt.cert_file"
    if not settings.cert_file:
        return "it seems to ask for a certificate: set mqtt.cert_file and mqtt.key_file"
    return "is the certificate in mqtt.cert_file one of the authority that the broker asks for? Its log says more"


def _refused(code: ReasonCode, settings: MqttSettings) -> str:
    if code.value in _REFUSED_USER:
        who = repr(settings.username) if settings.username else "a client without a name"
        return f"refuses {who} ({code}); {advice(code.value)}"
    if code.value == BAD_VERSION:
        other = "3.1.1" if settings.version == "5" else "5"
        return f"refuses the connection ({code}); set mqtt.version = '{other}'"
    return f"refuses the connection ({code}); {advice(code.value)}"


def _mend(verify_code: int) -> str:
    """Return what to do about a certificate, by OpenSSL's code (X509_STORE_CTX_get_error)."""
    match verify_code:
        case 9:
            return "it is not valid yet: check this machine's clock, then the certificate"
        case 10:
            return "renew it at the broker; if it is not that old, check this machine's clock"
        case 62 | 64:
            return "write the name that stands in it into mqtt.url, or give the broker one for this name"
        case _:
            return "set mqtt.ca_file to the authority that signed it"
