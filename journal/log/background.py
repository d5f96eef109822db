"""Work that another thread does ahead, so that two threads share what there is; must never be done twice.

A thread of each kind of work would be more threads than cores, and the one that all wait for is the one put off.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """A piece of work given to another thread; whoever needs it before it has begun does it."""

    def __init__(self, pool: Executor, work: Callable[..., T], *arguments: object) -> None:
        self.work = work
        self.arguments = arguments
        self.future = pool.submit(work, *arguments)

    def result(self) -> T:
        """Return what the work gives, or raise what it raises."""
        return self.work(*self.arguments) if self.future.cancel() else self.future.result()
