"""The notebook in notebooks/."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason='needs: pip install -e ".[test]"')

NOTEBOOK = Path(__file__).parents[1] / "notebooks/quickstart.ipynb"


def test_what_is_stored_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 600_000
    without_pictures = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(home|root|tmp|Users|work)/", without_pictures)
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
def test_it_runs_and_finds_muscles(tmp_path: Path) -> None:
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    check = "print('pixels of muscles', sum(int((one.mask > 0).sum()) for one in results))"
    notebook.cells.append(nbformat.v4.new_code_cell(check))
    client = NotebookClient(notebook, timeout=3000, resources={"metadata": {"path": tmp_path}})
    client.execute()  # raises the first error of a cell
    (told,) = notebook.cells[-1].outputs
    assert int(told.text.split()[-1]) > 0
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "report.md").exists()
