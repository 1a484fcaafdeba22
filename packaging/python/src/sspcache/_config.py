"""Configurations of the mocks, as objects: their keys are those of docs/config.md."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Optional, TypeVar, Union

#: Python's own name for it, `typing.Self`, came with 3.11.
_Self = TypeVar("_Self", bound="Configurable")


def _toml(value: Union[str, int, bool]) -> str:
    """Returns a value as TOML has it. JSON's strings are TOML's, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _names(name: str) -> dict[str, str]:
    """Returns the keys of a principal, ``DOMAIN\\user`` or ``user@realm``."""
    domain, backslash, user = name.partition("\\")
    return {"user": user, "domain": domain} if backslash else {"user": name}


class Configurable(ABC):
    """What takes accounts, default credentials and faults: a configuration, or a mock that has one.

    Each method returns the object, so that calls can follow each other.
    """

    @abstractmethod
    def _add(self, table: str, keys: dict[str, Union[str, int, bool]]) -> None:
        """Adds a table of an array of tables."""

    def account(self: _Self, name: str, password: str) -> _Self:
        """Adds an account that acceptors verify sign-ins against: ``DOMAIN\\user`` or ``user@realm``."""
        self._add("account", {**_names(name), "password": password})
        return self

    def logon(self: _Self, name: str, password: str) -> _Self:
        """Adds default credentials: a sign-in that passes none takes these."""
        self._add("logon", {**_names(name), "password": password})
        return self

    def fault(
        self: _Self,
        operation: str,
        effect: str,
        *,
        times: Optional[int] = None,
        after: Optional[int] = None,
        delay_ms: Optional[int] = None,
        module: Optional[str] = None,
    ) -> _Self:
        """Makes calls of a function fail: ``fault("CleanupCredentialCache", "false", times=1)``.

        ``effect`` is ``false``, ``delay``, ``panic``, ``missing`` or a status such as ``SEC_E_INTERNAL_ERROR``.
        The first ``after`` calls pass, then ``times`` fail; without it, all.
        """
        given = {"times": times, "after": after, "delay-ms": delay_ms, "module": module}
        keys: dict[str, Union[str, int, bool]] = {"operation": operation, "effect": effect}
        self._add("fault", {**keys, **{key: value for key, value in given.items() if value is not None}})
        return self


class Config(Configurable):
    """A configuration of the mocks: accounts, default credentials, faults, and any other key as TOML text."""

    def __init__(self, text: str = "") -> None:
        """Begins with TOML text: ``sspcache config keys`` lists every key."""
        self._parts = [text] if text else []

    def __repr__(self) -> str:
        """Shows no password."""
        return f"<sspcache.Config of {len(self._parts)} parts>"

    def _add(self, table: str, keys: dict[str, Union[str, int, bool]]) -> None:
        lines = [f"{key} = {_toml(value)}" for key, value in keys.items()]
        self._parts.append("\n".join([f"[[{table}]]", *lines]))

    def toml(self) -> str:
        """Returns the text of the configuration, with its passwords."""
        return "\n\n".join([*self._parts, ""])
