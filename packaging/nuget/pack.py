"""Packs the mocks of each target for P/Invoke, or checks such a package by reading it.

    pack.py PACKAGE VERSION FOLDER…      writes it; each folder is dist/<TRIPLE>
    pack.py --check PACKAGE VERSION FOLDER…

A package is a zip archive as the Open Packaging Conventions have it, which NuGet's own tool, not needed here, writes as well.
.NET chooses the folder of `runtimes/` by the runtime's identifier.

References: https://learn.microsoft.com/en-us/nuget/create-packages/native-files-in-net-packages,
https://learn.microsoft.com/en-us/dotnet/core/rid-catalog
"""

import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
RIDS = {
    "x86_64-unknown-linux-gnu": "linux-x64",
    "aarch64-unknown-linux-gnu": "linux-arm64",
    "x86_64-unknown-linux-musl": "linux-musl-x64",
    "aarch64-unknown-linux-musl": "linux-musl-arm64",
    "x86_64-apple-darwin": "osx-x64",
    "aarch64-apple-darwin": "osx-arm64",
    "x86_64-pc-windows-gnullvm": "win-x64",
    "i686-pc-windows-gnullvm": "win-x86",
    "aarch64-pc-windows-gnullvm": "win-arm64",
}
MOCKS = ("secur32.dll", "MSNSSPC.dll", "MSAPSSPC.dll")

CONTENT_TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml" />
  <Default Extension="nuspec" ContentType="application/octet" />
  <Default Extension="dll" ContentType="application/octet" />
  <Default Extension="md" ContentType="application/octet" />
  <Override PartName="/lib/netstandard2.0/_._" ContentType="application/octet" />
  <Override PartName="/LICENSE-APACHE" ContentType="application/octet" />
  <Override PartName="/LICENSE-MIT" ContentType="application/octet" />
</Types>
"""
RELATIONSHIPS = """<?xml version="1.0" encoding="utf-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
  <Relationship Type="http://schemas.microsoft.com/packaging/2010/07/manifest" Target="/sspcache.nuspec" Id="R1" />
</Relationships>
"""


def files(version, folders):
    """The contents of each part, by its name. The manifest's relationship comes first."""
    parts = {
        "[Content_Types].xml": CONTENT_TYPES.encode(),
        "_rels/.rels": RELATIONSHIPS.encode(),
        "sspcache.nuspec": (HERE / "sspcache.nuspec").read_text(encoding="utf-8").replace("@VERSION@", version).encode(),
        "README.md": (HERE / "README.md").read_bytes(),
        # A package for each framework, which brings no assembly.
        "lib/netstandard2.0/_._": b"",
    }
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        parts[name] = (HERE.parents[1] / name).read_bytes()
    for folder in sorted(folders):
        rid = RIDS[folder.name]
        # On Windows sspicli.dll forwards to secur32.dll.
        for name in MOCKS + ("sspicli.dll",) * rid.startswith("win-"):
            parts[f"runtimes/{rid}/native/{name}"] = (folder / name).read_bytes()
    return parts


def write(package, parts):
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, contents in parts.items():
            # The same files give the same package.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, contents)


def check(package, version, folders):
    """Reads a package as NuGet does: by its relationships, content types and manifest."""
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    (relationship,) = ElementTree.fromstring(found["_rels/.rels"])
    assert relationship.get("Type").endswith("/packaging/2010/07/manifest")
    manifest = ElementTree.fromstring(found[relationship.get("Target").lstrip("/")])
    space = {"n": "http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd"}
    values = {key: manifest.findtext(f"n:metadata/n:{key}", None, space) for key in ("id", "version", "readme")}
    assert values == {"id": "sspcache", "version": version, "readme": "README.md"}, values
    types = ElementTree.fromstring(found["[Content_Types].xml"])
    known = {f".{it.get('Extension')}" for it in types if it.get("Extension")}
    named = {it.get("PartName").lstrip("/") for it in types if it.get("PartName")}
    for name in found.keys() - {"[Content_Types].xml", "_rels/.rels"}:
        assert Path(name).suffix in known or name in named, f"{name} has no content type"
    begin = {"linux": b"\x7fELF", "osx": b"\xcf\xfa\xed\xfe", "win": b"MZ"}
    for folder in folders:
        rid = RIDS[folder.name]
        for name in MOCKS:
            contents = found[f"runtimes/{rid}/native/{name}"]
            assert contents.startswith(begin[rid.split("-")[0]]), f"{name} isn't for {rid}"
    rids = {name.split("/")[1] for name in found if name.startswith("runtimes/")}
    assert rids == {RIDS[folder.name] for folder in folders}, rids
    print(f"{package}: {len(found)} parts, for {', '.join(sorted(rids))}")


def main(arguments):
    reads = arguments[0] == "--check"
    package, version, *folders = arguments[reads:]
    folders = [Path(folder) for folder in folders]
    if reads:
        check(package, version, folders)
    else:
        write(package, files(version, folders))


main(sys.argv[1:])
