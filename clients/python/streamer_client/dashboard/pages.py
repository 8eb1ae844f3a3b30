"""The files that browsers get: the dashboard, the softphone page, the softphone tap. Read once, at the start.

Nothing is looked up on the disk by what a request says, so no request can name another file. This file must never serve
anything but what stands in the package.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from streamer_client.errors import ClientError

_PARTS = {"dashboard": "/", "softphone": "/softphone/", "tap": "/tap/", "events": "/events/", "shared": "/shared/"}
"""Folder under ``pages/`` to the path under which it is served."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".json": "application/json",
}
_LEFT_OUT = (".d.ts", ".map", ".py", ".pyc")


class Page(msgspec.Struct, frozen=True):
    """One file."""

    body: bytes
    content_type: str
    etag: str


def read_pages(root: Traversable | None = None) -> dict[str, Page]:
    """Return every file by the path under which it is served; `index.html` stands for its folder, too.

    Parameters
    ----------
    root : Traversable, optional
        A folder with the parts; that of the package if not given.

    Raises
    ------
    ClientError
        The dashboard's page is not there.
    """
    root = root or resources.files("streamer_client") / "pages"
    pages: dict[str, Page] = {}
    for folder, prefix in _PARTS.items():
        part = root / folder
        if part.is_dir():
            for path, page in _files(part, prefix):
                pages[path] = page
                if path.endswith("/index.html"):
                    pages[path.removesuffix("index.html")] = page
    if "/" not in pages:
        raise ClientError("the dashboard's page is not in this installation; install emotion-streamer-client again")
    pages.setdefault("/login", pages.get("/login.html", pages["/"]))
    return pages


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Page]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif not entry.name.endswith(_LEFT_OUT):
            body = entry.read_bytes()
            ending = f".{entry.name.rpartition('.')[2]}"
            kind = _TYPES.get(ending) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            yield f"{prefix}{entry.name}", Page(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
