"""Small inputs that once went wrong, or nearly: each is read rightly or refused in one line. See tests/faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.fuzzing import outcome_of
from faults.targets import TARGETS

CORPUS = Path(__file__).resolve().parent / "faults" / "corpus"
INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def test_every_reader_has_inputs_and_every_input_a_reader():
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    assert all(path.stat().st_size <= 10_000 for path in INPUTS)


@pytest.mark.parametrize("place", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_input_is_read_rightly_or_refused(place, tmp_path):
    outcome, said = outcome_of(TARGETS[place.parent.name], place.read_bytes(), tmp_path)
    assert outcome in ("survived", "refused"), said
