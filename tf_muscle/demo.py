"""The page in the browser for photos and videos: `python -m tf_muscle.demo [MODEL]`."""

import sys
from collections.abc import Sequence

from tf_muscle.command import add_no_calibration, command_parser, parse, run_command
from tf_muscle.errors import between


def main(argv: Sequence[str]) -> int:
    """The command: the page, until ctrl-C."""
    parser = command_parser("demo", "A page in the browser for photos and videos.", "[MODEL] ")
    parser.add_argument(
        "model",
        nargs="?",
        help="Run (runs/NAME), .keras or .tflite file, SavedModel folder (saved_models/NAME), or a "
        "model on the Hugging Face Hub (hf://USER/NAME). Without it, the model in the package, "
        "which has seen rendered figures only.",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=7860,  # Gradio's
        help="Port of this computer for the page, which is then at http://127.0.0.1:PORT.",
    )
    parser.add_argument(
        "--share",
        action="store_true",
        help="Give the page a public address, too, through Gradio's servers. Whoever has that "
        "address can use the page.",
    )
    add_no_calibration(parser)
    options = parse(parser, argv)
    between("port", options["port"], 1, 65535)
    from tf_muscle.page.opening import open_page

    open_page(
        options["model"],
        options["port"],
        share=options["share"],
        calibrated=not options["no_calibration"],
    )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
