"""The environments of the other libraries: made once, at these versions, in `build/peers`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from nostr_client.paths import environment_for_children

ROOT: Final = Path(__file__).resolve().parents[2]
VERSIONS: Final = {"nostr-sdk": "0.45.1", "pynostr": "0.7.0", "monstr": "0.1.9"}
MODULES: Final = {
    "ours": "benchmarks.peers.ours",
    "nostr-sdk": "benchmarks.peers.with_nostr_sdk",
    "pynostr": "benchmarks.peers.with_pynostr",
    "monstr": "benchmarks.peers.with_monstr",
}


def python_of(name: str) -> str:
    """The interpreter that has the library `name`. Raises CalledProcessError where it cannot be
    installed: its environment is then made anew the next time."""
    if name == "ours":
        return sys.executable
    folder = ROOT / "build" / "peers" / f"{name}-{VERSIONS[name]}"
    made = folder / "made"
    bin_folder = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python = str(bin_folder / "python")
    if not made.exists():
        print(f"  setting up {name} {VERSIONS[name]} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*install, f"{name}=={VERSIONS[name]}"], check=True)
        # Bytecode is there from the start, as it is of ours.
        subprocess.run([python, "-m", "compileall", "-qq", folder / "lib"], check=False)
        made.touch()
    return python


def environment() -> dict[str, str]:
    """What a program of the measurement sees: no settings of whoever runs it."""
    kept = environment_for_children()
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        kept.pop(name, None)
    return kept
