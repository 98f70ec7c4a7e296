"""The worker's process and the one that started it."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_worker_whose_server_died_before_it_had_loaded_ends_by_itself(database_url: str) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    ended = subprocess.run(
        [sys.executable, "-m", "onemap", "worker", "--parent", gone.stdout.strip()],
        env={**os.environ, "ONEMAP_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
