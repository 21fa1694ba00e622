"""Messages keep both their forms on every way from where they are made to where they are shown."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from crowdllm_stats._base.checks import check_choice, check_count, check_level
from crowdllm_stats._base.messages import BadInput, Message, for_command, inside, said


def _lacking() -> BadInput:
    return BadInput(
        "must be one of the people {here}", argument="reference_participant", given="d1",
        python="give match=[...]", command="give --match COLUMNS",
    )  # fmt: skip


PYTHON = "reference_participant must be one of the people {here}; got 'd1'; give match=[...]"
COMMAND = "--reference-participant must be one of the people {here}; got 'd1'; give --match COLUMNS"


def _fail(_: int) -> None:
    raise _lacking()


def test_an_error_has_a_sentence_for_python_and_one_for_the_command_line() -> None:
    error = _lacking()
    assert isinstance(error, ValueError)
    assert (str(error), said(error).command) == (PYTHON, COMMAND)
    assert (error.argument, error.given) == ("reference_participant", "d1")


@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_outlives_pickling(way) -> None:  # type: ignore[no-untyped-def]
    error = way(_lacking())
    assert (str(error), said(error).command) == (PYTHON, COMMAND)
    assert (error.argument, error.given) == ("reference_participant", "d1")


def test_an_error_of_a_worker_process_keeps_both_forms() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(BadInput) as caught,
    ):
        list(pool.map(_fail, [0]))
    assert (str(caught.value), said(caught.value).command) == (PYTHON, COMMAND)


def test_an_error_found_inside_a_file_keeps_both_forms() -> None:
    error = inside("--data", inside("a{0}.csv", _lacking()))
    assert (str(error), said(error).command) == (f"--data: a{{0}}.csv: {PYTHON}", f"--data: a{{0}}.csv: {COMMAND}")
    assert (error.argument, error.given) == ("reference_participant", "d1")


def test_a_mend_may_be_missing_or_be_there_for_one_reader_only() -> None:
    assert said(BadInput("no answer", python="pass folder=", command="")).command == "no answer"
    assert said(BadInput("no answer", python="write it again")).command == "no answer; write it again"
    assert str(BadInput("no answer")) == "no answer"


def test_any_exception_may_hold_a_message() -> None:
    error = pickle.loads(pickle.dumps(FileNotFoundError(Message("pass folder=", "give --data FOLDER"))))
    assert (str(error), said(error).command) == ("pass folder=", "give --data FOLDER")
    assert said(FileNotFoundError(2, "No such file", "a.csv")).command == "[Errno 2] No such file: 'a.csv'"


def test_a_message_is_an_ordinary_text_that_outlives_pickling() -> None:
    note = pickle.loads(pickle.dumps(Message("give eta", "give --eta")))
    assert note == "give eta"
    assert for_command(note) == "give --eta"
    assert for_command(Message.filled("{}; {}", note, 3)) == "give --eta; 3"


@pytest.mark.parametrize(
    ("call", "python", "command"),
    [
        (lambda: check_level(95), "level must lie", "--level must lie"),
        (lambda: check_choice("method", "best", ("auto",)), "method must be one of", "--method must be one of"),
        (lambda: check_count("population_size", 0), "population_size must be", "--population-size must be"),
        (lambda: check_count("--first", 0), "--first must be", "--first must be"),
    ],
)
def test_checks_name_the_argument_or_the_option(call, python: str, command: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput) as caught:
        call()
    assert str(caught.value).startswith(python)
    assert said(caught.value).command.startswith(command)
