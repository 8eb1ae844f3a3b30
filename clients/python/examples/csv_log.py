"""Append every certain verdict to a CSV file that a spreadsheet opens.

pip install emotion-streamer-client
python csv_log.py mqtt://127.0.0.1:1883 emotions.csv
"""

import csv
import sys
from contextlib import suppress
from pathlib import Path

from streamer_client import subscribe_sync

COLUMNS = ["time", "call", "role", "start_ms", "end_ms", "emotion", "confidence"]


def cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: call ids come from outside."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def main(mqtt_url: str, path: str) -> None:
    """Log until Ctrl-C."""
    is_new = not Path(path).exists()
    with Path(path).open("a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if is_new:
            rows.writerow(COLUMNS)
        for event in subscribe_sync(mqtt_url, certain=True):
            said, heard = event.data.emotion, event.data.utterance
            call, role = cell(event.data.call.id), cell(event.data.speaker.role)
            rows.writerow([cell(event.time), call, role, heard.start_ms, heard.end_ms, cell(said.top), said.confidence])
            file.flush()  # a spreadsheet that is opened now sees it


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(
            f"usage: python {sys.argv[0]} MQTT-URL FILE.csv, as in {sys.argv[0]} mqtt://127.0.0.1:1883 emotions.csv"
        )
    with suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
