"""Where third-party data is, if anywhere: not part of the project.

Looked for in `ONEMAP_SHARED_DATA`, else in `shared/data` beside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path


def _folder() -> Path:
    said = os.environ.get("ONEMAP_SHARED_DATA")
    if said:
        return Path(said)
    root = Path(__file__).parents[3]
    beside = [folder / "shared" / "data" for folder in (root.parent, root.parent.parent)]
    return next((folder for folder in beside if folder.is_dir()), beside[0])


DATA = _folder()
