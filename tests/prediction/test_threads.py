import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tf_muscle.prediction.threads import Behind, ahead


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def until(condition: Callable[[], bool]) -> None:
    """Waits for a thread."""
    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")


def test_items_come_in_order_and_from_another_thread() -> None:
    takers = set()

    def numbers() -> Iterator[int]:
        for number in range(100):
            takers.add(threading.get_ident())
            yield number

    assert list(ahead(numbers(), 3)) == list(range(100))
    assert len(takers) == 1
    assert threading.get_ident() not in takers
    assert list(ahead([], 3)) == []


def test_so_many_are_taken_ahead_and_no_more() -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with closing(ahead(numbers(), 3)) as items:
        assert taken == []  # before the first is asked for
        assert next(items) == 0
        until(lambda: len(taken) == 4)
        assert next(items) == 1
        until(lambda: len(taken) == 5)
    assert len(taken) == 5


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_comes_behind_the_items_before_it(error: BaseException) -> None:
    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        raise error

    items = ahead(numbers(), 4)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(type(error)) as raised:
        next(items)
    assert raised.value is error


def test_stages_may_follow_one_another_and_stop_halfway() -> None:
    first = ahead(iter(range(1000)), 2)
    second = ahead((2 * number for number in first), 2)
    with closing(first), closing(second):
        assert [next(second) for _ in range(5)] == [0, 2, 4, 6, 8]


def test_calls_are_done_in_order_in_one_other_thread() -> None:
    done = []
    with Behind(2) as behind:
        for number in range(50):
            behind.do(lambda number: done.append((number, threading.get_ident())), number)
    numbers, threads = zip(*done, strict=True)
    assert numbers == tuple(range(50))
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


def test_no_more_wait_than_allowed() -> None:
    gate, handed = threading.Event(), []

    def hand_over() -> None:
        with Behind(2) as behind:
            for number in range(6):
                behind.do(gate.wait)
                handed.append(number)

    thread = threading.Thread(target=hand_over)
    thread.start()
    until(lambda: len(handed) == 2)
    threading.Event().wait(0.05)
    assert len(handed) == 2
    gate.set()
    thread.join()
    assert len(handed) == 6


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_handed_over_is_done_whatever_ends_the_block(error: type) -> None:
    done: list[int] = []

    def work() -> None:
        with Behind(8) as behind:
            for number in range(5):
                behind.do(done.append, number)
            raise error

    with pytest.raises(error):
        work()
    assert done == [0, 1, 2, 3, 4]


def test_a_failed_call_is_the_last() -> None:
    done: list[int] = []

    def call(number: int) -> None:
        if number == 2:
            raise OSError("the disk is full")
        done.append(number)

    def work(numbers: range) -> None:
        with Behind(3) as behind:
            for number in numbers:
                behind.do(call, number)
                handed.append(number)

    handed: list[int] = []
    with pytest.raises(OSError, match="full"):
        work(range(100))
    assert done == [0, 1]
    assert len(handed) < 10
    with pytest.raises(OSError, match="full"):  # nothing follows, so the end of the block tells
        work(range(2, 3))
