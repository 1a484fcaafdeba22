"""Adds the program and the mocks of one system to the wheel, and tags the wheel with the platform that they run on.

SSPCACHE_DIST names the folder of the target that `cargo xtask dist` has made, dist/<TRIPLE>.

Reference: https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLATFORMS = {
    "x86_64-unknown-linux-musl": "musllinux_1_1_x86_64",
    "aarch64-unknown-linux-musl": "musllinux_1_1_aarch64",
    "x86_64-apple-darwin": "macosx_11_0_x86_64",
    "aarch64-apple-darwin": "macosx_11_0_arm64",
    "i686-pc-windows": "win32",
    "x86_64-pc-windows": "win_amd64",
    "aarch64-pc-windows": "win_arm64",
}

# What is for C and C++ alone. Names in lower case or with another ending are links, which `sspcache exec` makes as well.
MOCKS = ("MSNSSPC.dll", "MSAPSSPC.dll", "secur32.dll")


def platform(triple: str, files: "list[Path]") -> str:
    """Returns the platform tag of files built for a target."""
    for target, tag in PLATFORMS.items():
        if triple.startswith(target):
            return tag
    match = re.fullmatch(r"(x86_64|aarch64)-unknown-linux-gnu", triple)
    if match is None:
        raise SystemExit(f"no platform tag of wheels is known for {triple}")
    # The newest version of glibc that a file needs decides. No tag promises less than 2.17, which is manylinux2014.
    versions = [int(minor) for file in files for minor in re.findall(rb"GLIBC_2\.(\d+)", file.read_bytes())]
    newest, machine = max([17, *versions]), match[1]
    tag = f"manylinux_2_{newest}_{machine}"
    return f"manylinux2014_{machine}.{tag}" if newest == 17 else tag


class CustomBuildHook(BuildHookInterface):
    """The hook that pyproject.toml names."""

    bills = None

    def initialize(self, version: str, build_data: dict) -> None:
        """Adds the files."""
        if version == "editable":
            return
        folder = Path(os.environ.get("SSPCACHE_DIST") or "")
        if not os.environ.get("SSPCACHE_DIST") or not folder.is_dir():
            raise SystemExit("SSPCACHE_DIST has to name a folder that `cargo xtask dist` has made")
        is_windows = "-windows-" in folder.name
        program = folder / ("sspcache.exe" if is_windows else "sspcache")
        native = [program, *(folder / name for name in MOCKS)]
        files = native + [folder / "sspicli.dll"] * is_windows
        # On Windows, where users copy those for 32-bit programs. On Unix the program carries those for Windows programs.
        for other in ("x86", "wine"):
            files += sorted(file for file in (folder / other).rglob("*") if file.is_file())
        for file in files:
            build_data["force_include"][str(file)] = f"sspcache/dist/{file.relative_to(folder).as_posix()}"
        self.bills = tempfile.TemporaryDirectory()
        sbom = folder / "sbom"
        # Also those of what the program carries, but not of the libraries for C.
        for bill in sorted(bill for bill in sbom.rglob("*.cdx.json") if not bill.name.startswith("lib")):
            # They lie in one folder of the wheel: https://peps.python.org/pep-0770/
            name = bill.relative_to(sbom).as_posix().replace("/", "-")
            build_data["sbom_files"].append(str(shutil.copyfile(bill, Path(self.bills.name, name))))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform(folder.name, native)}"

    def finalize(self, version: str, build_data: dict, artifact_path: str) -> None:
        """Deletes what was copied."""
        if self.bills is not None:
            self.bills.cleanup()
