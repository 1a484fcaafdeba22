"""The tag of a wheel says where it runs: pip chooses by it."""

import importlib.util
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
pytest.importorskip("hatchling")
spec = importlib.util.spec_from_file_location("hatch_build", HERE / "hatch_build.py")
assert spec is not None and spec.loader is not None
hatch_build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hatch_build)


@pytest.fixture
def file(tmp_path):
    """Makes a file that needs a version of glibc."""

    def make(version):
        path = tmp_path / version
        path.write_bytes(b"\x7fELF...GLIBC_2.2.5\0GLIBC_" + version.encode() + b"\0")
        return path

    return make


def test_each_target_of_a_release_has_a_tag(file):
    source = (HERE.parents[1] / "crates/xtask/src/dist.rs").read_text(encoding="utf-8")
    targets = re.findall(r'"((?:x86_64|i686|aarch64)-[a-z0-9-]+)"', source)
    tags = {target: hatch_build.platform(target, [file("2.17")]) for target in targets}
    assert tags == {
        "aarch64-apple-darwin": "macosx_11_0_arm64",
        "aarch64-pc-windows-gnullvm": "win_arm64",
        "aarch64-unknown-linux-gnu": "manylinux2014_aarch64.manylinux_2_17_aarch64",
        "aarch64-unknown-linux-musl": "musllinux_1_1_aarch64",
        "i686-pc-windows-gnullvm": "win32",
        "x86_64-apple-darwin": "macosx_11_0_x86_64",
        "x86_64-pc-windows-gnullvm": "win_amd64",
        "x86_64-unknown-linux-gnu": "manylinux2014_x86_64.manylinux_2_17_x86_64",
        "x86_64-unknown-linux-musl": "musllinux_1_1_x86_64",
    }


def test_a_tag_promises_no_older_c_library_than_the_files_need(file):
    files = [file("2.17"), file("2.34"), file("2.4")]
    assert hatch_build.platform("x86_64-unknown-linux-gnu", files) == "manylinux_2_34_x86_64"
    with pytest.raises(SystemExit, match="riscv64"):
        hatch_build.platform("riscv64gc-unknown-linux-gnu", files)
