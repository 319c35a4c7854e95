"""Writes tf_muscle/model/bundled/ from a finished run on the bundled sample.

    python -m tf_muscle.train --run_name bundled
    python tools/pack_bundled_model.py runs/bundled

The run's manifest is kept without the names and folders of the machine that trained. The scores on
the sample's test photos are printed, before and after. The same run gives the same bytes.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import tf_muscle
from tf_muscle.model.bundled_model import FOLDER, MANIFEST, WEIGHTS, write_weights
from tf_muscle.model.loading import load_network
from tf_muscle.model.metrics import confusion_matrix, scores
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.roboflow.reader import Export, read_mask
from tf_muscle.runs.folder import find_run, write_json

SAMPLE = Path(__file__).parents[1] / "datasets" / "sample_gym"


def main() -> None:
    """Packs the run that the command line names."""
    run = find_run(sys.argv[1])
    trained = tf_muscle.load_predictor(run.path, calibrated=False)
    FOLDER.mkdir(exist_ok=True)
    write_weights(WEIGHTS, load_network(run.model), trained.class_names)
    manifest = json.loads(run.manifest.read_text(encoding="utf-8"))
    del manifest["saved_model"]  # it lies on the machine that trained
    del manifest["versions"]["platform"]
    for name in ("run_name", "runs_dir", "saved_models_dir", "data_dir"):
        del manifest["config"][name]
    write_json(MANIFEST, manifest)
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size:,} bytes, SHA-256 {digest}")
    export = tf_muscle.read_export(SAMPLE)
    for name, predictor in (("run", trained), ("packed", tf_muscle.load_predictor())):
        print(f"{name}: test foreground mIoU {foreground_mean_iou(export, predictor):.4f}")


def foreground_mean_iou(export: Export, predictor: Predictor) -> float:
    """A model's score in [0, 1], over all pixels of an export's test photos at their own size.

    Args:
        export: with the classes of the model.
        predictor: the model.
    """
    count = len(export.class_names)
    confusion = np.zeros((count, count), np.int64)
    examples = export.splits["test"]
    results = predictor.predict_all(example.image_path for example in examples)
    for example, result in zip(examples, results, strict=True):
        confusion += confusion_matrix(read_mask(example), result.mask, count)
    return float(scores(confusion)["foreground_mean_iou"])


if __name__ == "__main__":
    main()
