"""Writes a trained model for other runtimes: `python -m tf_muscle.export RUN --formats litert`."""

import sys
from collections.abc import Sequence
from typing import Literal

from tf_muscle.command import add_no_calibration, command_parser, parse, run_command
from tf_muscle.runs.folder import find_run


def main(argv: Sequence[str]) -> int:
    """The command."""
    parser = command_parser("export", "Write the best model of a run for other runtimes.", "RUN ")
    parser.add_argument("run", help="Folder of a finished run, such as runs/NAME.")
    parser.add_argument(
        "--formats",
        nargs="+",
        type=Literal["saved_model", "litert", "onnx"],
        default=["saved_model"],
        help="One or several formats. saved_model: for TensorFlow and TensorFlow Serving, written "
        "to saved_models_dir/NAME; litert: for phones, to NAME-litert beside it; onnx: for ONNX "
        "Runtime, to NAME-onnx.",
    )
    parser.add_argument(
        "--litert_types",
        nargs="+",
        type=Literal["float32", "float16", "dynamic", "int8"],
        default=["float32", "float16", "int8"],
        help="Types of the weights in --formats litert, a file for each. float16 halves the file; "
        "int8 quarters it and also computes in 8-bit integers; dynamic quarters it, too, and "
        "measures the range of what it computes anew for each photo.",
    )
    parser.add_argument(
        "--precision",
        type=Literal["float32", "bfloat16"],
        default="float32",
        help="Number format that the SavedModel computes in. bfloat16 is faster only on GPUs and "
        "on processors with AMX.",
    )
    parser.add_argument(
        "--data",
        type=str,
        help="Export with the same classes, to test the written model and to calibrate int8 with. "
        "Without it, the run's own.",
    )
    parser.add_argument(
        "--saved_models_dir",
        type=str,
        default="saved_models",
        help="Folder in which the model's folders are made.",
    )
    parser.add_argument(
        "--name",
        type=str,
        help="Name of the model's folder, which must be new. Without it, the run's name; for a run "
        "with folds, whose models are exported as one, that name and -mean.",
    )
    parser.add_argument(
        "--push",
        type=str,
        help="hf://USER/NAME, a repository of the Hugging Face Hub that is sent what is exported, "
        "the Keras model, a card and the run's manifest, run.json. What goes there is listed "
        "first; a new repository is private.",
    )
    add_no_calibration(parser)
    options = parse(parser, argv)
    options["calibrated"] = not options.pop("no_calibration")
    run = find_run(options.pop("run"))
    from tf_muscle.exporting.run_export import export

    folders = export(run, **options)
    print(f"written to {', '.join(str(folder) for folder in folders)}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
