"""Writes a trained model for other runtimes: `python -m tf_muscle.export RUN --formats litert`."""

import sys
from collections.abc import Sequence

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.runs.folder import find_run


def main(argv: Sequence[str]) -> None:
    """The command."""
    parser = command_parser("export", "Write the best model of a run for other runtimes.", "RUN ")
    parser.add_argument("run", help="Folder of the run, such as runs/NAME.")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=["saved_model", "litert", "onnx"],
        default=["saved_model"],
        help="saved_model: for TensorFlow and TensorFlow Serving, in saved_models_dir/NAME; "
        "litert: for phones, in NAME-litert; onnx: for ONNX Runtime, in NAME-onnx.",
    )
    parser.add_argument(
        "--litert_types",
        nargs="+",
        choices=["float32", "float16", "int8"],
        default=["float32", "float16", "int8"],
        help="Types of the weights, a file each; int8 also computes in 8-bit integers.",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="Of the SavedModel's arithmetic; bfloat16 pays on GPUs and processors with AMX only.",
    )
    parser.add_argument(
        "--data",
        type=str | None,
        help="Export with the same classes to test and calibrate with; by default the run's own.",
    )
    parser.add_argument("--saved_models_dir", default="saved_models", help="Where to.")
    parser.add_argument("--name", type=str | None, help="Folder there; by default the run's name.")
    options = parse(parser, argv)
    run = find_run(options.pop("run"))
    from tf_muscle.exporting.run_export import export

    folders = export(run, **options)
    print(f"written to {', '.join(str(folder) for folder in folders)}")


if __name__ == "__main__":
    sys.exit(run_command(main))
