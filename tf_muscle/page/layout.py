"""What is seen: tabs for photos, videos, two sessions and a webcam, and what happens to a file."""

import html
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from tf_muscle.config import bundled
from tf_muscle.errors import UserError
from tf_muscle.page.answers import (
    TIMELINE_NAME,
    VIDEO_NAME,
    MarkedPhoto,
    mark_photo,
    mark_video,
    photo_table,
    video_table,
)
from tf_muscle.page.live_tab import live_tab
from tf_muscle.page.sessions import compare_videos, framed
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.stream import PredictedFrame

TITLE = "Which muscles are working?"
OPACITY = 60  # percent, as `draw_overlay` has it
HINT = "The marks are a model's estimate, not a measurement."
SYNTHETIC_HINT = (
    "This model has seen only rendered figures, the sample that comes with tf_muscle: expect it to "
    "be wrong on photos of people."
)
# Seconds: every minute, files older than an hour are deleted, for a page that runs for days.
DELETE_CACHE = (60, 3600)
# One at a time: two predictions at once take twice the memory and are not faster.
MODEL: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
NO_PROBLEM = gr.update(value="", visible=False)

FONT = ("system-ui", "sans-serif")  # on every machine, so that none is fetched
THEME = gr.themes.Default(
    primary_hue="blue", font=FONT, font_mono=("ui-monospace", "monospace"), radius_size="sm"
)
CSS = """
.gradio-container, .gradio-container main { width: 100% !important; }
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; }
#introduction h1 { font-size: 1.9rem; font-weight: 700; margin: 0.4rem 0; }
#introduction p { margin: 0.3rem 0; max-width: 75ch; }
#introduction .hint { border-left: 4px solid var(--color-accent); padding-left: 0.8rem; }
/* Labels stand above the pictures, not on them. */
#photo, #overlay, #video, #video_overlay, #timeline, #webcam,
#live_overlay { padding-top: 2rem !important; }
#photo img, #video video, #video_overlay video, #live_overlay img, #webcam video {
  max-height: 22rem; object-fit: contain; }
.problem { margin: 0; padding: 0.4rem 0.8rem; overflow-wrap: anywhere;
  border-left: 4px solid var(--error-border-color); background: var(--error-background-fill); }
iframe.comparison { width: 100%; height: 85vh; border: 1px solid var(--border-color-primary); }
table.muscles { width: 100%; border-collapse: collapse; font-size: 0.95rem; }
table.muscles, table.muscles * { border: 0 !important; }
table.muscles th, table.muscles td { text-align: right !important; padding: 0.35rem 0.5rem;
  border-bottom: 1px solid var(--border-color-primary) !important; }
table.muscles td, table.muscles th:first-child { white-space: nowrap; }
table.muscles th:first-child { text-align: left !important; }
table.muscles thead th { font-weight: 500; }
table.muscles i { display: inline-block; width: 0.85em; height: 0.85em; margin-right: 0.5em;
  outline: 1px solid var(--body-text-color); vertical-align: -0.05em; }
"""


def build_page(
    predictor: Predictor, live: Predictor, stopping: threading.Event, *, synthetic: bool
) -> gr.Blocks:
    """Builds the page.

    Args:
        predictor: that predicts photos and videos.
        live: that predicts a webcam's pictures.
        stopping: once set, a video that is being predicted is given up.
        synthetic: the model was trained on the bundled rendered photos.
    """
    with gr.Blocks(title=TITLE, delete_cache=DELETE_CACHE, analytics_enabled=False) as page:
        muscles = html.escape(", ".join(predictor.class_names[1:]))
        gr.HTML(
            f"<h1>{TITLE}</h1>"
            "<p>Give a photo or a video of an exercise, and a neural network marks the muscles "
            f"that are active in it: {muscles}. What you upload stays on the computer that runs "
            "this page and is deleted when the page stops.</p>"
            f"<p class='hint'>{SYNTHETIC_HINT if synthetic else HINT}</p>",
            padding=False,
            elem_id="introduction",
        )
        with gr.Tab("Photo"):
            _photo_tab(predictor)
        with gr.Tab("Video"):
            _video_tab(predictor, stopping)
        with gr.Tab("Two sessions"):
            _sessions_tab(predictor, stopping)
        with gr.Tab("Live"):
            live_tab(live)
    return page


def _photo_tab(predictor: Predictor) -> None:
    shown = gr.State()  # MarkedPhoto, or None
    with gr.Row():
        with gr.Column():
            photo = gr.Image(
                label="Photo",
                sources=["upload", "webcam", "clipboard"],
                type="filepath",
                elem_id="photo",
            )
            problem = gr.HTML(visible=False, padding=False, elem_id="photo_problem")
            gr.Examples(_examples(), photo, label="Examples (rendered)", elem_id="examples")
        with gr.Column():
            overlay = gr.Image(
                label="Active muscles",
                format="jpeg",
                interactive=False,
                buttons=["download", "fullscreen"],
                elem_id="overlay",
            )
            opacity = gr.Slider(
                0, 100, OPACITY, step=5, label="Opacity of the colours, %", elem_id="opacity"
            )
            table = gr.HTML(padding=False, elem_id="photo_numbers")

    def answer(upload: dict[str, Any] | None, percent: float) -> Sequence[Any]:
        if not upload:
            return None, None, "", NO_PROBLEM
        path = _uploaded(upload)
        try:
            marked = mark_photo(predictor, path)
        except UserError as error:
            return None, None, "", _alert(str(error), path)
        note = _alert(marked.note, path) if marked.note else NO_PROBLEM
        return marked, marked.drawn(percent / 100), photo_table(marked), note

    def redraw(marked: MarkedPhoto | None, percent: float) -> np.ndarray | None:
        return marked.drawn(percent / 100) if marked else None

    # Without Gradio's preprocessing, which stops at a broken photo before it can be explained.
    outputs = [shown, overlay, table, problem]
    photo.change(answer, [photo, opacity], outputs, preprocess=False, api_name="photo", **MODEL)
    opacity.change(redraw, [shown, opacity], overlay, show_progress="hidden", api_name="opacity")


def _video_tab(predictor: Predictor, stopping: threading.Event) -> None:
    with gr.Row():
        with gr.Column():
            video = gr.Video(label="Video", sources=["upload", "webcam"], elem_id="video")
            problem = gr.HTML(visible=False, padding=False, elem_id="video_problem")
        with gr.Column():
            overlay = gr.Video(
                label="Active muscles",
                interactive=False,
                buttons=["download"],
                elem_id="video_overlay",
            )
            table = gr.HTML(padding=False, elem_id="video_numbers")
            timeline = gr.Image(
                label="When each muscle works",
                type="filepath",
                interactive=False,
                buttons=["download", "fullscreen"],
                elem_id="timeline",
            )

    def answer(
        upload: dict[str, Any] | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008, the way Gradio asks for it
    ) -> Sequence[Any]:
        if not upload:
            return None, None, "", NO_PROBLEM
        path = _uploaded(upload)
        folder = Path(tempfile.mkdtemp(dir=get_upload_folder()))
        try:
            marked = mark_video(predictor, path, folder, _shown(progress, stopping))
        except UserError as error:
            shutil.rmtree(folder, ignore_errors=True)
            return None, None, "", _alert(str(error), path)
        note = _alert(marked.note, path) if marked.note else NO_PROBLEM
        pictures = (str(folder / VIDEO_NAME), str(folder / TIMELINE_NAME))
        return *pictures, video_table(marked.timeline), note

    outputs = [overlay, timeline, table, problem]
    video.change(
        answer,
        video,
        outputs,
        preprocess=False,
        show_progress_on=overlay,
        api_name="video",
        **MODEL,
    )


def _sessions_tab(predictor: Predictor, stopping: threading.Event) -> None:
    with gr.Row():
        videos = [
            gr.Video(label=f"Session {letter}", sources=["upload"], elem_id=f"session_{letter}")
            for letter in "AB"
        ]
    button = gr.Button("Compare", variant="primary", elem_id="compare")
    problem = gr.HTML(visible=False, padding=False, elem_id="sessions_problem")
    download = gr.DownloadButton(
        "Download the comparison", visible=False, elem_id="comparison_file"
    )
    comparison = gr.HTML(padding=False, elem_id="comparison")

    def answer(
        upload_a: dict[str, Any] | None,
        upload_b: dict[str, Any] | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008, the way Gradio asks for it
    ) -> Sequence[Any]:
        nothing = ("", gr.update(value=None, visible=False))
        if not upload_a or not upload_b:
            return *nothing, _alert("Give a video for each of the two sessions.")
        a, b = _uploaded(upload_a), _uploaded(upload_b)
        folder = Path(tempfile.mkdtemp(dir=get_upload_folder()))
        try:
            page = compare_videos(predictor, a, b, folder, _shown(progress, stopping))
        except UserError as error:
            shutil.rmtree(folder, ignore_errors=True)
            return *nothing, _alert(str(error).replace(f"{folder}{os.sep}", ""), a, b)
        return framed(page), gr.update(value=str(page), visible=True), NO_PROBLEM

    button.click(
        answer,
        videos,
        [comparison, download, problem],
        preprocess=False,
        show_progress_on=comparison,
        api_name="sessions",
        **MODEL,
    )


def _shown(progress: gr.Progress, stopping: threading.Event) -> Callable[[PredictedFrame], None]:
    """Called after every frame of a video: shows how far it is, and ends it with the page."""

    def advance(frame: PredictedFrame) -> None:
        if stopping.is_set():
            raise UserError("the page was closed")
        progress((frame.number + 1, frame.count or None), unit="frames")

    return advance


def _examples() -> list[str]:
    """A photo of the bundled sample's test split for each exercise."""
    photos: dict[str, Path] = {}
    for photo in sorted((bundled("sample_gym") / "test").glob("*.jpg")):
        photos.setdefault(photo.name.partition("_")[0], photo)
    return [str(photo) for photo in photos.values()]


def _uploaded(upload: dict[str, Any]) -> Path:
    """Where an upload lies.

    Gradio refuses other paths as well, but not in every form in which a program can give them.
    """
    path = Path(str(upload["path"])).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise gr.Error("This file was not uploaded.", print_exception=False)
    return path


def _alert(message: str, *paths: Path) -> dict[str, Any]:
    """Shows a message, with the names of files in place of where the page keeps them."""
    for path in paths:
        message = message.replace(str(path), path.name)
    told = html.escape(message)
    return gr.update(value=f"<p class='problem' role='alert'>{told}</p>", visible=True)
