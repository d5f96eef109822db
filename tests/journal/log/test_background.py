"""Work done ahead: once, by whoever comes first, with the same answer and the same error."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, get_ident

import pytest

from mmfold.journal.log.background import Ahead


def test_what_another_thread_has_begun_is_waited_for() -> None:
    begun, go = Event(), Event()

    def work(number: int) -> tuple[int, int]:
        begun.set()
        go.wait()
        return number, get_ident()

    with ThreadPoolExecutor(1) as pool:
        ahead = Ahead(pool, work, 7)
        begun.wait()
        go.set()
        number, thread = ahead.result()
    assert number == 7 and thread != get_ident()


def test_what_nobody_has_begun_is_done_by_who_needs_it_and_only_by_him() -> None:
    go, done = Event(), []
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go.wait)
        Ahead(pool, done.append, get_ident()).result()
        go.set()
    assert done == [get_ident()]


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_error_reaches_who_needs_the_answer(is_busy: bool) -> None:
    go = Event()
    with ThreadPoolExecutor(1) as pool:
        if is_busy:
            pool.submit(go.wait)
        ahead = Ahead(pool, int, "x")
        with pytest.raises(ValueError, match="invalid literal"):
            ahead.result()
        go.set()
