"""Damage to any file, and names and texts that programs stumble over."""

from hypothesis import strategies as st

CONTROL = "a\nerror: b", "a\rb", "a\tb", "a\x1b[2Jb", "a\x7fb", "a\u202eb", "a\u2028b", "a\x85b"
NAMES = (
    *("a b", " a", "a.", "-rf", "--data", "~", "~root", "$HOME", "$\\frac$", "%s", "{0}", "[/red]"),
    *("a;b", "a'b", 'a"b', "a,b", "a<b>", "*", "?", "[a", "COM1", "CON", "NUL", ".rf.", "a.rf.b"),
    *("über", "u\u0308ber", "ß", "İ", "筋肉", "עברית", "💪🏽", "\ufeffa", "a\u200bb", "\udcff"),
    *("_mask", "a_mask", "_classes.csv", "a" * 200, "a" * 250, "筋" * 80, *CONTROL),
)
PATHS = (
    *("..", ".", "../a", "../../a", "train/../../a", "/a", "/etc/passwd", "//a", "C:a", "C:\\a"),
    *("..\\a", "\\\\server\\a", "train\\a", "train/./a", "train//a", "train/a/b/c", "a" * 5000),
    *("train", "train/_classes.csv/a", "", "/", "a/", "train/" + "b/" * 300 + "c", "a\0b"),
)

names = st.sampled_from(NAMES) | st.text(min_size=1, max_size=20)
texts = st.sampled_from([*NAMES, *PATHS, "", " ", "\0", "\ud800"]) | st.text(max_size=40)
file_names = names.filter(lambda name: _is_file_name(name))


def _is_file_name(name: str) -> bool:
    """Whether Linux takes it with a suffix behind it."""
    try:
        length = len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return False
    return length < 246 and not {"/", "\0"} & set(name) and name not in (".", "..")


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file after a few accidents: cut off, bytes changed, lost, doubled, or none of it left."""
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["cut", "flip", "number", "lose", "double", "insert", "other"]))
        start = draw(st.integers(0, max(0, len(content) - 1)))
        stop = min(len(content), start + draw(st.integers(0, 40)))
        if kind == "cut":
            content = content[:start]
        elif kind == "flip":
            content = content[:start] + draw(st.binary(max_size=4)) + content[start + 4 :]
        elif kind == "number":
            number = draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF]))
            order = draw(st.sampled_from(["big", "little"]))
            content = content[:start] + number.to_bytes(4, order) + content[start + 4 :]
        elif kind == "lose":
            content = content[:start] + content[stop:]
        elif kind == "double":
            content = (
                content[:stop] + content[start:stop] * draw(st.integers(1, 50)) + content[stop:]
            )
        elif kind == "insert":
            content = content[:start] + draw(st.binary(max_size=40)) + content[start:]
        else:
            content = draw(st.binary(max_size=200))
    return content
