"""Make a report of a day: which emotions, in which calls, how far into them; as text, and calls.csv for the rest.

pip install "emotion-streamer-client[pandas]"
streamer-client watch --json --kinds utterance,ended,alert > day.jsonl
python report.py day.jsonl
"""

import sys
from pathlib import Path

from streamer_client import calls_to_frame, to_frame


def main(path: str) -> None:
    """Print the report of one file of events."""
    utterances = to_frame(path)
    certain = utterances[~utterances["uncertain"]]
    print(f"{len(utterances)} utterances, {len(certain)} with a certain verdict")
    print(certain["emotion"].value_counts(normalize=True).loc[lambda share: share > 0].round(2).to_string())

    angry = certain[certain["emotion"] == "angry"].groupby("call_id")["start_ms"].agg(["count", "min"])
    print("\ncalls with the most anger, and where it began (s)")
    print(angry.assign(min=angry["min"] / 1000).sort_values("count", ascending=False).head(10).to_string())

    calls = calls_to_frame(path)
    print(
        f"\n{len(calls)} calls ended, {calls['alerts'].sum()} alerts, mean {calls['duration_ms'].mean() / 1000:.0f} s"
    )
    calls.to_csv(Path(path).with_name("calls.csv"), index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
