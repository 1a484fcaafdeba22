"""The pytest plugin: the fixture `ssp_mock`, and the option ``--sspcache``, which judges the whole session.

With the option pytest starts itself once more under `sspcache exec`: what a program leaves is known only when its process has
ended. The verdict follows the session's own summary.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

import pytest

from ._mock import Mock
from ._program import CHECKS, program

#: Says to the session that it runs under `sspcache exec`.
_INSIDE = "SSPCACHE_PYTEST"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("sspcache", "sspcache: what the tests leave in the caches of SSPs")
    group.addoption(
        "--sspcache",
        action="store_true",
        help="run the whole session under `sspcache exec`, and fail it when a check fails (exit status 99)",
    )
    group.addoption(
        "--sspcache-check",
        metavar="CHECKS",
        default=",".join(CHECKS),
        help="what to check, a list with commas: left, leaks, misuse (default: all)",
    )
    group.addoption(
        "--sspcache-arg",
        metavar="OPTION",
        action="append",
        default=[],
        help="an option for `sspcache exec`, such as --sspcache-arg=--allow-unused; may be repeated",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Optional[Union[int, pytest.ExitCode]]:
    """Starts the session once more, judged, and prints the verdict."""
    if not config.getoption("--sspcache") or os.environ.get(_INSIDE):
        return None
    if any(config.getoption(name) for name in ("--help", "--version", "--collect-only")):
        return None
    with tempfile.TemporaryDirectory(prefix="sspcache-") as folder:
        verdict = Path(folder, "verdict.txt")
        # Programs that link to an SSPI library find the mock in its place; on Windows nothing can be preloaded.
        preload = [] if os.name == "nt" else ["--preload"]
        check, options = config.getoption("--sspcache-check"), config.getoption("--sspcache-arg")
        judged = [str(program()), "exec", *preload, f"--check={check}", "--verdict", str(verdict), *options]
        session = [sys.executable, "-m", "pytest", *map(str, config.invocation_params.args)]
        status = subprocess.call(
            [*judged, "--", *session], env={**os.environ, _INSIDE: "1"}, cwd=config.invocation_params.dir
        )
        text = verdict.read_text(encoding="utf-8") if verdict.exists() else ""
    if text:
        _print(text, status)
    return status


def _print(text: str, status: int) -> None:
    """Prints the verdict as a section of pytest's summary."""
    said = {0: "every check passes", 99: "a check failed"}.get(status, f"the session ended with {status}")
    width = shutil.get_terminal_size().columns
    print(" sspcache ".center(width, "="), text.rstrip(), f" sspcache: {said} ".center(width, "="), sep="\n")


@pytest.fixture
def ssp_mock() -> Iterator[Mock]:
    """A mock SSP in this process: configure it, let the program use its `dll` or `path`, then call `assert_clean`."""
    mock = Mock()
    yield mock
    mock.close()
