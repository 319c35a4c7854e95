"""Zips of exports, with a few things changed in their members or in their bytes."""

import io
import stat
import struct
import zipfile

from hostile_bytes import CONTROL, PATHS, damaged, names
from hostile_exports import exports, valid_files
from hypothesis import strategies as st


def zipped(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """A zip of these members, whatever their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for info, content in members:
            archive.writestr(info, content)
    return file.getvalue()


def member(
    name: str, packing: int = zipfile.ZIP_DEFLATED, mode: int = stat.S_IFREG
) -> zipfile.ZipInfo:
    """The entry of a member."""
    info = zipfile.ZipInfo("x")
    info.filename = name  # not changed, as the constructor would
    info.compress_type = packing
    info.external_attr = (mode | 0o644) << 16
    return info


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    """A zip with one to three things changed."""
    kind = draw(st.sampled_from(["masks", "coco"]))
    files = draw(exports()).files if draw(st.integers(0, 3)) == 0 else valid_files(kind)
    prefix = draw(st.sampled_from(["", "muscles/", "筋肉/", "train/"]))
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
    if draw(st.integers(0, 7)) == 0:
        methods = [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    packing = draw(st.sampled_from(methods))
    members = [(member(prefix + _sane(name), packing), content) for name, content in files.items()]
    change = draw(st.integers(0, 8))
    if change == 0:
        path = draw(st.sampled_from(PATHS) | names)
        members.append((member(_sane(prefix * draw(st.integers(0, 1)) + path), packing), b"evil"))
    elif change == 1:
        target = draw(st.sampled_from([b"/etc/passwd", b"../../a", b"b.png"]))
        kinds = [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR]
        mode = draw(st.sampled_from(kinds))
        members.append((member("train/b.png", packing, mode), target))
    elif change == 2:
        members.append(draw(st.sampled_from(members)))
    elif change == 3:
        size = draw(st.sampled_from([1_000_000, 30_000_000]))
        members.append((member("train/_bomb.bin", packing), bytes(size)))
    elif change == 4:
        members += [(member(f"train/{i}.txt", packing), b"") for i in range(3_000)]
    elif change == 5:
        inner = zipped(members)
        members.append((member("train/inner.zip", packing), inner))
    elif change == 6:
        members.append((member(draw(st.sampled_from(CONTROL)) + ".jpg", packing), b"x"))
    content = zipped(members)
    if change == 7:
        # A number in the first entries: flags, method, checksum, sizes, lengths of the name.
        signature, offsets = draw(
            st.sampled_from([(b"PK\1\2", range(8, 46)), (b"PK\3\4", range(6, 30))])
        )
        place = content.index(signature) + draw(st.sampled_from(offsets))
        number = draw(st.sampled_from([0, 1, 9, 0x7F, 0xFF, 0xFFFF, 0xFFFFFFFF]))
        packed = struct.pack("<I", number)[: draw(st.integers(1, 4))]
        content = content[:place] + packed + content[place + len(packed) :]
    elif change == 8:
        content = draw(damaged(content))
    return content


def _sane(name: str) -> str:
    """Without what zipfile does not write: half surrogates, and more bytes than its field holds."""
    return name.encode("utf-8", "replace").decode()[:20_000]
