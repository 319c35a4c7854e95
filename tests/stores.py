"""Folders in an object store: filled from a disk, and read as `clips.tables` reads one."""

from pathlib import Path

import fsspec

SCHEME = "://"


def put_folder(folder: Path, address: str) -> str:
    """Copies a folder with all that is in it, and gives its address."""
    store = fsspec.filesystem(address.partition(SCHEME)[0])
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            store.pipe_file(f"{address}/{name}", path.read_bytes())
    return address


def on_disk(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its name from there on."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stored(address: str) -> dict[str, bytes]:
    """Every file below an address, by its name from there on."""
    scheme, _, beginning = address.partition(SCHEME)
    store = fsspec.filesystem(scheme, use_listings_cache=False)
    paths = {path: path.lstrip("/").removeprefix(f"{beginning}/") for path in store.find(address)}
    return {name: store.cat_file(path) for path, name in paths.items()}


def without_films(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.endswith(".mp4")}


def named_locally(files: dict[str, bytes], address: str, folder: str) -> dict[str, bytes]:
    """The files with the folder in place of the address in their tables."""
    return {
        name: content.replace(address.encode(), folder.encode())
        if name.endswith(".csv")
        else content
        for name, content in files.items()
    }
