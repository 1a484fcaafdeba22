"""A mock SSP in this process, for programs that call SSPI through ctypes or cffi."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, Union

from . import _loader
from ._config import Config, Configurable
from ._program import CHECKS, AnyConfig, SspcacheError, check_config, config_file, judge, mock_path
from ._verdict import Verdict

#: Mocks that were still loaded when they ended, by their file names: a program that asks for the name gets these.
_still_loaded: dict[str, tuple[ctypes.CDLL, Path]] = {}

#: What the mocks read, once, when they are first called.
_VARIABLES = ("SSPCACHE_CONFIG", "SSPCACHE_JOURNAL", "SSPCACHE_STACK")


@dataclass(frozen=True)
class Event:
    """An event of a journal."""

    #: Its number in its journal.
    number: int
    #: Its kind, such as ``acquired``, ``held``, ``freed``, ``flushed`` or ``refused``.
    name: str
    #: When it happened, in UTC.
    time: datetime
    #: The process.
    pid: int
    #: The mock, such as ``secur32.dll``.
    module: str
    #: The other fields of its line in the journal, such as ``principal``, ``package`` or ``status``.
    details: Mapping[str, Any]


class Mock(Configurable):
    """A mock SSP in this process, with a cache, a configuration and a journal of its own.

    It is loaded when `dll` or `path` is first asked for, or by `load`; before that it takes accounts, default
    credentials and faults. On Linux with glibc a program that loads it by its name, ``ctypes.CDLL("secur32.dll")``, gets it
    once it is loaded. On Windows such a program gets Windows' own: let it take `dll` or `path`.

    `close` ends it, and so does the end of a ``with`` statement: what is cached or held then counts as left. No function
    of the DLL may be called after that.
    """

    def __init__(
        self, config: AnyConfig = None, *, name: str = "secur32.dll", checks: Sequence[str] = CHECKS
    ) -> None:
        """Prepares a mock. See `mock`."""
        self._given: AnyConfig = config
        self._config = config if isinstance(config, Config) else Config()
        self._name = name
        self._checks = tuple(checks)
        self._folder: Optional[Path] = None
        self._dll: Optional[ctypes.CDLL] = None
        self._environment: dict[str, Optional[str]] = {}
        self._hint = ""
        self._ended = False

    def __enter__(self) -> Mock:
        """Loads the mock."""
        return self.load()

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Ends the mock. The verdict can still be asked for."""
        self.close()

    def _add(self, table: str, keys: dict[str, Union[str, int, bool]]) -> None:
        if self._folder is not None:
            raise SspcacheError("the mock is loaded and has read its configuration: configure it before")
        if self._given is not None and not isinstance(self._given, Config):
            raise SspcacheError("the mock is configured by a file: write accounts and faults there")
        self._config._add(table, keys)

    def load(self) -> Mock:
        """Loads the mock, unless it is loaded."""
        if self._ended:
            raise SspcacheError("the mock has ended")
        if self._folder is not None:
            return self
        self._unload_earlier()
        original = mock_path(self._name)
        folder = Path(tempfile.mkdtemp(prefix="sspcache-mock-"))
        try:
            config = config_file(self._given if self._given is not None else self._config, folder)
            check_config(config)
            journal = folder / "journal"
            journal.mkdir()
            # A copy is a module of its own, with a cache of its own.
            copy = folder / original.name
            # Not by the system's call for that, which Wine 8 lacks.
            copy.write_bytes(original.read_bytes())
            self._set_environment(config, journal)
            self._dll = _loader.load(copy)
            if not hasattr(self._dll, "CleanupCredentialCache"):
                raise SspcacheError(
                    f"the system has loaded a {self._name} of its own. Wine takes the mock's "
                    "with WINEDLLOVERRIDES=secur32=n,b in its environment"
                )
        except BaseException:
            self._dll = None
            self._restore_environment()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._folder = folder
        return self

    def _unload_earlier(self) -> None:
        """Raises an error if a program that asks for the mock's name would get an earlier one."""
        earlier = _still_loaded.pop(self._name, None)
        if earlier is None:
            return
        _loader.unload_unused(*earlier)
        if _loader.is_loaded(earlier[1]):
            _still_loaded[self._name] = earlier
            raise SspcacheError(
                f"{self._name} of an earlier mock is still loaded, and programs would get that one: {_HINT}. "
                "Or run each in a process of its own, with sspcache.run"
            )

    def _set_environment(self, config: Path, journal: Path) -> None:
        self._environment = {name: os.environ.get(name) for name in _VARIABLES}
        os.environ["SSPCACHE_CONFIG"] = str(config)
        os.environ["SSPCACHE_JOURNAL"] = os.path.join(journal, "")
        os.environ.setdefault("SSPCACHE_STACK", "8")

    def _restore_environment(self) -> None:
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._environment = {}

    @property
    def dll(self) -> ctypes.CDLL:
        """The DLL, loaded by ctypes: a `ctypes.WinDLL` on Windows."""
        dll = self.load()._dll
        assert dll is not None
        return dll

    @property
    def path(self) -> str:
        """The path of the loaded DLL, for cffi's ``ffi.dlopen``."""
        self.load()
        assert self._folder is not None
        return str(self._folder / self._name)

    @property
    def events(self) -> list[Event]:
        """The events so far, also those of child processes that use the mock, in the order of their time."""
        found = []
        for file in sorted(self._journal().glob("*.jsonl")):
            lines = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
            of = lines[0] if lines else {}
            # What names the files of stacks is part of other events.
            found += [_event(line, of) for line in lines if line["event"] != "image"]
        return sorted(found, key=lambda event: event.time)

    def _journal(self) -> Path:
        if self._folder is None:
            raise SspcacheError("the mock was never loaded")
        return self._folder / "journal"

    def close(self) -> None:
        """Unloads the mock, which ends what it holds. It can be called more than once."""
        dll, self._dll = self._dll, None
        if dll is None or self._folder is None:
            return
        copy = self._folder / self._name
        _loader.unload(dll, copy)
        self._restore_environment()
        self._ended = True
        if not _loader.UNLOADS:
            _end_journals(self._journal())
        elif _loader.is_loaded(copy):
            _still_loaded[self._name] = dll, copy
            self._hint = f"\nThe mock is still loaded: {_HINT}"

    @property
    def verdict(self) -> Verdict:
        """The verdict; before `close` that of the time until now."""
        return Verdict.from_json(judge(self._journal(), self._checks, "json"))

    @property
    def text(self) -> str:
        """The verdict as `sspcache journal check` prints it for people."""
        return judge(self._journal(), self._checks, "text") + self._hint

    def assert_clean(self) -> None:
        """Ends the mock, and raises `AssertionError` with the verdict unless each check passes."""
        if not self._ended:
            self.load().close()
        if not self.verdict.passes:
            raise AssertionError(self.text)

    def __del__(self) -> None:
        """Deletes the journals."""
        with contextlib.suppress(Exception):
            self.close()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)


def mock(
    config: AnyConfig = None, *, name: str = "secur32.dll", checks: Sequence[str] = CHECKS
) -> Mock:
    """Returns a mock SSP for a ``with`` statement::

        with sspcache.mock(sspcache.Config().logon("CONTOSO\\\\alice", "secret")) as mock:
            sign_in_and_out(mock.dll)
        mock.assert_clean()

    ``name`` is ``secur32.dll``, ``MSNSSPC.dll`` or ``MSAPSSPC.dll``; ``checks`` are those of `sspcache exec --check`.
    """
    return Mock(config, name=name, checks=checks)


_EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)


def _event(line: Mapping[str, Any], started: Mapping[str, Any]) -> Event:
    time = _EPOCH + timedelta(microseconds=line["time"] / 10)
    details = {key: value for key, value in line.items() if key not in ("seq", "time", "event")}
    return Event(line["seq"], line["event"], time, started.get("pid", 0), started.get("module", ""), details)


#: Why a mock is still loaded.
_HINT = "delete the program's own ctypes.CDLL or cffi object of it, or let it use the mock's `dll`"


def _end_journals(journal: Path) -> None:
    """Ends the journals of this process, as the mock does when it is unloaded: musl never unloads.

    What the mock does after that is in no verdict.
    """
    for file in journal.glob(f"{os.getpid()}-*.jsonl"):
        ended = file.with_suffix(".ended")
        shutil.copyfile(file, ended)
        last = json.loads(ended.read_bytes().split(b"\n")[-2])
        if last["event"] != "ended":
            here = {"before": last["after"], "after": last["after"], "held": last.get("held", 0)}
            end = {"event": "ended", "how": "dropped", "left": last["after"], "lost": 0}
            line = {"seq": last["seq"] + 1, "time": last["time"], **here, **end}
            with open(ended, "a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
        # The mock goes on with the file that it has open.
        ended.replace(file)
