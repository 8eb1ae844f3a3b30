from __future__ import annotations

from pathlib import Path
from typing import Any

from streamer_client.alerts.outputs.log import Log, LogSettings
from streamer_client.alerts.outputs.trying import try_outputs
from streamer_client.alerts.outputs.webhook import Webhook, WebhookSettings
from streamer_client.events import Severity, decode


async def test_each_output_gets_a_test_and_each_outcome_is_told(receiving: Any, tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    async with receiving() as receiver:
        receiver.answers = [b"HTTP/1.1 403 Forbidden\r\n\r\n"]
        outputs = [
            Webhook(WebhookSettings(url=receiver.url()), {}),
            Log(LogSettings(path=str(path), severities=(Severity.CRITICAL,))),
        ]
        lines = [outcome.line async for outcome in try_outputs(outputs, lambda: 0.0)]
    assert lines == [
        f"WRONG  webhook: http://127.0.0.1:{receiver.port} answered 403 Forbidden; check address and access",
        "ok     log: took a test alert",
    ]
    alert = decode(path.read_bytes())
    assert (alert.data.rule, alert.data.severity, alert.data.utterances) == ("test", Severity.INFO, ())
    assert alert.data.message.startswith("This is a test")
    assert decode(receiver.requests[0].body).id != alert.id
