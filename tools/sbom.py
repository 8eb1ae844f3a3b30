"""Write the software bill of materials of a release: CycloneDX 1.5 as JSON (https://cyclonedx.org/docs/1.5/json/).

The packages come from uv.lock by `uv export`, with the hash of every file that may be installed: what the server and
its client need on any platform and Python they support, and nothing of tests or laboratory. The models that go with the
wheel are added by their cards. Run it by `make sbom`. This file must never name what is not in the release.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
Bom = dict[str, Any]


def shipped_models(root: Path) -> list[Path]:
    """Return the folders of the models that pyproject.toml puts into the wheel."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    return [root / source for source in included if (root / source / "model.toml").is_file()]


def with_models(bom: Bom, cards: list[dict[str, Any]]) -> Bom:
    """Return a bill with models added, as parts that the server depends on.

    Parameters
    ----------
    bom
        As `uv export` writes it.
    cards
        What stands in each `model.toml`: name, version, sha256, licence.
    """
    server = bom["metadata"]["component"]["bom-ref"]
    parts = [
        {
            "type": "machine-learning-model",
            "bom-ref": f"model-{card['name']}@{card['version']}",
            "name": card["name"],
            "version": card["version"],
            "hashes": [{"alg": "SHA-256", "content": card["sha256"]}],
            "licenses": [{"license": {"id": card["licence"]}}],
        }
        for card in cards
    ]
    refs = [part["bom-ref"] for part in parts]
    needs = [
        {**entry, "dependsOn": [*entry.get("dependsOn", []), *refs]} if entry["ref"] == server else entry
        for entry in bom["dependencies"]
    ]
    needs += [{"ref": ref, "dependsOn": []} for ref in refs]
    return {**bom, "components": [*bom["components"], *parts], "dependencies": needs}


def export(uv: str) -> Bom:
    """Return the locked packages of the server as uv sees them.

    Raises
    ------
    subprocess.CalledProcessError
        It did not work; its words are in `stderr`.
    """
    asked = [uv, "export", "--locked", "--no-default-groups", "--format", "cyclonedx1.5", "--quiet"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    bom: Bom = json.loads(done.stdout)
    return bom


def main(arguments: list[str]) -> int:
    """Write the file; return the exit status."""
    parser = argparse.ArgumentParser(description="Write the bill of materials of this version.")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--uv", default="uv", help="the program uv")
    given = parser.parse_args(arguments)
    try:
        bom = export(given.uv)
    except subprocess.CalledProcessError as problem:
        print(f"no bill of materials; uv says: {problem.stderr.strip()}", file=sys.stderr)
        return 1
    models = shipped_models(ROOT)
    cards = [tomllib.loads((folder / "model.toml").read_text(encoding="utf-8")) for folder in models]
    bom = with_models(bom, cards)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(bom, indent=2) + "\n", encoding="utf-8")
    print(f"{given.out}: {len(bom['components'])} components, {len(cards)} of them models")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
