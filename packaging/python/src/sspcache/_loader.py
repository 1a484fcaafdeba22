"""Loads and unloads a DLL, and says whether it is loaded.

ctypes never unloads what it has loaded, so a program that calls ``ctypes.CDLL(name)`` takes a reference that stays. When no
object of such a call is alive any more, nothing can call the DLL through it, and `unload` gives that reference back, too.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from pathlib import Path
from typing import Any, Optional

#: Whether the C library unloads: musl doesn't.
UNLOADS = sys.platform != "linux" or platform.libc_ver()[0] == "glibc"

#: More references than a program takes.
_MOST = 10_000

if sys.platform == "win32":  # pragma: no cover
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.FreeLibrary.argtypes = [ctypes.c_void_p]
    _kernel32.GetModuleHandleW.argtypes = [ctypes.c_wchar_p]
    _kernel32.GetModuleHandleW.restype = ctypes.c_void_p

    def load(path: Path) -> ctypes.CDLL:
        """Loads a DLL."""
        return ctypes.WinDLL(str(path))

    def is_loaded(path: Path) -> bool:
        """Returns whether the DLL with this path is loaded."""
        return bool(_kernel32.GetModuleHandleW(str(path)))

    def _give_back(handle: int) -> bool:
        return bool(_kernel32.FreeLibrary(handle))

else:
    _c = ctypes.CDLL(None)
    _c.dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    _c.dlopen.restype = ctypes.c_void_p
    _c.dlclose.argtypes = [ctypes.c_void_p]
    _c.dlclose.restype = ctypes.c_int
    #: RTLD_LAZY and RTLD_NOLOAD.
    _NO_LOAD = 1 | (0x10 if sys.platform == "darwin" else 4)

    def load(path: Path) -> ctypes.CDLL:
        """Loads a DLL. No other module may take its functions: it is not global."""
        return ctypes.CDLL(str(path))

    def is_loaded(path: Path) -> bool:
        """Returns whether the DLL with this path is loaded."""
        handle: Optional[int] = _c.dlopen(os.fsencode(path), _NO_LOAD)
        if handle is not None:
            _c.dlclose(handle)
        return handle is not None

    def _give_back(handle: int) -> bool:
        return bool(_c.dlclose(handle) == 0)


def unload(dll: ctypes.CDLL, path: Path) -> None:
    """Gives back the reference of a `ctypes.CDLL`, and those of such objects that are gone."""
    _give_back(dll._handle)
    unload_unused(dll, path)


def unload_unused(dll: ctypes.CDLL, path: Path) -> None:
    """Gives back the references of objects that are gone, of a DLL whose own was given back."""
    # An object may be waiting for the garbage collector.
    gc.collect()
    if not UNLOADS or _is_used(dll, path):
        return
    for _ in range(_MOST):
        if not is_loaded(path) or not _give_back(dll._handle):
            return


def _is_used(dll: ctypes.CDLL, path: Path) -> bool:
    """Returns whether another object for the DLL is alive. A function of a DLL keeps its object alive, too."""
    handle, name = dll._handle, path.name.lower()
    return any(other is not dll and _may_use(other, handle, name) for other in gc.get_objects())


def _may_use(other: Any, handle: int, name: str) -> bool:
    # Only its class can be asked for without running code of the object's own.
    kind = type(other)
    if issubclass(kind, ctypes.CDLL):
        return bool(other.__dict__.get("_handle") == handle)
    # cffi's have the name that they were opened with in that of their class.
    return kind.__name__.startswith("FFILibrary") and name in kind.__name__.lower()
