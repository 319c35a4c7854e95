"""How large and how fast is a U-Net with each encoder?

Command: python -m benchmarks.encoders [--image_size 128] [--quick]

KerasHub's (pip install ".[hub]") are built in the sizes of its presets, with random weights. Each
network predicts as `tf_muscle.load_predictor` runs its SavedModel, in turns with the others.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import CLASSES, Work, encoder_of
from benchmarks.options import benchmark_parser
from benchmarks.rounds import save, take_turns
from benchmarks.table import print_table
from tf_muscle.model.unet import build_unet

OWN = ("resnet34", "efficientnet_lite0")
ONLY_QUICK = 3  # encoders
RESNET = {
    "input_conv_filters": [32, 32, 64],
    "input_conv_kernel_sizes": [3, 3, 3],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_blocks": [3, 4, 6, 3],
    "stackwise_num_strides": [1, 2, 2, 2],
}
HGNETV2 = {"hidden_act": "relu", "use_learnable_affine_block": False,
           "apply_downsample": [False, True, True, True],
           "use_lightweight_conv_block": [False, False, True, True]}  # fmt: skip
# Name -> class of keras_hub.models and its arguments, as in KerasHub's presets of that name.
HUB: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet_vd_34": ("ResNetBackbone", {**RESNET, "block_type": "basic_block_vd"}),
    "resnet_vd_50": ("ResNetBackbone", {**RESNET, "block_type": "bottleneck_block_vd"}),
    "efficientnet_b0": (
        "EfficientNetBackbone",
        {
            "stackwise_width_coefficients": [1.0] * 7,
            "stackwise_depth_coefficients": [1.0] * 7,
            "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
            "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
            "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
            "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
            "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
            "stackwise_squeeze_and_excite_ratios": [0.25] * 7,
            "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
            "stackwise_block_types": ["v1"] * 7,
            "use_depth_divisor_as_min_depth": True,
            "cap_round_filter_decrease": True,
            "min_depth": None,
        },
    ),
    "hgnetv2_b0": (
        "HGNetV2Backbone",
        {
            **HGNETV2,
            "depths": [1, 1, 2, 1],
            "embedding_size": 16,
            "hidden_sizes": [64, 256, 512, 1024],
            "stem_channels": [3, 16, 16],
            "stackwise_stage_filters": [
                [16, 16, 64, 1, 3, 3],
                [64, 32, 256, 1, 3, 3],
                [256, 64, 512, 2, 3, 5],
                [512, 128, 1024, 1, 3, 5],
            ],
        },
    ),
    "mit_b0": (
        "MiTBackbone",
        {
            "layerwise_depths": [2, 2, 2, 2],
            "num_layers": 4,
            "layerwise_num_heads": [1, 2, 5, 8],
            "layerwise_sr_ratios": [8, 4, 2, 1],
            "max_drop_path_rate": 0.1,
            "layerwise_patch_sizes": [7, 3, 3, 3],
            "layerwise_strides": [4, 2, 2, 2],
            "image_shape": (128, 128, 3),
            "hidden_dims": [32, 64, 160, 256],
        },
    ),
    "dinov2_small": (
        "DINOV2Backbone",
        {
            "patch_size": 14,
            "num_layers": 12,
            "hidden_dim": 384,
            "num_heads": 6,
            "intermediate_dim": 1536,
            "image_shape": (518, 518, 3),
            "position_embedding_shape": (518, 518, 3),
        },
    ),
}


def presets(folder: Path) -> Iterator[tuple[str, str]]:
    """Writes each backbone as a preset: its name, and what `--encoder` takes."""
    import keras_hub

    for name, (kind, arguments) in HUB.items():
        backbone = getattr(keras_hub.models, kind)(**arguments)
        backbone.save_to_preset(str(folder / name))
        converter = getattr(keras_hub.layers, kind.replace("Backbone", "ImageConverter"))
        converter(scale=1 / 255).save_to_preset(str(folder / name))
        yield name, f"kerashub:{folder / name}"


def main() -> None:
    """The command."""
    parser = benchmark_parser(__doc__, f"the first {ONLY_QUICK} encoders, 3 short windows")
    parser.add_argument("--image_size", type=int, default=128)
    parser.add_argument("--batch_size", nargs="*", type=int, default=[1, 8])
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        named = [(one, one) for one in OWN] + list(presets(Path(folder)))
        if options.quick:
            named = named[:ONLY_QUICK]
        weights = {
            name: build_unet(
                CLASSES, options.image_size, encoder=encoder_of(encoder, options.image_size)
            ).count_params()
            / 1e6
            for name, encoder in named
        }
        for batch_size in options.batch_size:
            works = [
                Work(
                    "predictor",
                    "predict",
                    options.image_size,
                    batch_size,
                    encoder=encoder,
                    decoder="transpose",
                )
                for _, encoder in named
            ]
            windows, seconds = (3, 0.5) if options.quick else (7, 1.0)
            results = take_turns(works, windows, seconds)
            for (name, _), result in zip(named, results, strict=True):
                taken = 1000 * np.concatenate(result.windows)
                rows.append(
                    {
                        "encoder": name,
                        "million_weights": weights[name],
                        "batch_size": batch_size,
                        "milliseconds_p50": float(np.quantile(taken, 0.5)),
                        "milliseconds_p95": float(np.quantile(taken, 0.95)),
                        "images_per_processor_second": result.row()["images_per_processor_second"],
                    }
                )
            print_table(f"{options.image_size}x{options.image_size}", rows[-len(named) :])
    save(options.out, "encoders", rows)


if __name__ == "__main__":
    main()
