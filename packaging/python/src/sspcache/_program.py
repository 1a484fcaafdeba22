"""Finds the program and the mocks that this package brings, and runs the program."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Union

from ._config import Config
from ._verdict import Verdict

#: The checks of `sspcache exec --check` that this package asks for by default.
CHECKS = ("left", "leaks", "misuse")

#: A configuration: an object, or the path of a file.
AnyConfig = Union[Config, "os.PathLike[str]", None]


class SspcacheError(Exception):
    """The program `sspcache` or a mock can't do what was asked: the message has the reason."""


def program() -> Path:
    """Returns the path of the program `sspcache`."""
    return _file("sspcache.exe" if os.name == "nt" else "sspcache", Path(__file__).parent / "dist")


def mock_path(name: str) -> Path:
    """Returns the path of a mock for this system: ``MSNSSPC.dll``, ``MSAPSSPC.dll`` or ``secur32.dll``.

    The environment variable ``SSPCACHE_HOME`` names another folder of mocks.
    """
    return _file(name, Path(os.environ.get("SSPCACHE_HOME") or Path(__file__).parent / "dist"))


def _file(name: str, folder: Path) -> Path:
    path = folder / name
    if not path.is_file():
        raise SspcacheError(f"{path} is missing: install the package sspcache from a wheel for this platform")
    return path


@dataclass(frozen=True)
class Run:
    """What a command did under `sspcache exec`."""

    #: The exit status of `sspcache exec`: the command's own if it failed; else 0, or 99 when a check failed.
    returncode: int
    #: The verdict.
    verdict: Verdict
    #: The verdict as `sspcache exec` prints it for people.
    text: str = field(repr=False)
    #: What the command wrote, with ``capture_output``.
    stdout: Optional[str] = None
    stderr: Optional[str] = None

    def assert_clean(self) -> None:
        """Raises `AssertionError` with the verdict's text if the command failed or a check did."""
        if self.returncode != 0:
            raise AssertionError(f"exit status {self.returncode}\n{self.text}")


def run(
    command: Sequence[Union[str, "os.PathLike[str]"]],
    config: AnyConfig = None,
    *,
    checks: Sequence[str] = CHECKS,
    preload: bool = False,
    options: Sequence[str] = (),
    env: Optional[Mapping[str, str]] = None,
    cwd: Union[str, "os.PathLike[str]", None] = None,
    capture_output: bool = False,
    timeout: Optional[float] = None,
) -> Run:
    """Runs a command under `sspcache exec`, and returns its exit status and the verdict.

    ``checks`` are those of ``--check``. ``preload`` is for programs that link to an SSPI library directly, on Unix.
    ``options`` go to `sspcache exec` as they are, such as ``["--forbid", "ntlm"]``. ``timeout`` is in seconds.

    Raises `SspcacheError` when sspcache itself failed or the command can't be run, and `subprocess.TimeoutExpired`.
    """
    words = [os.fspath(word) for word in command]
    given = [f"--check={','.join(checks)}"] if checks else []
    with tempfile.TemporaryDirectory(prefix="sspcache-") as folder:
        journal, verdict = os.path.join(folder, "journal", ""), Path(folder, "verdict.json")
        arguments = ["exec", *given, "--journal", journal, "--format", "json", "--verdict", str(verdict)]
        arguments += ["--preload"] if preload else []
        arguments += ["--config", str(config_file(config, Path(folder)))] if config is not None else []
        ran = subprocess.run(
            [str(program()), *arguments, *options, "--", *words],
            env=env,
            cwd=cwd,
            capture_output=capture_output,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        try:
            judged = Verdict.from_json(verdict.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            reason = (ran.stderr or "").strip() or "standard error has the reason"
            raise SspcacheError(f"sspcache exec gave no verdict (exit status {ran.returncode}): {reason}") from None
        text = "" if judged.passes else judge(Path(journal), checks, "text")
    return Run(ran.returncode, judged, text, ran.stdout, ran.stderr)


def config_file(config: AnyConfig, folder: Path) -> Path:
    """Returns the absolute path of a configuration's file. One that has to be written can be read by this user alone."""
    if config is None or isinstance(config, Config):
        file = folder / "config.toml"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write("" if config is None else config.toml())
        return file
    return Path(config).resolve()


def judge(journal: Path, checks: Sequence[str], form: str) -> str:
    """Returns the verdict on journals, in a form of ``sspcache journal check --format``."""
    arguments = ["journal", "check", f"--check={','.join(checks or CHECKS)}", "--format", form, str(journal)]
    ran = subprocess.run(
        [str(program()), *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if ran.returncode not in (0, 99):
        raise SspcacheError(ran.stderr.strip())
    return ran.stdout


def check_config(file: Path) -> None:
    """Raises `SspcacheError` with the place of a mistake in a configuration, which never quotes it."""
    ran = subprocess.run(
        [str(program()), "config", "check", str(file)], capture_output=True, encoding="utf-8", check=False
    )
    if ran.returncode != 0:
        raise SspcacheError((ran.stderr or ran.stdout).strip())
