"""The verdict as objects: the fields are those of docs/verdict.schema.json, which says what each one is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")


@dataclass(frozen=True)
class Moment:
    """An event: its number in its journal, and the seconds since the first event of the run."""

    event: int
    seconds: float


@dataclass(frozen=True)
class Frame:
    """A call on a stack."""

    image: str
    offset: int
    function: Optional[str] = None
    behind: Optional[int] = None
    file: Optional[str] = None
    line: Optional[int] = None
    column: Optional[int] = None
    inlined: Optional[bool] = None


@dataclass(frozen=True)
class End:
    """What ended a credential."""

    how: str
    event: Optional[int] = None
    seconds: Optional[float] = None
    when: Optional[str] = None
    why: Optional[str] = None


@dataclass(frozen=True)
class Credential:
    """A credential that was cached, or held by a handle alone."""

    kind: str
    module: str
    package: str
    principal: str
    source: str
    since: Moment
    silent_sign_ins: int
    end: End
    stack: tuple[Frame, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A sign-in that a mock refused."""

    module: str
    package: str
    principal: str
    status: str
    offered: tuple[str, ...]


@dataclass(frozen=True)
class Process:
    """A process that used a mock."""

    pid: int
    program: str
    forked: bool
    modules: tuple[str, ...]
    beside: tuple[str, ...]
    credentials: tuple[Credential, ...]
    left: int
    suppressed: int
    default_sign_ins: int
    refused: tuple[Refusal, ...]
    signed_out: bool
    retained: int
    failed_flushes: int
    gaps: tuple[str, ...]
    passed_on: bool = False


@dataclass(frozen=True)
class Running:
    """A process that still runs."""

    pid: int
    program: str


@dataclass(frozen=True)
class Totals:
    """Counts of things that the SSP gave out. The first is the sum of the others."""

    given_out: int
    given_back: int
    leaked: int
    suppressed: int
    not_judged: int


@dataclass(frozen=True)
class Leaks:
    """What was never given back: in all, and of each kind."""

    outcome: str
    given_out: int
    given_back: int
    leaked: int
    suppressed: int
    not_judged: int
    kinds: Mapping[str, Totals]


@dataclass(frozen=True)
class Misuse:
    """How many calls broke a rule."""

    outcome: str
    misused: int
    suppressed: int
    not_judged: int


@dataclass(frozen=True)
class Policy:
    """What ``--forbid`` and ``--require`` found."""

    outcome: str
    forbid: tuple[str, ...]
    require: tuple[str, ...]
    broken: int
    suppressed: int
    begun: int
    done: int
    accepted: int


@dataclass(frozen=True)
class GivenBack:
    """Where something was given back before it was used again."""

    event: int
    seconds: float
    stack: tuple[Frame, ...]


@dataclass(frozen=True)
class Finding:
    """A leak, a misuse, or a call against the policy."""

    kind: str
    what: str
    holds_secret: bool
    count: int
    pid: int
    program: str
    module: str
    package: str
    principal: str
    since: Moment
    standing: str
    stack: tuple[Frame, ...]
    advice: str
    reference: str
    rule: Optional[str] = None
    function: Optional[str] = None
    detail: Optional[str] = None
    stage: Optional[str] = None
    bytes: Optional[int] = None
    when: Optional[str] = None
    given_out: Optional[Moment] = None
    given_back: Optional[GivenBack] = None
    why: Optional[str] = None


@dataclass(frozen=True)
class ServedSignIn:
    """A sign-in that a server of the run accepted."""

    server: str
    principal: str
    scheme: str
    package: str
    legs: int
    flags: tuple[str, ...]
    bound: bool
    target: Optional[str] = None


@dataclass(frozen=True)
class ServedRefusal:
    """A sign-in that a server of the run refused."""

    server: str
    scheme: str
    reason: str


@dataclass(frozen=True)
class Served:
    """What the servers of ``--serve`` say."""

    signed_in: int
    refused: int
    sign_ins: tuple[ServedSignIn, ...]
    refusals: tuple[ServedRefusal, ...]


@dataclass(frozen=True)
class Check:
    """Whether a check passes."""

    check: str
    passes: bool


@dataclass(frozen=True)
class Verdict:
    """What `sspcache exec --format json` says of a run."""

    version: int
    outcome: str
    cached: int
    held: int
    left: int
    suppressed: int
    default_sign_ins: int
    retained: int
    processes: tuple[Process, ...]
    gaps: tuple[str, ...]
    running: tuple[Running, ...]
    running_allowed: tuple[Running, ...]
    hints: tuple[str, ...]
    leaks: Leaks
    misuse: Misuse
    findings: tuple[Finding, ...]
    unused_suppressions: tuple[str, ...]
    checks: tuple[Check, ...]
    journals_kept_in: Optional[str] = None
    policy: Optional[Policy] = None
    served: Optional[Served] = None
    generated_suppressions: Optional[str] = None
    #: The JSON document, with the fields of later versions of the program.
    json: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """Reads a verdict. Raises `ValueError` for another version, and for what is no verdict."""
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("version") != 1:
            raise ValueError("this is no verdict of version 1")
        try:
            return dataclasses.replace(_object(cls, document), json=document)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no verdict: {error}") from None

    @property
    def passes(self) -> bool:
        """Whether every check that was asked for passes."""
        return all(check.passes for check in self.checks)


def _object(cls: type[_T], document: Mapping[str, Any]) -> _T:
    """Makes an object of a class of a JSON object, and leaves out what the class doesn't know."""
    types = get_type_hints(cls)
    known = {name: _value(types[name], value) for name, value in document.items() if name in types}
    return cls(**known)


def _value(wanted: Any, value: Any) -> Any:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Union:
        return None if value is None else _value(arguments[0], value)
    if origin is tuple:
        return tuple(_value(arguments[0], item) for item in value)
    if origin is not None and dataclasses.is_dataclass(arguments[-1]):
        return {name: _value(arguments[-1], item) for name, item in value.items()}
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _object(wanted, value)
    return value
