"""Write what this package makes to where it is committed."""

from __future__ import annotations

import json
from pathlib import Path

from tools.schemas.asyncapi import document
from tools.schemas.messages import schemas
from tools.schemas.typescript import module

ROOT = Path(__file__).resolve().parents[2]
HEAD = "// Made by `python -m tools.schemas` from the program's own types. Never edit it by hand.\n"


def files() -> dict[str, str]:
    """Return the text of every file that is made, by its path in the repository."""
    documents = schemas() | {"asyncapi.json": document()}
    made = {f"clients/schema/{path}": _text(value) for path, value in documents.items()}
    made["clients/web/src/events/types.ts"] = HEAD + module()
    return made


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all."""
    for path, text in files().items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
