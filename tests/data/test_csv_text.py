"""Texts that a spreadsheet would run: written so that they do not, read back as they were."""

import csv

import pandas as pd
import pytest
from command_line import run, run_json, survey
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.csv_text import with_formulas, without_formulas
from crowdllm_stats.data.files import read_table, write_table

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "=cmd|' /C calc'!A0",
    "-x",
    "+49 170 1",
    "=",
    "'=1",
    "''-x",
]
NUMBERS = ["-1", "+2", "-1.5", "-.5e-3", "-inf", "-2.", "+1E5"]
RUNS = ("=", "+", "-", "@", "\t", "\r")


def cells(place):
    with place.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def crowd(ids):
    rows = [{"problem": name, "participant": f"p{who}", "response": who + 1} for name in ids for who in range(2)]
    return CrowdData.from_frame(pd.DataFrame(rows))


@pytest.mark.parametrize("name", FORMULAS)
def test_no_written_text_runs_and_every_one_is_read_back(tmp_path, name):
    place = tmp_path / "a.csv"
    write_table(pd.DataFrame({"id": [name, "q"], name: ["x", name]}), place)
    assert not any(cell.startswith(RUNS) for cell in cells(place))
    again = read_table(place)
    assert again.columns.tolist() == ["id", name]
    assert again.astype(str).to_numpy().tolist() == [[name, "x"], ["q", name]]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_stay_numbers(tmp_path, name):
    place = tmp_path / "a.csv"
    write_table(pd.DataFrame({"id": [name], "response": [-1.0]}), place)
    assert cells(place) == ["id", "response", name, "-1.0"]
    assert read_table(place).astype(str).to_numpy().tolist() == [[name, "-1.0"]]


@given(st.lists(st.text("=+-@'\t1aé", max_size=5), min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_writing_and_reading_are_inverse(texts):
    frame = pd.DataFrame({"id": pd.Series(texts, dtype=object)})
    safe = without_formulas(frame)
    assert with_formulas(safe)["id"].tolist() == texts
    assert with_formulas(safe.astype("category"))["id"].astype(object).tolist() == texts
    assert safe["id"].nunique() == frame["id"].nunique()


@pytest.mark.parametrize("ids", [["=1+1", "'=1+1"], ["'=1+1", "q"], ["=1", "-1"]])
@pytest.mark.parametrize("keep", [False, True])
def test_a_crowd_is_read_back_as_it_was_also_when_formulas_are_kept(tmp_path, ids, keep):
    data, place = crowd(ids), tmp_path / "a.csv"
    data.write(place, keep_formulas=keep)
    assert CrowdData.read(place) == data
    raw = any(cell.startswith("=") for cell in cells(place))
    assert raw == (keep and ids[0].startswith("="))


def test_tables_of_others_keep_their_apostrophes(tmp_path):
    place = tmp_path / "a.csv"
    place.write_text("id,note\n=1,x\n'=1,y\n", encoding="utf-8")
    assert read_table(place)["id"].tolist() == ["=1", "'=1"]


def test_commands_write_ids_that_do_not_run_and_keep_them_on_request(capsys, tmp_path):
    humans, digital = survey(tmp_path, first="=1+1")
    for option, first in ((), "'=1+1"), (("--keep-formulas",), "=1+1"):
        place = tmp_path / "out.csv"
        run(capsys, "interval", humans, digital, "--scale", "1:5", "--out", str(place), *option)
        assert first in cells(place)
        assert "=1+1" in read_table(place)["problem"].tolist()
    results = run_json(capsys, "interval", humans, digital, "--scale", "1:5")["results"]
    assert "=1+1" in [row["problem"] for row in results]
