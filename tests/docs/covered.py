"""What holds each fenced block of the manual to the truth: the tests that run it, or the reason why nothing here can.

`test_blocks.py` asks this file about every block that no general rule runs or reads, and fails where it has no answer.
A key is the document and the language of its blocks; it stands for all of them.
"""

from __future__ import annotations

from typing import Final

RUN: Final[dict[tuple[str, str], str]] = {
    ("README.md", "json"): "tests/docs/test_guides.py",
    ("README.md", "python"): "tests/docs/test_guides.py",
    ("README.md", "text"): "tests/docs/test_guides.py",
    ("clients/python/README.md", "python"): "tests/client/test_documents.py",
    ("docs/alert-outputs.md", "python"): "tests/docs/test_alerting.py",
    ("docs/alerts.md", "python"): "tests/client/test_documents.py",
    ("docs/archives-ray.md", "python"): "tests/archive/test_parquet.py",
    ("docs/brokers.md", "text"): "tests/end_to_end/test_brokers.py",
    ("docs/first-alert.md", "text"): "tests/docs/test_alerting.py",
    ("docs/javascript-client.md", "html"): "tests/web/test_events_client.py",
    ("docs/javascript-client.md", "js"): "tests/web/test_events_client.py",
    ("docs/mqtt.md", "python"): "tests/bus/test_guide.py",
    ("docs/native-protocol.md", "python"): "tests/docs/test_guides.py",
    ("docs/plugins.md", "python"): "tests/client/plugins/test_pipecat.py",
    ("docs/python-client.md", "python"): "tests/client/test_documents.py",
    ("docs/replay.md", "python"): "tests/client/test_documents.py",
    ("docs/softphone.md", "js"): "tests/web/test_tap.py",
    ("docs/start.md", "text"): "tests/docs/test_guides.py",
    ("docs/training.md", "python"): "tests/docs/test_training.py",
}
"""The test that runs them, or compares them with what a program prints. It names the document."""

OTHERS: Final[dict[tuple[str, str], str]] = {
    ("docs/alert-outputs.md", "text"): "one line of --explain, shown alone; first-alert.md has a whole one that is run",
    ("docs/alerts.md", "text"): "the error of a rule that is spelt wrong; tests/client/alerts has the same",
    ("docs/asterisk.md", "ini"): "Asterisk's own files: no Asterisk here",
    ("docs/asterisk.md", "text"): "Asterisk's dialplan and REST calls, stunnel's file: neither is here",
    ("docs/dashboard.md", "text"): "Mosquitto's rights; tests/web/test_dashboard.py has a broker with such",
    ("docs/desktop.md", "ini"): "Asterisk's own files: no Asterisk here",
    ("docs/desktop.md", "text"): "a sound card's, a softphone's and Asterisk's own files",
    ("docs/desktop.md", "xml"): "FreeSWITCH's dialplan: no FreeSWITCH here; that it is XML is tested",
    ("docs/exotel.md", "text"): "an address that Exotel's console takes",
    ("docs/freeswitch.md", "text"): "FreeSWITCH's console: no FreeSWITCH here",
    ("docs/genesys.md", "nginx"): "nginx is not here",
    ("docs/javascript-client.md", "text"): "two lines of Mosquitto's file; the tests of that client write the same",
    (
        "docs/javascript-client.md",
        "ts",
    ): "a loop for TypeScript; tests/web/test_events_client.py runs the same in JavaScript",
    ("docs/mqtt.md", "text"): "Mosquitto's rights; tests/bus/test_rights.py has a broker with such",
    ("docs/native-protocol.md", "js"): "one expression; tests/test_listener.py offers the same subprotocols",
    (
        "docs/scaling.md",
        "text",
    ): "how a machine takes HAProxy's file; tests/end_to_end/test_haproxy.py runs the file itself",
    ("docs/twilio.md", "nginx"): "nginx is not here",
}
"""Why nothing here can run them. What they say of addresses, paths and keys is checked all the same."""

PROGRAMS: Final[dict[str, str]] = {
    "cd": "the shell's own",
    "curl": "tests/docs/test_guides.py fetches the addresses of start.md; all are checked against the pages there are",
    "echo": "the shell's own",
    "git": "tests/docs/test_releasing.py runs those of releasing.md",
    "kill": "the system's own",
    "mosquitto": "the broker; tests start it with files of their own",
    "mosquitto_sub": "tests/bus/test_guide.py runs those of mqtt.md",
    "npm": "clients/web; make web runs its scripts",
    "ray": "tests/archive/test_cluster.py begins a head with the same flags",
    "sha256sum": "tests/docs/test_releasing.py runs that of releasing.md",
}
"""Programs of others that stand in shell blocks, and what is known of them here."""
