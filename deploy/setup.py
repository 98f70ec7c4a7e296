#!/usr/bin/env python3
"""Brings a fresh Debian/Ubuntu machine to where One Map runs: `setup.py demo` or `setup.py test`.

Installs system packages that are missing (where it may), a virtual environment from the locked
requirements, and the built page. May be run again at any time; does only what is still to do.
Uses the standard library alone, because nothing else is there yet.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
WEB = ROOT / "web"
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20
OLDEST_POSTGRESQL = 15


def main() -> int:
    goal = sys.argv[1] if len(sys.argv) > 1 else "demo"
    if goal not in ("demo", "test"):
        return _refuse("usage: setup.py demo|test")
    if sys.version_info < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        return _refuse(f"Python {needed} or newer is needed; this is {sys.version.split()[0]}.")
    try:
        install_packages(missing_packages(goal))
        build_environment("requirements-dev.txt" if goal == "test" else "requirements.txt")
        build_page()
    except SetupError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return _refuse("stopped; run it again to go on.")
    return 0


class SetupError(Exception):
    """One sentence that says what is missing and what to do."""


# ------------------------------------------------------------------ system packages


def missing_packages(goal: str) -> list[str]:
    """Debian packages still to install for `goal`; empty when everything is there."""
    missing: list[str] = []
    if not _postgis_majors():
        missing += _postgresql_packages()
    if not _has_module("ensurepip"):
        missing.append(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")
    if goal == "test":
        if not (
            shutil.which("chromium") or shutil.which("chromium-browser") or os.environ.get("ONEMAP_CHROMIUM")
        ):
            missing.append("chromium")
        if not _has_chinese_font():
            missing.append("fonts-noto-cjk")
    node = _node_major()
    if node is None or node < OLDEST_NODE:
        found = "none was found" if node is None else f"{node} was found"
        raise SetupError(f"Node.js {OLDEST_NODE} or newer with npm is needed to build the page; {found}.")
    return missing


def install_packages(names: list[str]) -> None:
    """Installs `names` by apt where we may; raises `SetupError` that lists them where we may not."""
    if not names:
        return
    listed = " ".join(names)
    prefix = _root_prefix()
    if prefix is None or not shutil.which("apt-get"):
        raise SetupError(
            f"these packages are missing and this account may not install them: {listed}"
            f" (ask an administrator: apt-get install {listed})."
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing system packages: {listed}"):
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names],
        ):
            done = subprocess.run(
                [*prefix, *command],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            if done.returncode != 0 and command[1] == "install":
                raise SetupError(f"{' '.join(command)} failed: {_last_line(done.stderr or done.stdout)}")


def _postgis_majors() -> list[int]:
    return [
        int(control.parts[-3])
        for control in Path("/usr/share/postgresql").glob("*/extension/postgis.control")
        if control.parts[-3].isdecimal()
        and int(control.parts[-3]) >= OLDEST_POSTGRESQL
        and Path(f"/usr/lib/postgresql/{control.parts[-3]}/bin/initdb").exists()
    ]


def _postgresql_packages() -> list[str]:
    """The server that is installed already, or else the newest the distribution has, with its PostGIS."""
    installed = [
        int(p.name)
        for p in Path("/usr/lib/postgresql").glob("*")
        if p.name.isdecimal() and (p / "bin/initdb").exists()
    ]
    fitting = [major for major in installed if major >= OLDEST_POSTGRESQL]
    if not fitting:
        prefix = _root_prefix()
        if prefix is not None and shutil.which("apt-get"):
            subprocess.run([*prefix, "apt-get", "update", "-q"], capture_output=True, check=False)
        offered = _output("apt-cache", "search", "--names-only", r"^postgresql-[0-9]+-postgis-3$")
        fitting = [int(m) for m in re.findall(r"^postgresql-(\d+)-postgis-3 ", offered, re.MULTILINE)]
        fitting = [major for major in fitting if major >= OLDEST_POSTGRESQL]
    if not fitting:
        return ["postgresql", "postgis", "postgresql-postgis"]
    major = max(fitting)
    return [f"postgresql-{major}", f"postgresql-{major}-postgis-3"]


def _root_prefix() -> list[str] | None:
    """How to run a program as root: directly, by sudo without a password, or not at all."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def _has_module(name: str) -> bool:
    return (
        subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, check=False).returncode
        == 0
    )


def _has_chinese_font() -> bool:
    if not shutil.which("fc-list"):
        return any(Path("/usr/share/fonts").rglob("*CJK*"))
    return bool(_output("fc-list", ":lang=zh").strip())


def _node_major() -> int | None:
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    version = re.match(r"v(\d+)", _output("node", "--version"))
    return int(version.group(1)) if version else None


# ------------------------------------------------------------------ Python and the page


def build_environment(lock: str) -> None:
    """A virtual environment with the packages of `lock`, hashes checked, and the project on its path."""
    stamp = VENV / f".{lock}.stamp"
    wanted = _digest([ROOT / lock, Path(__file__)]) + f" {sys.version_info[:2]} {ROOT}"
    python = VENV / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return
    if not python.exists():
        with step("making a virtual environment in .venv"):
            _run(sys.executable, "-m", "venv", "--clear", str(VENV))
    with step(f"installing Python packages from {lock} (a few minutes the first time)"):
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--require-hashes", "-r", str(ROOT / lock))  # fmt: skip
    _put_on_path(python)
    stamp.write_text(wanted)


def _put_on_path(python: Path) -> None:
    """`import onemap` and the command `onemap`, without building the project itself."""
    site = _output(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(site) / "onemap_project.pth").write_text(f"{ROOT}\n")
    command = VENV / "bin" / "onemap"
    command.write_text(f"#!{python}\nfrom onemap.__main__ import main\n\nmain()\n")
    command.chmod(0o755)


def build_page() -> None:
    """web/dist from web/, when a source is newer than the last build."""
    if not (WEB / "package.json").exists():
        return
    sources = sorted(
        p for p in WEB.rglob("*")
        if p.is_file() and not {"node_modules", "dist"} & set(p.relative_to(WEB).parts)
    )  # fmt: skip
    sources.append(ROOT / "layers" / "known" / "symbols.json")  # the page draws them too
    modules = WEB / "node_modules" / ".onemap.stamp"
    locked = _digest([WEB / "package-lock.json"])
    if not (modules.exists() and modules.read_text() == locked):
        with step("installing the page's packages"):
            _run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=WEB)
        modules.write_text(locked)
    stamp = WEB / "dist" / ".onemap.stamp"
    wanted = _digest(sources)
    if not (stamp.exists() and stamp.read_text() == wanted):
        with step("building the page"):
            _run("npm", "run", "build", "--silent", cwd=WEB)
        stamp.write_text(wanted)


# ------------------------------------------------------------------ small print


@contextmanager
def step(what: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"→ {what} …", flush=True)
    yield
    print(f"✓ {time.monotonic() - started:.0f} s", flush=True)


def _run(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SetupError(f"{' '.join(command[:4])} … failed:\n{tail}")


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(no message)"


def _refuse(sentence: str) -> int:
    print(f"✗ {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
