from typing import Any

from report_inputs import OPTIONS

from tf_muscle.report.model_card import model_card
from tf_muscle.runs.calibration import Calibration
from tf_muscle.runs.environment import Environment


def test_model_card(environment: dict[str, Any], metrics: dict[str, dict[str, Any]]) -> None:
    environment["data"]["synthetic"] = True
    record = Environment.from_json(environment)
    card = model_card("calves", OPTIONS, record, metrics)
    assert card.startswith("# calves\n")
    assert "0 background, 1 biceps, 2 triceps, 3 calf" in card
    assert "with a ResNet18 encoder" in card
    assert 'tf.saved_model.load("calves")' in card
    assert "longer side was resized to 128 pixels" in card
    stretched = model_card("c", OPTIONS | {"resize": "stretch"}, record, metrics)
    assert "photos stretched to 128x128" in stretched
    framed = model_card("c", OPTIONS | {"aspect": 0.6635}, record, metrics)
    assert "until they were 0.6635 times as wide as high" in framed
    assert "`image_size`, `resize`, `aspect` and `padding`" in framed
    assert "| mIoU | 0.427 | 0.427 | 0.427 (0.312 to 0.488) |" in card
    assert "`my_export.zip`" in card
    assert "**Every photo is synthetic**" in card
    assert "published" not in card


def test_the_card_tells_what_a_calibration_was_chosen_on(
    environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    record = Environment.from_json(environment)
    chosen = Calibration(temperature=2.0)
    one, mean = (
        model_card("c", OPTIONS, record, {"test": metrics["test"]}, network_count=count,
                   calibration=chosen)
        for count in (1, 5)
    )  # fmt: skip
    assert "Chosen on the validation photos: temperature 2.00." in one
    assert "validation photos" not in mean
    assert "the photos of all folds, each as the network saw it that was not trained on it" in mean


def test_the_card_on_the_hub_tells_what_opens_the_network(
    environment: dict[str, Any], metrics: dict[str, dict[str, Any]]
) -> None:
    record = Environment.from_json(environment)
    alone = "Without tf_muscle, `keras.saving.load_model` opens `best.keras`."
    assert alone in model_card("hf://a/b", OPTIONS, record, metrics, "hub")
    of_kerashub = OPTIONS | {"encoder": "kerashub:mit_b0_ade20k_512"}
    card = model_card("hf://a/b", of_kerashub, record, metrics, "hub")
    assert alone not in card
    assert (
        "without tf_muscle and its extra `hub` (keras-hub), `keras.saving.load_model` does" in card
    )
