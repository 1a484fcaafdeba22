"""The pytest plugin, in sessions of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

#: Signs in through sspilib, whose wheel for Linux brings another SSPI library. Nothing in it knows of sspcache.
SSPILIB = """
import ctypes

import sspilib

KEPT = []


def sign_in():
    credential = sspilib.UserCredential("CONTOSO\\\\alice", "correct horse")
    context = sspilib.ClientSecurityContext(credential, target_name="HOST/server")
    assert context.step()
    return context, credential


def test_frees_what_it_has():
    sign_in()


def test_keeps_it():
    KEPT.append(sign_in())
    # No cycle of Python's own: what a C extension does that forgets a reference.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(KEPT))
"""


def session(folder, *arguments, **environment):
    """Runs pytest in a folder."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    # This session may be judged itself.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SSPCACHE", "PYTEST"))}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**kept, **environment}, check=False
    )


@pytest.fixture
def sspilib(tmp_path):
    """A folder with two tests, one of which leaks."""
    if sys.platform != "linux":
        pytest.skip("only Linux preloads the mock in place of the library of sspilib's wheel")
    (tmp_path / "test_sspilib.py").write_text(SSPILIB)
    return tmp_path


def test_a_judged_session_finds_the_leaks_of_an_unmodified_test(sspilib):
    ran = session(sspilib, "--sspcache")
    assert ran.returncode == 99, ran.stdout + ran.stderr
    summary = ran.stdout[ran.stdout.index("2 passed") :]
    assert re.search(r"=+ sspcache =+\n", summary), ran.stdout
    assert "1 credential handle, never freed" in summary and "1 half-open context, never deleted" in summary
    assert re.search(r"=+ sspcache: a check failed =+\n$", summary), ran.stdout


def test_a_judged_session_without_a_leak_passes(sspilib):
    ran = session(sspilib, "--sspcache", "-k", "frees")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"1 passed.*=+ sspcache =+\n.*sspcache: every check passes", ran.stdout, re.DOTALL), ran.stdout


def test_a_judged_session_that_fails_has_its_own_status(sspilib):
    (sspilib / "test_fails.py").write_text("def test_fails():\n    assert False\n")
    ran = session(sspilib, "--sspcache")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "sspcache: the session ended with 1" in ran.stdout


def test_the_checks_and_options_of_exec_can_be_chosen(sspilib):
    (sspilib / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    unused = session(sspilib, "--sspcache", "test_nothing.py")
    assert (unused.returncode, "not exercised: no process used a mock" in unused.stdout) == (99, True), unused.stdout
    allowed = session(sspilib, "--sspcache", "--sspcache-arg=--allow-unused", "test_nothing.py")
    assert allowed.returncode == 0, allowed.stdout
    chosen = session(sspilib, "--sspcache", "--sspcache-check=misuse")
    assert chosen.returncode == 0, chosen.stdout


def test_a_session_is_not_judged_unless_that_was_asked_for(sspilib):
    ran = session(sspilib, "-k", "nothing_of_this_name")
    assert (ran.returncode, "= sspcache" in ran.stdout) == (5, False)
    collected = session(sspilib, "--sspcache", "--collect-only")
    assert (collected.returncode, "= sspcache" in collected.stdout) == (0, False), collected.stdout


def examples():
    """The examples of the page, by their file names."""
    page = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- example: (\S+) -->\n```python\n(.*?)```", page, re.DOTALL))


def test_the_examples_of_the_page_run_as_tests(tmp_path):
    (tmp_path / "test_client.py").write_text(examples()["test_client.py"], encoding="utf-8")
    # A session that is judged has mocks of its own.
    for options in ([], ["--sspcache", "--sspcache-arg=--allow-unused"]):
        ran = session(tmp_path, *options)
        assert ran.returncode == 0, ran.stdout
        assert "2 passed" in ran.stdout


def test_the_example_of_the_page_judges_a_client(sspilib):
    for leaks, client in ((False, "frees_what_it_has"), (True, "keeps_it")):
        (sspilib / "client.py").write_text(f"import test_sspilib\ntest_sspilib.test_{client}()\n")
        (sspilib / "judge.py").write_text(examples()["judge.py"], encoding="utf-8")
        # `python` is the one of this environment.
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        ran = subprocess.run(
            ["python", "judge.py"], cwd=sspilib, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
        )
        if leaks:
            assert "context CONTOSO\\alice Call DeleteSecurityContext" in ran.stdout, ran.stdout + ran.stderr
            assert "AssertionError: exit status 99" in ran.stderr
        else:
            assert (ran.returncode, ran.stdout) == (0, "not-exercised\n"), ran.stdout + ran.stderr


def test_the_fixture_fails_a_test_that_leaks(tmp_path):
    leaks = """
from ctypes import c_char_p, c_size_t, c_uint32, c_void_p

def test_leaks(ssp_mock):
    ssp_mock.logon("CONTOSO\\\\alice", "correct horse")
    acquire = ssp_mock.dll.AcquireCredentialsHandleA
    acquire.argtypes = [c_char_p, c_char_p, c_uint32] + [c_void_p] * 6
    assert acquire(None, b"NTLM", 2, None, None, None, None, (c_size_t * 2)(), None) == 0
    ssp_mock.assert_clean()
"""
    (tmp_path / "test_leaks.py").write_text(leaks)
    ran = session(tmp_path)
    assert (ran.returncode, "1 credential handle, never freed" in ran.stdout) == (1, True), ran.stdout
    assert "correct horse" not in ran.stdout.replace('"correct horse"', "")
