"""docs/internals.md lists what the project touches inside of other libraries, each with a test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| `(\w+)\.([\w.]+)` \| `(\S+)` \| .* \| (.+) \|$", re.MULTILINE)
# The search's have a test of their own, tests/tuner/test_internals.py.
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("tf_muscle", "datasets", "benchmarks", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if not path.name.endswith("_test.py")
)


def rows() -> list[tuple[str, str, str, str]]:
    """Library, member, file and tests of each row."""
    return ROW.findall((ROOT / "docs" / "internals.md").read_text(encoding="utf-8"))


def foreign_privates(source: str) -> Iterator[str]:
    """Private attributes and modules that a file takes from what it does not define."""
    tree = ast.parse(source)
    own = {"_replace"}  # of named tuples, which Python documents
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            own.add(node.name)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            own |= {node.attr} if ast.unparse(node.value) == "self" else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            theirs = node.attr not in own or ast.unparse(node.value) == "super()"
            yield from [node.attr] if theirs else []
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [*module.split("."), *(alias.name for alias in node.names)]
            if module.startswith("tensorflow.python") or any(re.match("_[a-z]", n) for n in names):
                yield names[-1]


def test_privates_are_found() -> None:
    source = """
from tensorflow.python.util import nest
from library._inside import public
class Ours(Theirs):
    def __init__(self): self._own = 1
    def _hook(self): return self._own, super()._hook(), self._theirs, other._deep._deeper
"""
    found = ["nest", "public", "_hook", "_theirs", "_deep", "_deeper"]
    assert sorted(foreign_privates(source)) == sorted(found)


@pytest.mark.parametrize("source", SOURCES)
def test_privates_are_listed(source: str) -> None:
    listed = {member.split(".")[-1] for _, member, where, _ in rows() if where == source}
    assert set(foreign_privates((ROOT / source).read_text(encoding="utf-8"))) <= listed


@pytest.mark.parametrize("row", [row for row in rows() if row[0] != "keras_tuner"])
def test_rows_name_files_and_tests_that_exist(row: tuple[str, str, str, str]) -> None:
    _, member, where, tests = row
    assert member.split(".")[-1] in (ROOT / where).read_text(encoding="utf-8")
    found = re.findall(r"`(\S+\.py)::(\w+)`", tests)
    assert found
    for file, test in found:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")
