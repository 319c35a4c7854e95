"""How the page is served: to this computer alone, within limits, and nothing else than the page."""

import contextlib
import threading
import time

import gradio as gr
import gradio.processing_utils

from tf_muscle.errors import UserError, install_command
from tf_muscle.page.layout import CSS, THEME

DOWNLOAD = "async_ssrf_protected_download"  # Gradio's function that fetches an address
MAX_FILE_SIZE = 200_000_000  # bytes: two minutes of 1080p as phones record it


def serve(page: gr.Blocks, host: str, port: int, *, share: bool, stopping: threading.Event) -> None:
    """Serves the page until ctrl-C.

    Args:
        page: the `gr.Blocks` of `build_page`.
        host: address to listen on.
        port: 1 to 65535.
        share: also at a public address, through Gradio's servers.
        stopping: is set when the page closes, before work that is going on is waited for.

    Raises:
        UserError: the port is taken, no public address was given, or this version of Gradio cannot
            be kept from fetching addresses.
    """
    try:
        with contextlib.suppress(KeyboardInterrupt):
            launch(page, host, port, share=share)
            print(f"the page is at {page.share_url or page.local_url} until ctrl-C", flush=True)
            while True:
                time.sleep(0.5)  # a signal that another thread gets does not end it
    finally:
        stopping.set()
        page.close(verbose=False)


def launch(page: gr.Blocks, host: str, port: int, *, share: bool) -> None:
    """Starts the page and returns; see `serve`."""
    _forbid_downloads()
    page.queue(max_size=20)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=share,
            theme=THEME,
            css=CSS,
            max_file_size=MAX_FILE_SIZE,
            footer_links=[],
            run_history=False,  # would keep the photos in the browser
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:
        raise UserError(f"--port {port} cannot be had ({error}): give another one") from error
    if share and not page.share_url:
        raise UserError("--share got no public address: connect to the network, or leave it out")


def _forbid_downloads() -> None:
    """Who asks the server itself for a photo could give an address in place of an upload."""
    if not hasattr(gradio.processing_utils, DOWNLOAD):
        raise UserError(
            f"the page cannot keep gradio {gr.__version__} from fetching addresses: install the "
            f"tested version by {install_command('demo')}"
        )
    setattr(gradio.processing_utils, DOWNLOAD, _refuse_download)


async def _refuse_download(url: str, cache_dir: str) -> str:
    raise gr.Error(f"{url} is not fetched: upload the file itself", print_exception=False)
