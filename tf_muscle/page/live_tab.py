"""The tab for a webcam: its pictures are marked while it runs."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from tf_muscle.errors import UserError
from tf_muscle.page.live import LiveSession, decoded, encoded
from tf_muscle.prediction.predictor import Predictor

# Seconds between two pictures that the browser sends. The server keeps the newest one alone while
# the model works.
EVERY = 0.05
LONGEST = 300  # seconds that a webcam runs, so that somebody else's turn comes
SIZE = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}}}  # pixels asked of the webcam


def live_tab(predictor: Predictor) -> None:
    """Fills the tab; `predictor` takes one picture at a time."""
    session = gr.State()  # LiveSession, or None
    with gr.Row():
        with gr.Column():
            webcam = gr.Image(
                label="Webcam",
                sources=["webcam"],
                streaming=True,
                webcam_options=gr.WebcamOptions(constraints=SIZE),
                elem_id="webcam",
            )
        with gr.Column():
            overlay = gr.Image(
                label="Active muscles",
                interactive=False,
                buttons=["fullscreen"],
                elem_id="live_overlay",
            )
            numbers = gr.HTML(padding=False, elem_id="live_numbers")

    def answer(picture: dict[str, Any] | None, running: LiveSession | None) -> Sequence[Any]:
        if not picture:
            return running, gr.skip(), gr.skip()
        try:
            image = decoded(str(picture.get("url")))
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error
        if running is None or not running.goes_on_with(image):
            running = LiveSession(predictor)
        drawn = running.mark(image)
        return running, {"url": encoded(drawn), "path": None}, running.numbers

    # Without Gradio's processing, which would write a file for every picture.
    webcam.stream(
        answer,
        [webcam, session],
        [session, overlay, numbers],
        preprocess=False,
        postprocess=False,
        stream_every=EVERY,
        time_limit=LONGEST,
        show_progress="hidden",
        concurrency_id="live",
        concurrency_limit=1,
        api_name="live",
    )
