"""The sdist, the wheel made of it, and the commands from there, where no checkout can be seen.

The wheel is installed into an environment of its own. It sees the libraries of the environment that
the tests run in, but not the editable install there, since a .pth file does not read others.
"""

import csv
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.request
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import tf_muscle

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = PYPROJECT["tool"]["setuptools"]["package-dir"]
NAME = f"tf_muscle-{tf_muscle.__version__}"
LIMIT = 600  # seconds; a command takes 10 to 60
TINY = ("--image_size", "32", "--batch_size", "8", "--minutes", "0")
USER_SCRIPT = """
import tf_muscle
reveal_type(tf_muscle.Config.of(data="EXPORT.zip").optimization.epochs)
predictor = tf_muscle.load_predictor("runs/one")
reveal_type(predictor.predict("photo.jpg").mask)
predictor.predict(3)
tf_muscle.load_predcitor()
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder to work in."""

    python: Path
    folder: Path

    def environ(self) -> dict[str, str]:
        own = {"TFDS_DATA_DIR": str(self.folder / "tfds")}
        return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | own

    def command(self, *words: str) -> list[str]:
        """`tf-muscle words`, by the script that pip has written."""
        return [str(self.python.with_name("tf-muscle")), *words]

    def run(self, *words: str | Path) -> str:
        """What a command that has to succeed prints."""
        done = subprocess.run(
            list(map(str, words)), capture_output=True, text=True, check=False, timeout=LIMIT,
            cwd=self.folder, env=self.environ(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist and of the wheel that was made of it."""
    source = tmp_path_factory.mktemp("source")
    for path in CHECKOUT.iterdir():  # without what an older build has left in the checkout
        if path.is_file():
            shutil.copy(path, source)
    for folder in {Path(folder).parts[0] for folder in FOLDERS.values()}:
        shutil.copytree(CHECKOUT / folder, source / folder)
    dist = tmp_path_factory.mktemp("dist")
    words = ["-m", "build", "--no-isolation", "--outdir", str(dist), str(source)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dist


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    home = tmp_path_factory.mktemp("venv")
    builder = venv.EnvBuilder(symlinks=os.name != "nt")
    builder.create(home)
    python = Path(builder.ensure_directories(home).env_exe)
    (site,) = home.rglob("site-packages")
    libraries = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index",
         "--no-deps", "--ignore-installed", built / f"{NAME}-py3-none-any.whl"],
        check=True, timeout=LIMIT,
    )  # fmt: skip
    return Installed(python, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def run(installed: Installed) -> Path:
    """A run of one epoch on the sample that the wheel brings, from its ImageNet weights."""
    words = ("train", *TINY, "--epochs", "1", "--run_name", "one")
    installed.run(*installed.command(*words))
    return installed.folder / "runs" / "one"


@pytest.fixture(scope="module")
def sample(installed: Installed) -> Path:
    """The photos that the wheel brings."""
    script = "from tf_muscle.config import bundled; print(bundled('sample_gym'))"
    return Path(installed.run(installed.python, "-c", script).strip())


def files_of_the_checkout() -> set[str]:
    """The path in the wheel of every file that `package-dir` of pyproject.toml maps."""
    return {
        f"{package.replace('.', '/')}/{path.relative_to(CHECKOUT / folder).as_posix()}"
        for package, folder in FOLDERS.items()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_one_folder_with_everything(built: Path) -> None:
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    assert {name.split("/")[0] for name in names} == {"tf_muscle", f"{NAME}.dist-info"}
    assert {name for name in names if name.startswith("tf_muscle/")} == files_of_the_checkout()
    assert {
        "tf_muscle/py.typed",
        "tf_muscle/configs/sample.yaml",
        "tf_muscle/inspection/page.html.jinja",
        "tf_muscle/model/bundled/weights.npz",
        "tf_muscle/model/efficientnet_lite0.npz",
        "tf_muscle/roboflow_segmentation/CITATIONS.bib",
        "tf_muscle/sample_gym/frames.csv",
        "tf_muscle/tuner/__main__.py",
    } <= names


def test_the_sdist_has_what_a_packager_needs(built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {
        "LICENSE",
        "mkdocs.yml",
        "Dockerfile",
        ".dockerignore",
        "CHANGELOG.md",
        "CITATION.cff",
        "constraints.txt",
        "tuner/search.py",
    } <= names


def test_it_is_the_wheel_that_is_imported(installed: Installed) -> None:
    script = (
        "import sys, tf_muscle, tf_muscle.tuner.search, tf_muscle.roboflow_segmentation\n"
        "ours = [m for n, m in sys.modules.items() if n.split('.')[0] == 'tf_muscle']\n"
        "print(*{m.__file__ for m in ours}, sep='\\n')"
    )
    files = installed.run(installed.python, "-c", script).splitlines()
    assert len(files) > 50
    assert all(installed.python.parents[1] in Path(file).parents for file in files)


def test_an_extra_is_asked_for_without_a_checkout(installed: Installed) -> None:
    script = "from tf_muscle.errors import install_command; print(install_command('demo'))"
    told = installed.run(installed.python, "-c", script)
    assert told == 'python -m pip install "tf_muscle[demo]"\n'


def test_train_and_predict(installed: Installed, sample: Path, run: Path) -> None:
    assert (run / "report.md").is_file()
    photo = min((sample / "test").glob("*.jpg"))
    installed.run(*installed.command("predict", str(run), str(photo)))
    assert list((installed.folder / "predictions").rglob("*.png"))


def test_predict_by_the_model_in_the_wheel(installed: Installed, sample: Path) -> None:
    photo = max((sample / "test").glob("*.jpg"))
    installed.run(*installed.command("predict", str(photo)))
    (folder,) = (installed.folder / "predictions").glob("bundled-*")
    assert (folder / "overlays" / photo.name).is_file()
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["muscle"] for row in rows] == ["biceps", "triceps", "calf"]
    assert any(row["active"] == "yes" for row in rows)


def test_inspect(installed: Installed, sample: Path) -> None:
    installed.run(*installed.command("inspect", str(sample)))
    assert list((installed.folder / "inspections").rglob("*.html"))


def test_tune(installed: Installed) -> None:
    told = installed.run(installed.python, "-m", "tf_muscle.tuner", "--help")
    assert told.startswith("usage: python -m tf_muscle.tuner [options]")
    words = ("tune", "--config", "tuner_sample.yaml", "--dry_run", "--image_size", "32")
    assert "4 trials" in installed.run(*installed.command(*words, "--batch_size", "8"))


def test_demo_starts_and_stops(installed: Installed, run: Path) -> None:
    pytest.importorskip("gradio", reason='needs: pip install -e ".[demo]"')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = installed.command("demo", str(run), "--port", str(port))
    output = installed.folder / "demo.txt"
    with output.open("w") as file:
        demo = subprocess.Popen(
            words, stdout=file, stderr=file, cwd=installed.folder, env=installed.environ()
        )
    try:
        page = read_page(f"http://127.0.0.1:{port}", demo)
        assert page is not None, output.read_text()
        assert b"gradio" in page
    finally:
        demo.terminate()
        demo.wait(60)


def read_page(address: str, server: "subprocess.Popen[bytes]") -> bytes | None:
    """The page as soon as it is served; None if its server has ended or is too late."""
    deadline = time.monotonic() + LIMIT
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=60) as page:
                return bytes(page.read())
        except OSError:
            time.sleep(1)
    return None


def test_a_users_types_are_checked(installed: Installed) -> None:
    """mypy by the wheel's environment, in which `py.typed` makes it read our annotations."""
    script = installed.folder / "mine.py"
    script.write_text(USER_SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", installed.python, script.name],
        capture_output=True, text=True, check=False, timeout=LIMIT,
        cwd=installed.folder, env=installed.environ(),
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == 'mine.py:3: note: Revealed type is "int"'
    assert lines[1].startswith("mine.py:5: note: Revealed type is")
    assert "ndarray" in lines[1]
    assert lines[2].startswith('mine.py:6: error: Argument 1 to "predict" of "Predictor"')
    assert lines[3].startswith('mine.py:7: error: Module has no attribute "load_predcitor"')
    assert lines[-1].startswith("Found 2 errors in 1 file")
