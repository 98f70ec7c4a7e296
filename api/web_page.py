"""The built page at `/`: every file of the web root, read once, compressed once, answered from memory.

What stands beside a file under its name and `.br` is its brotli form, made with the page.

Only files found when the service started can be asked for, so no path leads out of the folder.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
"""Vite puts a hash of the content into an asset's name; such a file never changes."""
COMPRESSIBLE = (
    "text/",
    "application/javascript",
    "application/json",
    "image/svg+xml",
    "application/manifest",
)
ROUTED_BY_THE_PAGE = ("m", "screen")
"""First path segments under which every address (without a dot in its last part) is a view of the page."""

SECURITY_HEADERS: Mapping[bytes, bytes] = {
    # MapLibre starts its workers from blob: addresses and draws icons from data: ones; ECharts' tooltips
    # carry style attributes. Nothing is ever loaded from another host.
    b"content-security-policy": b"default-src 'self'; script-src 'self'; worker-src 'self' blob:; "
    b"child-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    b"font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    b"frame-ancestors 'self'",
    b"referrer-policy": b"same-origin",
    b"permissions-policy": b"geolocation=(self), camera=(self)",
}

mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("font/woff2", ".woff2")


class Page(NamedTuple):
    """One file as it is answered."""

    body: bytes
    brotli: bytes | None
    gzip: bytes | None
    etag: bytes
    media_type: bytes
    cache_control: bytes


class WebPage:
    """The files of `root` as an ASGI endpoint. A `root` of None, or one that is not there, has no files."""

    def __init__(self, root: Path | None) -> None:
        self._pages = _read(root) if root is not None and root.is_dir() else {}

    def __repr__(self) -> str:
        return f"WebPage({len(self._pages)} files)"

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405 if self._page(scope["path"]) else 404, headers={"Allow": "GET, HEAD"})
        page = self._page(scope["path"])
        if page is None:
            raise HTTPException(404)
        scope["state"]["route"] = "/ (page)"
        asked = dict(scope["headers"])
        headers = [
            (b"etag", page.etag),
            (b"cache-control", page.cache_control),
            (b"vary", b"Accept-Encoding"),
            *SECURITY_HEADERS.items(),
        ]
        if page.etag in asked.get(b"if-none-match", b""):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        body = page.body
        taken = {each.strip() for each in asked.get(b"accept-encoding", b"").split(b",")}
        for encoding, encoded in ((b"br", page.brotli), (b"gzip", page.gzip)):
            if encoded is not None and encoding in taken:
                body = encoded
                headers.append((b"content-encoding", encoding))
                break
        headers += [(b"content-type", page.media_type), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _page(self, path: str) -> Page | None:
        """The file at `path`, or the page itself where `path` is one of its views."""
        found = self._pages.get(path) or self._pages.get(path.rstrip("/") + "/")
        first, _, _ = path.lstrip("/").partition("/")
        if found is not None or first not in ROUTED_BY_THE_PAGE or "." in path.rpartition("/")[2]:
            return found
        return self._pages.get(f"/{first}/") or self._pages.get("/")


def _read(root: Path) -> dict[str, Page]:
    """Pages by address; a folder's `index.html` answers for the folder (`/`, `/m/`)."""
    pages: dict[str, Page] = {}
    for file in sorted(root.rglob("*")):
        if not file.is_file() or file.is_symlink() or file.name.startswith(".") or _is_brotli(file):
            continue
        address = "/" + file.relative_to(root).as_posix()
        page = _page_of(file)
        pages[address] = page
        if file.name == "index.html":
            pages[address.removesuffix("index.html")] = page
    return pages


def _is_brotli(file: Path) -> bool:
    return file.suffix == ".br" and file.with_suffix("").is_file()


def _page_of(file: Path) -> Page:
    body = file.read_bytes()
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    brotli = compressed = None
    if media_type.startswith(COMPRESSIBLE) and len(body) > 1024:
        compressed = gzip.compress(body, compresslevel=9, mtime=0)
        beside = file.with_name(f"{file.name}.br")
        brotli = beside.read_bytes() if beside.is_file() else None
    return Page(
        body,
        brotli,
        compressed,
        f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode(),
        (f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type).encode(),
        b"public, max-age=31536000, immutable" if HASHED.search(file.name) else b"no-cache",
    )
