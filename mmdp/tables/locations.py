"""Where tables lie: a path, a folder, a pattern, or a URI of an object store, as the list of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmdp.exceptions import DataFileError, MissingDependencyError
from mmdp.tables.arrow import arrow

_PACKED = (".gz", ".bz2", ".zst", ".lz4")
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Location:
    """Files of one table, in alphabetical order, on a filesystem of pyarrow.

    Parameters
    ----------
    name : str
        As the user wrote it, for messages.
    files : tuple of str
        Paths on the filesystem.
    filesystem : pyarrow.fs.FileSystem
    root : str
        The folder that the files were found in; the file itself where there is only one.
    """

    name: str
    files: tuple[str, ...]
    filesystem: Any
    root: str

    def open_stream(self, file: str) -> Any:
        """Bytes from the beginning, unpacked where the suffix says that they are packed."""
        return self.filesystem.open_input_stream(file)

    def open_file(self, file: str) -> Any:
        """Bytes from anywhere."""
        return self.filesystem.open_input_file(file)

    def says(self, file: str) -> str:
        """How messages name one of the files."""
        return self.name if len(self.files) == 1 else file


def suffix_of(path: str) -> str:
    """The suffix that tells the format: that of ``a.csv.gz`` is ``.csv``."""
    pure = PurePosixPath(path)
    return (PurePosixPath(pure.stem).suffix if pure.suffix.lower() in _PACKED else pure.suffix).lower()


def is_remote(path: str | Path) -> bool:
    """Whether it is a URI rather than a path."""
    return "://" in str(path)


def locate(path: str | Path) -> Location:
    """Find the files of a table.

    Raises
    ------
    DataFileError
        If there are none.
    """
    name = str(path)
    filesystem, place = _filesystem(name)
    fs = arrow("pyarrow.fs", name)
    if filesystem.get_file_info(place).type == fs.FileType.File:
        return Location(name, (place,), filesystem, place)
    match = _PATTERN.search(place)
    root = place if match is None else place[: match.start()].rpartition("/")[0] or "."
    try:
        found = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
    except OSError as error:
        raise DataFileError(f"{name}: no such file or folder") from error
    files = sorted(info.path for info in found if info.type == fs.FileType.File and _is_data(info.path, root))
    if match is not None:
        files = [file for file in files if PurePosixPath(file).match(place)]
    if not files:
        raise DataFileError(f"{name}: {'no file matches' if match else 'the folder holds no files'}")
    return Location(name, tuple(files), filesystem, root)


def _filesystem(name: str) -> tuple[Any, str]:
    fs = arrow("pyarrow.fs", name)
    if not is_remote(name):
        return fs.LocalFileSystem(), Path(name).as_posix()
    try:
        filesystem, place = fs.FileSystem.from_uri(name)
    except (arrow("pyarrow.lib").ArrowException, OSError) as unknown:
        filesystem, place = _by_fsspec(name, unknown)
    return filesystem, str(place)


def _by_fsspec(name: str, unknown: Exception) -> tuple[Any, str]:
    """Filesystems that pyarrow does not know itself."""
    try:
        import fsspec
    except ModuleNotFoundError as error:
        scheme = name.partition("://")[0]
        raise MissingDependencyError(f"{name}: {scheme}:// needs fsspec: pip install fsspec") from error
    try:
        opened, place = fsspec.core.url_to_fs(name)
    except (ImportError, ValueError) as error:
        raise DataFileError(f"{name}: cannot be reached ({unknown}; {error})") from error
    return arrow("pyarrow.fs").PyFileSystem(arrow("pyarrow.fs").FSSpecHandler(opened)), str(place)


def _is_data(path: str, root: str) -> bool:
    """Whether a file in a folder is a part of the table: not one of the notes that writers leave beside it."""
    inside = PurePosixPath(path).relative_to(root).parts if root != "." else PurePosixPath(path).parts
    return not any(part.startswith(("_", ".")) for part in inside)
