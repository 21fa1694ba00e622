"""A process of its own that reads and computes: what takes too long, or breaks it, leaves the page alone."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Self

from crowdllm_stats._base.extras import missing_extra
from crowdllm_stats._base.messages import said
from crowdllm_stats._base.worker import before_pool, start_worker


class Refused(Exception):
    """What the page says instead of a result: one line, for people."""


class Calculator:
    """One process that calls functions, one after another; it is started when first used, and again after an end.

    Args:
        seconds: after which a call is given up.

    Example:
        >>> with Calculator(seconds=60) as calculator:
        ...     calculator.call(max, 3, 4)
        4
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._line: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """``function(*arguments)``, both known to the other process by their names and values.

        Raises:
            Refused: with the function's own words where it refused its input; if it took too long or broke down.
        """
        with self._turn:
            line = self._started()
            try:
                line.send((function, arguments))
                if not line.poll(self._seconds):
                    self._end()
                    raise Refused(
                        f"stopped after {self._seconds:g} seconds; take fewer questions or answers, or start the page "
                        "with a larger --time-limit"
                    )
                fine, answer = line.recv()
            except (EOFError, OSError):
                self._end()
                raise Refused(
                    "the calculation broke down, perhaps for want of memory; take fewer questions or answers"
                ) from None
        if not fine:
            raise Refused(answer)
        return answer

    def start(self) -> None:
        """Start the process now, so that it is there when it is needed."""
        with self._turn:
            self._started()

    def _started(self) -> Connection:
        if self._process is None or self._line is None or not self._process.is_alive():
            self._end()
            before_pool()
            context = multiprocessing.get_context("spawn")
            self._line, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        return self._line

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._line is not None:
            self._line.close()
        self._process = self._line = None


def _work(line: Connection) -> None:
    """In the process: answer calls for ever."""
    start_worker()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import crowdllm_stats.report.page.answers  # noqa: F401 - loads what the calls will need, before the first one

    while True:
        try:
            function, arguments = line.recv()
        except EOFError:
            return
        line.send(_outcome(function, arguments))


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except (ValueError, FileNotFoundError) as error:
        return False, said(error).command
    except ImportError as error:
        return False, missing_extra(error) or f"{type(error).__name__}: {error}"
    except MemoryError:
        return False, "there is not enough memory for this; take fewer questions or answers"
    except Exception as error:  # the outermost door of this process: one line on the page
        return False, f"{type(error).__name__}: {error}"
