"""Packs a folder into an archive, whose name ends with .tar.gz or .zip: the same files give the same bytes.

    archive.py FOLDER ARCHIVE

In the archive everything lies in one folder of the archive's own name.
"""

import gzip
import sys
import tarfile
import zipfile
from pathlib import Path


def tar(folder, archive, top):
    def plain(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        # Programs, and folders, are for everyone.
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with open(archive, "wb") as out, gzip.GzipFile("", "wb", 6, out, 0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as entries:
            for path in [folder, *sorted(folder.rglob("*"))]:
                name = Path(top, path.relative_to(folder)).as_posix()
                entries.add(path, name, recursive=False, filter=plain)


def zip_archive(folder, archive, top):
    with zipfile.ZipFile(archive, "w") as entries:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(Path(top, path.relative_to(folder)).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o755 << 16
            entries.writestr(entry, path.read_bytes(), compresslevel=6)


def main(folder, archive):
    for ending, pack in ((".tar.gz", tar), (".zip", zip_archive)):
        if archive.name.endswith(ending):
            return pack(folder, archive, archive.name[: -len(ending)])
    raise SystemExit(f"{archive} names no kind of archive that is known")


main(Path(sys.argv[1]), Path(sys.argv[2]))
