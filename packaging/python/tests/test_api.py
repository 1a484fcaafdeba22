"""The package, installed from its wheel."""

import ctypes
import json
import subprocess
import sys
import sysconfig
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

import sspcache
from sspcache import _loader

#: The distribution's own example, in this checkout.
ROOT = Path(__file__).parents[3]
SIGN_IN_AND_OUT = ROOT / "crates/sspcache-win32/examples/sign_in_and_out.py"
SCHEMA = json.loads((ROOT / "docs/verdict.schema.json").read_text(encoding="utf-8"))


class Handle(ctypes.Structure):
    _fields_ = [("lower", ctypes.c_size_t), ("upper", ctypes.c_size_t)]


def acquire(dll):
    """Acquires a handle to the default credentials. Returns it and the status."""
    handle, function = Handle(), dll.AcquireCredentialsHandleA
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint32] + [ctypes.c_void_p] * 6
    status = function(None, b"NTLM", 2, None, None, None, None, ctypes.byref(handle), None)
    return handle, status & 0xFFFFFFFF


def alice():
    return sspcache.Config().logon("CONTOSO\\alice", 'cor"rect \\ hörse \x7f')


def test_the_package_is_the_installed_one():
    assert Path(sspcache.__file__).is_relative_to(sysconfig.get_paths()["purelib"])


@pytest.mark.parametrize("command", [["sspcache"], [sys.executable, "-m", "sspcache"]])
def test_the_command_is_the_program(command):
    if len(command) == 1:
        command = [str(Path(sysconfig.get_paths()["scripts"], command[0]))]
    ran = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    from importlib.metadata import version

    assert ran.stdout.split() == ["sspcache", version("sspcache")]
    judged = [*command, "exec", "--expect-clean", "--", sys.executable, str(SIGN_IN_AND_OUT), "--keep"]
    assert subprocess.run(judged, capture_output=True, check=False).returncode == 99


def test_a_run_has_a_verdict_of_objects():
    command = [sys.executable, SIGN_IN_AND_OUT]
    clean = sspcache.run(command, checks=["left"], capture_output=True)
    clean.assert_clean()
    assert (clean.returncode, clean.verdict.outcome, clean.text) == (0, "clean", "")
    assert clean.stdout is not None and "sign-out: TRUE" in clean.stdout

    left = sspcache.run([*command, "--keep"], checks=["left"], capture_output=True)
    assert (left.returncode, left.verdict.outcome, left.verdict.left) == (99, "left", 1)
    (process,) = left.verdict.processes
    (credential,) = process.credentials
    assert (credential.principal, credential.end.how) == ("CONTOSO\\alice", "left")
    with pytest.raises(AssertionError, match=r"left CONTOSO\\alice"):
        left.assert_clean()


def test_a_run_takes_a_configuration_as_an_object_and_as_a_file(tmp_path):
    denies = sspcache.Config().fault("CleanupCredentialCache", "false")
    file = tmp_path / "config.toml"
    file.write_text(denies.toml())
    for config in (denies, file):
        ran = sspcache.run([sys.executable, SIGN_IN_AND_OUT], config, checks=["left"], capture_output=True)
        assert ran.verdict.processes[0].failed_flushes == 1


def test_a_run_that_can_not_be_made_is_an_error_with_its_reason(tmp_path):
    with pytest.raises(sspcache.SspcacheError, match="no-such-command"):
        sspcache.run(["no-such-command"], capture_output=True)
    with pytest.raises(sspcache.SspcacheError, match="line 1, column 1"):
        sspcache.run(["true"], sspcache.Config("nonsense = 1"), capture_output=True)
    with pytest.raises(sspcache.SspcacheError, match="line 1, column 1") as error, sspcache.mock(sspcache.Config("no = 1")):
        pass
    assert "no = 1" not in str(error.value)


def test_a_mock_records_and_judges_what_is_called_in_this_process():
    with sspcache.mock(alice()) as mock:
        handle, status = acquire(mock.dll)
        assert status == 0
        assert [event.name for event in mock.events] == ["started", "acquired"]
        assert mock.events[1].details["principal"] == "CONTOSO\\alice"
        assert (mock.verdict.outcome, mock.verdict.leaks.outcome) == ("incomplete", "incomplete")
        mock.dll.FreeCredentialsHandle(ctypes.byref(handle))
    mock.assert_clean()
    assert mock.verdict.leaks.given_back == 1


def test_each_mock_is_one_of_its_own_with_its_own_configuration():
    for status in (0, 0x80090304, 0):
        with sspcache.mock(alice()) as mock:
            pass
        mock = sspcache.Mock().logon("CONTOSO\\alice", "secret")
        if status:
            mock.fault("AcquireCredentialsHandle", "SEC_E_INTERNAL_ERROR")
        with mock:
            assert acquire(mock.dll)[1] == status
            with pytest.raises(sspcache.SspcacheError, match="configure it before"):
                mock.logon("CONTOSO\\bob", "secret")
        assert mock.verdict.leaks.leaked == (status == 0)
        if status == 0:
            with pytest.raises(AssertionError, match="1 credential handle, never freed"):
                mock.assert_clean()


@pytest.mark.skipif(sys.platform != "linux", reason="Windows finds its own secur32.dll by name; of macOS it isn't known")
def test_a_program_gets_the_mock_by_name_and_is_judged_once_it_has_dropped_it():
    for _ in range(2):
        with sspcache.mock(alice()) as mock:
            acquire(ctypes.CDLL("secur32.dll"))
        assert mock.verdict.leaks.leaked == 1
    with sspcache.mock(alice()) as mock:
        kept = ctypes.CDLL("secur32.dll")
        acquire(kept)
    assert mock.verdict.outcome == "incomplete"
    with pytest.raises(AssertionError, match="still loaded: delete the program's own"):
        mock.assert_clean()
    with pytest.raises(sspcache.SspcacheError, match="would get that one"), sspcache.mock():
        pass
    # It is unloaded once nothing uses it.
    del kept
    with sspcache.mock() as mock:
        pass
    # The other mocks have other names.
    with sspcache.mock(name="MSNSSPC.dll") as other:
        other.dll.CleanupCredentialCache()
    assert "flushed" in [event.name for event in other.events]


def test_where_nothing_is_unloaded_a_mock_ends_all_the_same(monkeypatch):
    # As with musl.
    monkeypatch.setattr(_loader, "UNLOADS", False)
    monkeypatch.setattr(_loader, "unload", lambda dll, path: None)
    for leaks in (False, True):
        with sspcache.mock(alice()) as mock:
            handle, status = acquire(mock.dll)
            assert status == 0
            if not leaks:
                mock.dll.FreeCredentialsHandle(ctypes.byref(handle))
        assert mock.verdict.leaks.leaked == leaks
        assert mock.verdict.passes != leaks


def test_cffi_opens_the_mock_by_its_path():
    cffi = pytest.importorskip("cffi")
    # Another process: the test before has kept secur32.dll.
    script = """if True:
        import cffi, sspcache
        ffi = cffi.FFI()
        ffi.cdef("int CleanupCredentialCache(void);")
        with sspcache.mock(name="MSAPSSPC.dll", checks=["left"]) as mock:
            library = ffi.dlopen(mock.path)
            assert library.CleanupCredentialCache() == 1
            ffi.dlclose(library)
        assert mock.verdict.outcome == "not-exercised", mock.verdict
    """
    assert cffi
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_mock_leaves_the_environment_as_it_was_and_no_file(tmp_path, monkeypatch):
    import gc
    import os
    import tempfile

    monkeypatch.setenv("SSPCACHE_JOURNAL", "somewhere")
    monkeypatch.delenv("SSPCACHE_CONFIG", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mock = sspcache.mock(name="MSAPSSPC.dll").load()
    assert os.environ["SSPCACHE_CONFIG"].startswith(str(tmp_path))
    # It can hold passwords.
    assert os.name == "nt" or os.stat(os.environ["SSPCACHE_CONFIG"]).st_mode & 0o077 == 0
    mock.close()
    assert (os.environ["SSPCACHE_JOURNAL"], os.environ.get("SSPCACHE_CONFIG")) == ("somewhere", None)
    del mock
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_no_password_is_shown():
    assert "correct horse" not in repr(sspcache.Config().account("alice@contoso", "correct horse"))


def of_schema(schema):
    """The fields that an object of the schema has, and whether each is required."""
    return {name: name in schema["required"] for name in schema["properties"]}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (sspcache.Verdict, []),
        (sspcache.Leaks, ["properties", "leaks"]),
        (sspcache.Misuse, ["properties", "misuse"]),
        (sspcache.Check, ["properties", "checks", "items"]),
        (sspcache.GivenBack, ["$defs", "finding", "properties", "given_back"]),
        (sspcache.ServedSignIn, ["$defs", "served_sign_in"]),
        (sspcache.ServedRefusal, ["$defs", "served_refusal"]),
        *[
            (getattr(sspcache, name.title()), ["$defs", name])
            for name in "running moment frame totals credential refusal process finding policy served".split()
        ],
    ],
)
def test_the_objects_have_the_fields_of_the_schema(kind, path):
    schema = SCHEMA
    for step in path:
        schema = schema[step]
    own = {field.name: field.default is MISSING and field.default_factory is MISSING for field in fields(kind)}
    # The document itself, for what later versions add.
    own.pop("json", None)
    assert own == of_schema(schema)


def test_an_end_has_the_fields_of_all_ends():
    ends = SCHEMA["$defs"]["end"]["oneOf"]
    assert {field.name for field in fields(sspcache.End)} == {name for end in ends for name in end["properties"]}


@pytest.mark.parametrize("journal", sorted((ROOT / "fixtures/journal").glob("*/")), ids=lambda path: path.name)
def test_each_recorded_verdict_becomes_objects(journal):
    command = [str(sspcache.program()), "journal", "check", "--check=left,leaks,misuse", "--format", "json"]
    text = subprocess.run([*command, str(journal)], capture_output=True, encoding="utf-8", check=False).stdout
    verdict = sspcache.Verdict.from_json(text)
    assert verdict.outcome == json.loads(text)["outcome"]
    assert len(verdict.checks) == 3
    with pytest.raises(ValueError, match="version 1"):
        sspcache.Verdict.from_json('{"version": 2}')
