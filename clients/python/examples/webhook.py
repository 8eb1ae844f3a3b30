"""Post every serious alert into a chat channel, by an incoming webhook as Slack and Mattermost take them.

    pip install "emotion-streamer-client[alerts]"
    python webhook.py mqtt://127.0.0.1:1883 https://chat.example.com/hooks/of-your-channel

The session is persistent: alerts that come while this program is down are posted when it is back.
"""

import sys
from contextlib import suppress

import httpx
from streamer_client import subscribe_sync

SIGNS = {"warning": ":warning:", "critical": ":rotating_light:"}


def main(mqtt_url: str, hook_url: str) -> None:
    """Post until Ctrl-C."""
    alerts = subscribe_sync(mqtt_url, kinds=["alert"], severities=list(SIGNS), client_id="chat-alerts", persistent=True)
    with httpx.Client(timeout=10, transport=httpx.HTTPTransport(retries=3)) as chat:
        for alert in alerts:
            said = alert.data
            text = f"{SIGNS[said.severity]} *{said.rule}* in call `{said.call.id}` ({said.role}): {said.message}"
            try:
                chat.post(hook_url, json={"text": text}).raise_for_status()
            except httpx.HTTPError as problem:
                print(f"not posted: {text}: {problem}", file=sys.stderr)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
