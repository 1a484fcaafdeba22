"""A program of a user's, which `mypy --strict` checks against the installed package."""

from __future__ import annotations

import sspcache


def findings(command: list[str]) -> list[str]:
    """What a command leaks, in words."""
    ran = sspcache.run(command, sspcache.Config().account("CONTOSO\\alice", "correct horse"))
    return [f"{finding.what} of {finding.principal}: {finding.advice}" for finding in ran.verdict.findings]


def test_signs_in(ssp_mock: sspcache.Mock) -> None:
    same: sspcache.Mock = ssp_mock.logon("CONTOSO\\alice", "correct horse").account("bob", "battery")
    same.fault("AcquireCredentialsHandle", "SEC_E_INTERNAL_ERROR", times=1)
    assert ssp_mock.dll.CleanupCredentialCache() == 1
    first: sspcache.Event = ssp_mock.events[0]
    assert first.name == "started"
