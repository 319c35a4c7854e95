from pathlib import Path

from tf_muscle.report.csv_file import csv_writer


def test_a_file_name_that_is_not_unicode_is_escaped(tmp_path: Path) -> None:
    with csv_writer(tmp_path / "a.csv", ("video", "größe")) as write_row:
        write_row(["curl\udcff.mp4", 1.5])
        write_row(["a, b", ""])
    content = (tmp_path / "a.csv").read_bytes()
    assert content.decode("utf-8") == 'video,größe\r\ncurl\\udcff.mp4,1.5\r\n"a, b",\r\n'
