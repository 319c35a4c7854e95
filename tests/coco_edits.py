"""Changes to the annotations of a COCO export."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Document = dict[str, list[dict[str, Any]]]


def edit(root: Path, change: Callable[[Document], object], *splits: str) -> None:
    for split in splits:
        path = root / split / "_annotations.coco.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
