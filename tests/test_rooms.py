"""The order of the rooms in CONTRIBUTING.md: an import goes down it, never up, and in no circle."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
# Where `package-dir` of pyproject.toml has the modules.
FOLDERS = {
    "tf_muscle": "tf_muscle",
    "tf_muscle.tuner": "tuner",
    "tf_muscle.roboflow_segmentation": "datasets/roboflow_segmentation",
}
# From the bottom to the top; a room may import from its own line and from those before it.
BASE = (
    *("processor", "errors", "atomic", "encoders", "options", "config"),
    *("tensorflow_log", "command"),
)
FLOORS = (
    BASE,
    ("cluster",),
    ("roboflow",),
    ("runs",),
    ("tracking",),
    ("roboflow_segmentation",),
    ("data",),
    ("model",),
    ("report",),
    ("inspection",),
    ("lab",),
    ("exporting",),
    ("prediction",),
    ("training",),
    ("labelling",),
    ("page",),
    ("__init__",),  # the way in for Python: what users import, and no module here does
    (
        "train",
        "evaluate",
        "predict",
        "compare",
        "inspect",
        "export",
        "demo",
        "reproduce",
        "suggest",
        "review",
        "__main__",
    ),
    ("tuner",),
)
HEIGHT = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str | None:
    """The room of a module by its dotted name; None for other libraries."""
    top, _, rest = module.partition(".")
    if top != "tf_muscle":
        return None
    return rest if rest in HEIGHT else rest.partition(".")[0] or "__init__"


def modules() -> dict[str, Path]:
    found = {}
    for package, folder in FOLDERS.items():
        for path in (CHECKOUT / folder).rglob("*.py"):
            if not path.name.endswith("_test.py"):
                parts = path.relative_to(CHECKOUT / folder).with_suffix("").parts
                found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(module: str, path: Path) -> set[str]:
    """Our own modules that a file imports, wherever in it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            base = node.module if not node.level else f"{above}.{node.module or ''}".rstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                names.add(inner if inner in MODULES else str(base))
    return {name for name in names if name in MODULES}


GRAPH = {module: imported(module, path) for module, path in MODULES.items()}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down(module: str) -> None:
    here = room(module)
    assert here in HEIGHT, f"{module} is in a room that has no place in the order: add it here"
    for name in sorted(GRAPH[module]):
        there = room(name)
        assert there is not None
        assert HEIGHT[there] <= HEIGHT[here], f"{module} imports {name}, which is above it"


def test_no_circle() -> None:
    """Modules that import one another, within a room too."""
    state: dict[str, int] = defaultdict(int)  # 1: being visited, 2: done

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert state[module] != 1, " -> ".join((*way, module))
        if state[module] == 0:
            state[module] = 1
            for name in sorted(GRAPH[module] - {module}):
                visit(name, (*way, module))
            state[module] = 2

    for module in MODULES:
        visit(module, ())
