"""The options that benchmarks have in common."""

import argparse
import importlib.util
from collections.abc import Sequence

from benchmarks.contenders import Work


def benchmark_parser(description: str | None, quick: str) -> argparse.ArgumentParser:
    """A parser with --quick and --out.

    Args:
        description: docstring of the benchmark, with its command.
        quick: what its quick form does.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--out", help="JSON file; by default in runs/benchmarks")
    return parser


def add_contenders(parser: argparse.ArgumentParser, *, windows: int, window_seconds: float) -> None:
    """Adds what a comparison is about, with its defaults."""
    parser.add_argument("--vs", nargs="*", default=[], choices=["stock", "smp"])
    parser.add_argument("--precision", default="auto", help="ours and stock's; auto is training's")
    parser.add_argument(
        "--smp_precision", nargs="*", default=["float32", "bfloat16"], help="each a contender"
    )
    parser.add_argument("--encoder", default="resnet34")
    parser.add_argument("--decoder", default="upsampling", choices=["upsampling", "transpose"])
    parser.add_argument("--windows", type=int, default=windows)
    parser.add_argument("--window_seconds", type=float, default=window_seconds)


def contenders(options: argparse.Namespace, ours: Sequence[str], **work: object) -> list[Work]:
    """Who takes turns at a piece of work.

    Args:
        options: those that `add_contenders` adds.
        ours: contenders of this package, first the one that the others are compared with; litert
            is left out where it is not installed.
        work: fields of `Work` that all have in common.
    """
    precision = options.precision
    if precision == "auto":
        from tf_muscle.training.device import choose_precision

        precision, _ = choose_precision("auto")
    names = [(name, "float32" if name == "litert" else precision) for name in ours]
    if not importlib.util.find_spec("ai_edge_litert"):
        names = [one for one in names if one[0] != "litert"]
    names += [("stock", precision)] if "stock" in options.vs else []
    names += [("smp", one) for one in options.smp_precision] if "smp" in options.vs else []
    return [
        Work(name, precision=its, encoder=options.encoder, decoder=options.decoder, **work)
        for name, its in names
    ]
