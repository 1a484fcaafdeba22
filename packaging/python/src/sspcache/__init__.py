"""Tests programs that sign in with Windows' SSPI against a mock SSP, and judges what they leave.

`run` runs a command under `sspcache exec`. `mock` loads a mock into this process, for programs that call SSPI through ctypes
or cffi. With pytest the fixture `ssp_mock` is such a mock, and ``pytest --sspcache`` judges a whole session.
"""

from ._config import Config
from ._mock import Event, Mock, mock
from ._program import CHECKS, Run, SspcacheError, mock_path, program, run
from ._verdict import (
    Check,
    Credential,
    End,
    Finding,
    Frame,
    GivenBack,
    Leaks,
    Misuse,
    Moment,
    Policy,
    Process,
    Refusal,
    Running,
    Served,
    ServedRefusal,
    ServedSignIn,
    Totals,
    Verdict,
)

__all__ = [
    "CHECKS",
    "Check",
    "Config",
    "Credential",
    "End",
    "Event",
    "Finding",
    "Frame",
    "GivenBack",
    "Leaks",
    "Misuse",
    "Mock",
    "Moment",
    "Policy",
    "Process",
    "Refusal",
    "Run",
    "Running",
    "Served",
    "ServedRefusal",
    "ServedSignIn",
    "SspcacheError",
    "Totals",
    "Verdict",
    "mock",
    "mock_path",
    "program",
    "run",
]
