"""What the HTTP part may be told. The environment is read elsewhere, once; here are only values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from api.services.hosts import NO_RULES, HostRules
from gis.local_systems import LocalSystem
from gis.own_matrix_sets import BUILT_IN, MatrixSets
from themes.glyphs import SYSTEM_FOLDERS
from tiles.store import DEFAULT_CAPACITY_BYTES

BODY_LIMIT_BYTES = 64 * 2**20
"""Largest request body: 100,000 points to locate take 5 MB as JSON, nine photos of 5 MB in base64 take 60."""


@dataclass(frozen=True)
class ApiSettings:
    """How the service presents itself.

    `web_root` is the folder of the built page (None, or a folder without `index.html`: no page is served).
    `public_url` is the address under which others reach the service, without a slash at its end, where a
    proxy stands before it; None takes it from each request. `cors_origins` are the other sites whose pages
    may call the API. `secure_cookies` is on where the service is reached by HTTPS.
    """

    web_root: Path | None = None
    public_url: str | None = None
    cors_origins: tuple[str, ...] = ()
    secure_cookies: bool = False
    body_limit_bytes: int = BODY_LIMIT_BYTES
    uploads: Path | None = None
    """Folder of files sent for import, the worker's too; None: none are taken."""
    tile_store: Path | None = None
    """File of the tiles kept on disk, shared by the server processes of a machine; None: memory only."""
    tile_store_bytes: int = DEFAULT_CAPACITY_BYTES
    archives: Path | None = None
    """Folder of tile archives that anybody may read; None: none are served."""
    rasters: Path | None = None
    """Folder of the files of raster layers; None: there are none."""
    review: bool = False
    """What is imported is published by another person than imported it (`layers.reviews`)."""
    sync_folder: Path | None = None
    """Folder from which syncs may take files, the worker's too; None: none may."""
    matrix_sets: MatrixSets = BUILT_IN
    """The tile matrix sets in which tiles are drawn."""
    client_seconds_a_minute: float | None = None
    """Seconds of work that each client may have done in a minute (`api.turns`); None: no limit."""
    service_hosts: HostRules = NO_RULES
    """Where services of other systems may be, beyond the public internet."""
    font_folders: tuple[Path, ...] = SYSTEM_FOLDERS
    """Folders in which fonts are looked for, from which the letters of the styles are made."""
    local_systems: Mapping[str, LocalSystem] = field(default_factory=dict, repr=False)
    """The operator's city-local coordinate systems by name, in which places may leave."""
    version: str = "0.1.0"
