"""The site of docs/: built strictly, complete, and readable without a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tf_muscle

pytest.importorskip("zensical", reason='needs: pip install -e ".[docs]"')

ROOT = Path(__file__).parents[1]
# What a browser fetches by itself, in contrast to the links that a reader follows.
FETCHED = re.compile(r'(?:<(?:script|img|iframe|source)[^>]*\ssrc|<link[^>]*\shref)="?([^" >]+)')


def build(site: Path) -> subprocess.CompletedProcess[str]:
    """Builds a copy of the site as `make docs` does."""
    words = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    return subprocess.run(words, cwd=site, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of docs/, and the site built of it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    (folder / "tf_muscle").symlink_to(ROOT / "tf_muscle")  # its docstrings are read, not imported
    page = folder / "docs" / "reference" / "commands.md"
    subprocess.run([sys.executable, ROOT / "tools/command_reference.py", page], check=True)
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_what_a_page_fetches_is_there(site: Path) -> None:
    """Pictures, too, which the strict build does not look for."""
    pages = sorted((site / "build/site").rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        found = FETCHED.findall(page.read_text(encoding="utf-8"))
        assert found
        for address in found:
            top = site / "build/site" if page.name == "404.html" else page.parent
            assert (top / address.split("?")[0].lstrip("/")).is_file(), f"{page.name}: {address}"


def test_every_page_is_in_the_navigation(site: Path) -> None:
    named = (site / "mkdocs.yml").read_text()
    pages = [path.relative_to(site / "docs").as_posix() for path in (site / "docs").rglob("*.md")]
    assert [page for page in pages if f": {page}\n" not in named] == []


def test_every_name_and_every_option_has_an_entry(site: Path) -> None:
    names = (site / "build/site/reference/python.html").read_text(encoding="utf-8")
    for name in tf_muscle.__all__:
        entry = f'id="{tf_muscle._MODULES[name]}.{name}"'
        assert entry in names
    train = (site / "build/site/reference/commands.html").read_text(encoding="utf-8")
    for option in tf_muscle.Config().flat():
        assert re.search(rf"<dt><code>--{option}[ <]", train), option


@pytest.mark.parametrize(
    "fault", ["[a](absent.md)", "[a](predict.md#absent)", "::: tf_muscle.absent"]
)
def test_a_broken_page_fails(site: Path, tmp_path: Path, fault: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/predict.md").write_text("# Predict\n")
    (tmp_path / "docs/index.md").write_text(f"# Home\n\n{fault}\n")
    settings = (site / "mkdocs.yml").read_text().split("\nnav:")[0]
    (tmp_path / "mkdocs.yml").write_text(settings)
    (tmp_path / "tf_muscle").symlink_to(ROOT / "tf_muscle")
    assert build(tmp_path).returncode != 0
