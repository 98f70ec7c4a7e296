"""Photos of a report: what they really are, how many and how big they may be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from layers.errors import BadRequest, TooMuch

MediaType = Literal["image/jpeg", "image/png", "image/webp"]

MAX_PHOTOS = 9
MAX_PHOTO_BYTES = 5 * 2**20


@dataclass(frozen=True)
class Photo:
    """A picture as received, its type as its first bytes say."""

    media_type: MediaType
    content: bytes

    def __repr__(self) -> str:
        return f"Photo({self.media_type}, {len(self.content)} bytes)"

    @cached_property
    def sha256(self) -> bytes:
        """Digest of the content; five megabytes are worth computing once."""
        return hashlib.sha256(self.content).digest()


def sniff(content: bytes) -> MediaType | None:
    """The type by the first bytes; None for anything but JPEG, PNG and WebP."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


def accept(contents: Iterable[bytes]) -> tuple[Photo, ...]:
    """The photos, each different one once, in the order given.

    Raises `TooMuch` above 9 photos or 5 MB in one, `BadRequest` for what is no JPEG, PNG or WebP.
    """
    found: dict[bytes, Photo] = {}
    for number, content in enumerate(contents):
        if number >= MAX_PHOTOS:
            raise TooMuch(
                f"照片不能超过 {MAX_PHOTOS} 张", f"no more than {MAX_PHOTOS} photos", limit=MAX_PHOTOS
            )
        if len(content) > MAX_PHOTO_BYTES:
            raise TooMuch(
                f"第 {number + 1} 张照片超过 {MAX_PHOTO_BYTES // 2**20} MB",
                f"photo {number + 1} is larger than {MAX_PHOTO_BYTES // 2**20} MB",
                limit_bytes=MAX_PHOTO_BYTES,
                field=f"photos[{number}]",
            )
        media_type = sniff(content)
        if media_type is None:
            raise BadRequest(
                f"第 {number + 1} 张照片不是 JPEG、PNG 或 WebP 图片",
                f"photo {number + 1} is no JPEG, PNG or WebP picture",
                field=f"photos[{number}]",
                value=content[:8].hex(),
                expected="image/jpeg, image/png, image/webp",
            )
        photo = Photo(media_type, content)
        found.setdefault(photo.sha256, photo)
    return tuple(found.values())
