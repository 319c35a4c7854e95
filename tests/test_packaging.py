"""What pyproject.toml, CITATION.cff and .dockerignore say, beside the files that there are.

`test_wheel.py` builds the wheel and uses it, which takes minutes.
"""

import fnmatch
import tomllib
from pathlib import Path

import pytest
import yaml

import tf_muscle

CHECKOUT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
FOLDERS = {name: CHECKOUT / folder for name, folder in SETUPTOOLS["package-dir"].items()}
FILES = {
    (package, path.relative_to(folder))
    for package, folder in FOLDERS.items()
    for path in folder.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}


def test_every_folder_with_python_is_a_package() -> None:
    """With a stray folder or a forgotten one, the wheel lacks modules that a checkout has."""
    with_python = {
        ".".join((package, *path.parent.parts)) for package, path in FILES if path.suffix == ".py"
    }
    without_python = {"tf_muscle.configs", "tf_muscle.sample_gym"}
    assert set(SETUPTOOLS["packages"]) == with_python | without_python
    assert len(SETUPTOOLS["packages"]) == len(set(SETUPTOOLS["packages"]))


def test_site_packages_get_one_name() -> None:
    assert {name.partition(".")[0] for name in SETUPTOOLS["packages"]} == {"tf_muscle"}


def test_every_other_file_is_package_data() -> None:
    patterns = [
        (package, pattern)
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
    ]

    def is_data(package: str, path: Path) -> bool:
        full = f"{package.replace('.', '/')}/{path.as_posix()}"
        return any(
            fnmatch.fnmatch(full, f"{owner.replace('.', '/')}/{pattern.replace('**/', '')}")
            for owner, pattern in patterns
        )

    assert [
        f"{package}: {path}"
        for package, path in sorted(FILES)
        if path.suffix != ".py" and not is_data(package, path)
    ] == []


def test_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == tf_muscle.__version__
    assert citation["license"] == PYPROJECT["project"]["license"]
    assert [who["name"] for who in citation["authors"]] == [
        who["name"] for who in PYPROJECT["project"]["authors"]
    ]


@pytest.mark.parametrize("folder", sorted({str(f) for f in SETUPTOOLS["package-dir"].values()}))
def test_docker_gets_the_folder(folder: str) -> None:
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert f"!{Path(folder).parts[0]}" in lines
