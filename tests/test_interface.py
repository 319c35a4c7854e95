"""What `import tf_muscle` offers, and that everything shown to users keeps to it."""

import ast
import doctest
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interface_exceptions import EXCEPTIONS
from PIL import Image

import tf_muscle
from tf_muscle.errors import UserError
from tf_muscle.prediction.frames import Frame, VideoWriter

ROOT = Path(__file__).parents[1]
NAMES = (
    *("read_export", "inspect_export", "Config", "train"),
    *("evaluate", "compare", "load_predictor", "predict_video", "export"),
)
# Functions with a command's module of the same name; compare's is about videos, not about runs.
COMMANDS = ("train", "evaluate", "export", "compare")


def shown_code() -> Iterator[tuple[str, str]]:
    """Python that users are shown: name of the file, source."""
    for folder in ("benchmarks", "examples"):
        for path in sorted((ROOT / folder).glob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        yield path.relative_to(ROOT).as_posix(), "\n".join(code)
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        blocks = path.read_text(encoding="utf-8").split("```python\n")[1:]
        code = [block.split("```")[0] for block in blocks]
        yield path.relative_to(ROOT).as_posix(), "\n".join(code)


def inner_names(source: str) -> set[str]:
    """What a source takes from inside the package: modules, and names that are not offered."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.startswith("tf_muscle.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "tf_muscle":
            found |= {f"tf_muscle.{name.name}" for name in node.names if name.name not in NAMES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tf_muscle."):
            found.add(str(node.module))
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "tf_muscle"
            and node.attr not in NAMES
        ):
            found.add(f"tf_muscle.{node.attr}")
    return found


def test_what_users_are_shown_keeps_to_the_interface() -> None:
    assert {
        file: names for file, source in shown_code() if (names := inner_names(source))
    } == EXCEPTIONS
    assert sum("tf_muscle" in source for _, source in shown_code()) > len(EXCEPTIONS)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import tf_muscle\ntf_muscle.train(tf_muscle.Config())", set()),
        ("from tf_muscle import read_export", set()),
        ("def f():\n    import tf_muscle.config as c", {"tf_muscle.config"}),
        ("from tf_muscle.model import unet", {"tf_muscle.model"}),
        ("from tf_muscle import model", {"tf_muscle.model"}),
        ("import tf_muscle\ntf_muscle.model.unet", {"tf_muscle.model"}),
    ],
)
def test_names_from_inside_are_found(source: str, found: set[str]) -> None:
    assert inner_names(source) == found


def test_import_takes_next_to_nothing() -> None:
    script = (
        "import sys; import tf_muscle\n"
        "print([name for name in sys.modules if name.startswith('tf_muscle.')])\n"
        "print([name for name in ('numpy', 'tensorflow', 'keras', 'PIL') if name in sys.modules])\n"
        "tf_muscle.read_export, tf_muscle.Config\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["['tf_muscle.processor']", "[]", "[]"], done.stderr


def test_names_are_offered() -> None:
    assert sorted(NAMES) == sorted(tf_muscle.__all__)
    assert set(NAMES) <= set(dir(tf_muscle))
    with pytest.raises(AttributeError, match="'tf_muscle' has no attribute 'tran'"):
        _ = tf_muscle.tran
    with pytest.raises(ImportError, match="tran"):
        from tf_muscle import tran  # noqa: F401


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("module_first", [True, False])
def test_a_commands_module_does_not_hide_the_function(
    name: str, module_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"tf_muscle.{name}", raising=False)
    vars(tf_muscle).pop(name, None)
    if not module_first:
        assert callable(getattr(tf_muscle, name))
    module = importlib.import_module(f"tf_muscle.{name}")
    assert module is sys.modules[f"tf_muscle.{name}"]
    function = getattr(tf_muscle, name)
    assert function.__name__ == name
    assert function.__module__ == tf_muscle._MODULES[name]
    namespace: dict[str, object] = {}
    exec(
        f"import tf_muscle.{name}, tf_muscle\nfrom tf_muscle.{name} import main\n"
        f"from tf_muscle import {name} as imported\nfound = tf_muscle.{name}",
        namespace,
    )
    assert namespace["main"] is module.main
    assert namespace["imported"] is namespace["found"] is function


def test_a_command_still_runs_as_a_module() -> None:
    """`python -m tf_muscle.evaluate` imports the package first, whose attribute is the function."""
    for name in COMMANDS:
        command = [sys.executable, "-m", f"tf_muscle.{name}", "--nonsense"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert "--nonsense" in done.stderr


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="learning_rat is no option; learning_rate is one"):
        tf_muscle.Config.of(learning_rat=0.1)
    with pytest.raises(UserError, match="--epochs must be at least 1, got 0"):
        tf_muscle.Config.of(epochs=0)
    assert tf_muscle.Config.of() == tf_muscle.Config()
    assert tf_muscle.Config.of(**tf_muscle.Config.of(crop=64).flat()).augment.crop == 64


def test_a_zip_stays_unpacked_until_python_ends(small_export: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "muscles"), "zip", small_export)
    script = (
        "import sys, tf_muscle\n"
        "examples = tf_muscle.read_export(sys.argv[1]).splits['test']\n"
        "assert all(one.image_path.is_file() and one.mask.is_file() for one in examples)\n"
        "print(examples[0].image_path.parents[2])"
    )
    done = subprocess.run([sys.executable, "-c", script, archive], capture_output=True, text=True)
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("tf_muscle_"), done.stderr
    assert not folder.exists()


class Checker(doctest.OutputChecker):
    """Compares what an example shows; one that shows nothing may print, as training does."""

    def check_output(self, want: str, got: str, flags: int) -> bool:
        return not want or super().check_output(want, got, flags)


@pytest.fixture
def place(small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples name: muscles.zip, photo.jpg, curl.mp4."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path / "tfds"))
    shutil.make_archive("muscles", "zip", small_export)
    shutil.copy(next((small_export / "test").glob("*.jpg")), "photo.jpg")
    writer = VideoWriter(Path("curl.mp4"), Fraction(10))
    image = np.asarray(Image.open("photo.jpg"))
    for i in range(4):
        writer.add(Frame(i / 10, image))
    writer.close()
    return tmp_path


def test_every_example_in_a_docstring_runs(place: Path) -> None:
    """In the order in which a user needs them; `train` makes the run that the others load."""
    runner = doctest.DocTestRunner(Checker(), optionflags=doctest.NORMALIZE_WHITESPACE)
    told: list[str] = []
    made: dict[str, Any] = {}
    for name in NAMES:
        documented = getattr(tf_muscle, name)
        text = documented.__doc__
        parts = ("Args:", "Raises:", "Examples:", *(() if name == "Config" else ("Returns:",)))
        assert not [part for part in parts if part not in text], name
        test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
        assert test.examples, name
        runner.run(test, out=told.append, clear_globs=False)
        made |= test.globs
    assert not runner.summarize(verbose=False).failed, "".join(told)

    scores = made["scores"]
    record = json.loads(scores.path.read_text())
    assert scores.split == record["split"] == "valid"
    assert scores.mean_iou == record["mean_iou"]
    assert scores.iou == record["iou"]
    assert list(scores.intervals["mean_iou"]) == record["intervals"]["mean_iou"]
    with pytest.raises(UserError, match="must be train, valid or test, got tset"):
        tf_muscle.evaluate("runs/mine", split="tset")
    with pytest.raises(UserError, match="--formats must be of saved_model, litert, onnx, got o"):
        tf_muscle.export("runs/mine", formats="onnx", name="other")
    with pytest.raises(UserError, match=r"overlay\.mp4 exists and is never overwritten"):
        tf_muscle.predict_video(made["predictor"], "curl.mp4", "overlay.mp4")
