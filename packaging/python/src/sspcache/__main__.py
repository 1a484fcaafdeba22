"""Runs the program `sspcache`: `python -m sspcache exec -- COMMAND`."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

from ._program import program


def main() -> NoReturn:
    """Becomes the program, with the same arguments."""
    command = [str(program()), *sys.argv[1:]]
    if os.name != "nt":
        os.execv(command[0], command)
    # Windows' own exec returns to the shell before the program has ended.
    try:
        sys.exit(subprocess.call(command))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
