"""Options that are none any more, as the runs of earlier versions hold them."""

from typing import Any

# In config.yaml and run.json of every run of the last version that had them.
UNUSED: dict[str, Any] = {
    "unlabeled": [], "unlabeled_batch": 8, "unlabeled_weight": 1.0, "unlabeled_ramp": 0.3,
    "confidence": 0.95, "teacher_decay": 0.99, "frame_step": 1.0,
}  # fmt: skip
USED = UNUSED | {"unlabeled": ["film 1.mp4", "a, b"]}
# In environment.json and run.json of a run that used them.
RECORD = {
    "sources": ["film 1.mp4", "a, b"],
    "count": 7,
    "left_out": {"one colour": 2},
    "fingerprint": "00ff",
}
