"""What has to be in order before the page opens: the port, the model, Gradio's settings."""

import os
import signal
import socket
import tempfile
import threading
from pathlib import Path

from tf_muscle.errors import UserError, refuse_missing
from tf_muscle.exporting.hub import local_model
from tf_muscle.prediction.live_model import live_model
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, find_run
from tf_muscle.runs.manifest import read_manifest

HOST = "127.0.0.1"  # other machines cannot reach the page


def open_page(model: str | None, port: int, *, share: bool, calibrated: bool = True) -> None:
    """Opens the page in the browser for photos and videos, until ctrl-C.

    Args:
        model: run, .keras or .tflite file, folder of a SavedModel, or hf://USER/NAME; None for the
            bundled model.
        port: of this computer, 1 to 65535.
        share: also at a public address, through Gradio's servers.
        calibrated: with the model's calibration, if it has one.

    Raises:
        UserError: Gradio is not installed, the port is taken, or the model cannot be used.
    """
    refuse_missing("the page", "demo", ["gradio"])
    refuse_taken(port)
    if model is not None:
        model = os.fspath(local_model(model))
    predictor = load_predictor(model, batch_size=1, calibrated=calibrated)
    if predictor.settings:
        print(predictor.settings)
    live, chosen = predictor, live_model(model, calibrated=calibrated)
    if chosen.told:
        print(chosen.told)
    if chosen.model != model:
        live = load_predictor(chosen.model, batch_size=1, calibrated=calibrated)
    for name in ("SIGTERM", "SIGHUP"):  # tidy up as after ctrl-C; Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tf_muscle_page_") as folder:
        set_environment(folder)
        from tf_muscle.page.layout import build_page
        from tf_muscle.page.server import serve

        stopping = threading.Event()
        synthetic = trained_on_synthetic(model)
        page = build_page(predictor, live, stopping, synthetic=synthetic)
        serve(page, HOST, port, share=share, stopping=stopping)


def refuse_taken(port: int) -> None:
    """Refuses a port that another program has, before the model is loaded.

    Raises:
        UserError: nothing can listen on it.
    """
    with socket.socket() as probe:
        if os.name == "posix":  # else a port counts as taken for a minute after the page has closed
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"--port {port} cannot be had ({error.strerror}): give another one"
            ) from error


def set_environment(folder: str) -> None:
    """Lets Gradio keep its files in a folder and send no statistics; before Gradio is imported.

    Settings that the environment holds for other pages would open this one to the network.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = folder
    tempfile.tempdir = folder
    # The page asks itself whether it is up, and a proxy would not find it.
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = f"{direct},{HOST}" if direct else HOST


def trained_on_synthetic(model: str | None) -> bool:
    """Whether the model's run says that its photos were rendered; an export does not tell."""
    if model is None:
        return True
    path = Path(model)
    if path.suffix == ".keras":
        run = RunFolder(path.parent)
    elif path.suffix == ".tflite" or (path / "saved_model.pb").is_file():
        return False
    else:
        run = find_run(model)
        run = (*run.fold_runs, run)[0]
    if run.manifest.is_file() and not run.environment.is_file():  # on the Hub
        return bool(read_manifest(run)["data"]["synthetic"])
    return run.environment.is_file() and read_environment(run).synthetic
