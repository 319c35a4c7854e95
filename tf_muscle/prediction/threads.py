"""Stages at the same time: `ahead` prefetches from the previous, `Behind` hands work to the next.

Decoding, OpenCV, Pillow, the network and encoding all leave Python's lock alone while they
calculate, so that threads are enough. Each stage has one, so the order stays.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

Item = TypeVar("Item")

WAITING_BYTES = 2**27  # between two stages: 20 frames of 1080p, 5 of 4K


def room_for(frame_bytes: int, most: int) -> int:
    """How many frames may wait between two stages, from 1 to `most`: fewer if they are large."""
    return max(1, min(most, WAITING_BYTES // frame_bytes))


def ahead(items: Iterable[Item], most: int) -> Generator[Item, None, None]:
    """Takes items in a thread before they are asked for.

    What taking one raises, ctrl-C too, is raised here behind the items before it. Close or exhaust
    it before closing the source of `items`; its thread has then ended.

    Args:
        items: only this thread takes them.
        most: how many wait at a time.
    """
    taking = iter(items)
    end: Any = object()
    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(next, taking, end) for _ in range(most))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(thread.submit(next, taking, end))
                yield item
        finally:
            thread.shutdown(cancel_futures=True)


class Behind:
    """Calls done in a thread, one after the other; a context manager.

    The end of the block waits for all of them, after an error or ctrl-C in it, too: what was handed
    over is done. After a call that raised none is done, and what it raised is raised by the next
    `do` or by the end of the block.

    Args:
        most: calls that wait at a time; then `do` waits.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._thread.shutdown(cancel_futures=True)

    def do(self, call: Callable[..., object], *arguments: Any) -> None:
        """Hands over a call."""
        while len(self._waiting) >= self._most or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._run, call, arguments))

    def _run(self, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if self._failed:
            return
        try:
            call(*arguments)
        except BaseException:
            self._failed = True
            raise
