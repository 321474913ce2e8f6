"""`python -m tests.run_script FILE` is `python FILE` in the file's folder, for `tests.warm`."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    del sys.argv[0]
    os.chdir(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
