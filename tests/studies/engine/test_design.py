"""Designs: what is read, and one clear line for everything that is wrong with one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from toy_simulator import TOYS, content

from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.design_file import find_studies, make_design, read_design, study_file
from crowdllm_stats.studies.engine.grid import cells, jobs
from crowdllm_stats.studies.engine.parameters import Parameter

SIMULATIONS = Path(__file__).resolve().parents[3] / "simulations"


def design(**changes):
    return make_design(content(**changes), "made", TOYS)


def test_a_design_is_a_grid_with_the_first_factor_slowest():
    made = design()
    assert made.n_cells == 6
    grid = [(cell.number, cell.levels["n"], cell.levels["mean"]) for cell in cells(made)]
    assert grid == [(0, 3, 0.0), (1, 3, 1.0), (2, 3, 2.0), (3, 8, 0.0), (4, 8, 1.0), (5, 8, 2.0)]
    assert made.full_cell({"n": 3, "mean": 0.0})["pause"] == 0.0


def test_a_seed_keeps_every_digit():
    assert design(seed=10**23).seed == 10**23


def test_blocks_have_one_length_and_the_last_is_filled_up():
    made = design()
    plan = layout_of(made)
    assert [len(block.pairs) for block in plan.blocks[:3]] == [7, 7, 6]
    last = jobs(made, plan.blocks[2], plan.grid)
    assert [job.replicate for job in last] == [14, 15, 16, 17, 18, 19, 19]
    together = design(fixed={"together": True})
    sizes = [len(block.pairs) for block in layout_of(together).blocks]
    assert sizes == [7] * 17 + [1]  # 120 jobs of one shape
    assert sum(sizes) == 120


CLAIM = {"text": "a", "measure": "bias", "method": "plain", "at_least": 1}

BAD = [
    ({"factors": {"m": [1]}}, "unknown factor 'm'; the simulator knows n, mean"),
    ({"factors": {"n": []}}, "factor 'n' has no levels"),
    ({"factors": {"n": ["10"]}}, "factor 'n' must be a number, but '10' is text: write it without quotes"),
    ({"factors": {"n": 10}}, "factor 'n' must be a list of levels"),
    ({"factors": {"n": [2.5]}}, "factor 'n' must be a whole number; got 2.5"),
    ({"factors": {"n": [1]}}, "factor 'n' must be at least 2; got 1"),
    ({"factors": {"n": [5, 5]}}, "factor 'n' has a level twice"),
    ({"factors": {"n": [True]}}, "factor 'n' must be a finite number; got True"),
    ({"factors": {"n": [5], "mean": [float("nan")]}}, "factor 'mean' must be a finite number; got nan"),
    ({"factors": {"n": [5], "together": ["yes"]}}, "factor 'together' must be true or false; got 'yes'"),
    ({"factors": {"mean": [1.0]}}, "the simulator needs n: put it under"),
    ({"factors": {}}, "factors is missing"),
    ({"factors": None}, "factors is missing"),
    (
        {"factors": {"n": list(range(2, 1002)), "mean": list(range(1000)), "fail_every": list(range(1000))}},
        "the grid has 1,000,000,000 cells, at most 1,000,000 are allowed",
    ),
    ({"replicates": 10**9}, "cells x replicates x methods = 12,000,000,000 results"),
    ({"fixed": {"n": 5}}, "'n' stands under factors and under fixed"),
    ({"fixed": {"size": 5}}, "unknown parameter 'size' under fixed"),
    ({"simulator": "tpy"}, "unknown simulator 'tpy'; known: "),
    ({"simulator": None}, "simulator is missing"),
    ({"methods": []}, "methods must be a list with at least one of plain"),
    ({"methods": ["plane"]}, "unknown method 'plane'"),
    ({"methods": ["plain", "plain"]}, "methods lists one twice"),
    ({"measures": []}, "measures must be a list with at least one"),
    ({"measures": ["bais"]}, "unknown measure 'bais'; known: bias"),
    ({"measures": ["bias", "bias"]}, "measures lists 'bias' twice"),
    ({"measures": [{"name": "a", "share": "positive"}]}, "a table needs exactly name, share and among"),
    ({"measures": [{"name": "a", "share": "positive", "among": "x"}]}, "'x' is not an outcome"),
    ({"measures": [{"name": "a", "ratio": "positive"}]}, "or name, ratio and over; got"),
    ({"measures": [{"name": "a", "ratio": "x", "over": "positive"}]}, "'x' is not an outcome"),
    ({"measures": ["width_ratio"], "reference": None}, "measure 'width_ratio' needs reference"),
    ({"reference": "only-large"}, "reference 'only-large' is not among the methods"),
    ({"replicates": "100"}, "replicates must be a whole number of at least 2, without quotes; got '100'"),
    ({"replicates": 1}, "replicates must be a whole number of at least 2; got 1"),
    ({"replicates": None}, "replicates is missing"),
    ({"seed": -1}, "seed must be a whole number of at least 0"),
    ({"block": 0}, "block must be a whole number of at least 1"),
    ({"sead": 1}, "the study has unknown key 'sead'"),
    (
        {"methods": ["plain", "only-large"], "reference": None},
        "method 'only-large' does not apply to n = 3, mean = 0 and 2 more cells: n is below 5; list it under [[skip]]",
    ),
    ({"skip": [{"method": "shrunken", "when": {"n": [4]}, "reason": "x"}]}, "skip: 4 is not a level of factor 'n'"),
    ({"skip": [{"method": "shrunken", "when": {"k": [4]}, "reason": "x"}]}, "skip names 'k', which is not a factor"),
    ({"skip": [{"method": "other", "reason": "x"}]}, "skip names method 'other'"),
    ({"skip": [{"method": ["plain", "other"], "reason": "x"}]}, "skip names method 'other'"),
    ({"skip": [{"method": [], "reason": "x"}]}, "an empty list of methods"),
    ({"skip": [{"reason": "x"}]}, "would leave nothing to run"),
    ({"skip": [{"method": "plain", "when": {"n": [3]}}]}, "reason is missing"),
    ({"skip": {"method": "plain"}}, "skip must be written as [[skip]] tables"),
    ({"skip": [{"when": {"n": [3, 8]}, "reason": "x"}]}, "the [[skip]] tables leave nothing to run"),
    (
        {"skip": [{"when": {"n": [3]}, "reason": "x"}, {"method": "plain", "when": {"n": [3]}, "reason": "again"}]},
        "the [[skip]] table with reason 'again' skips nothing",
    ),
    ({"claim": [{"text": "a", "measure": "power", "method": "plain", "at_least": 1}]}, "claim names measure 'power'"),
    ({"claim": [{"text": "a", "measure": "bias", "method": "p", "at_least": 1}]}, "claim names method 'p'"),
    ({"claim": [{"text": "a", "measure": "bias", "method": "plain"}]}, "claim 'a' needs at_least, at_most or both"),
    ({"claim": [{**CLAIM, "less": {"k": 4}}]}, "claim: less names 'k', which is not a factor"),
    ({"claim": [{**CLAIM, "less": {"n": 4}}]}, "claim: less: 4 is not a level of factor 'n'"),
    ({"claim": [{**CLAIM, "less": {"n": [3, 8]}}]}, "claim: less needs one level of 'n'"),
    ({"claim": [{**CLAIM, "less": {"method": "p"}}]}, "claim: less names method 'p'"),
    (
        {"measures": ["width_ratio"], "claim": [{**CLAIM, "measure": "width_ratio", "less": {"n": 3}}]},
        "claim: less goes with every measure but width_ratio",
    ),
    ({"picture": [{"kind": "pie", "file": "a"}]}, "picture kind must be one of 'lines'"),
    ({"picture": [{"kind": "lines", "file": "../a", "x": "n"}]}, "picture file must be a plain name"),
    ({"picture": [{"kind": "lines", "file": "a"}]}, "picture 'a' of kind 'lines' needs x"),
    ({"picture": [{"kind": "lines", "file": "a", "x": "n"}]}, "picture 'a' does not show 'mean' (0, 1, 2)"),
    ({"picture": [{"kind": "lines", "file": "a", "x": "k"}]}, "picture 'a': x = 'k' is none of n, mean"),
    ({"picture": [{"kind": "lines", "file": "a", "x": "n", "measure": "mse"}]}, "picture 'a' draws 'mse'"),
    ({"quick": {"factors": {"n": [4]}}}, "quick.factors: 4 is not a level of factor 'n'"),
    ({"quick": {"speed": 4}}, "[quick] has unknown key 'speed'"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_bad_design_gets_one_clear_line(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        design(**changes)
    assert "\n" not in str(caught.value)


def test_a_skip_may_name_several_methods():
    skip = {"method": ["plain", "shrunken"], "when": {"n": [3]}, "reason": "few"}
    made = design(skip=[skip])
    told = [made.skipped({"n": n, "mean": 0.0}, method) for n in (3, 8) for method in ("plain", "shrunken")]
    assert told == ["few", "few", None, None]


def test_files_are_named_in_what_is_said_of_them(tmp_path):
    file = tmp_path / "mine.toml"
    with pytest.raises(FileNotFoundError, match=r"no study file .*mine\.toml"):
        read_design(file)
    file.write_text("simulator = ", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml: not a TOML file"):
        read_design(file)
    file.write_text("simulator = 'tpy'", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml: unknown simulator 'tpy'"):
        read_design(file)


def test_packaged_studies_are_sound_and_so_are_their_quick_versions():
    found = find_studies([SIMULATIONS])
    names = {"coverage", "safe_interval", "risk", "own_survey", "own_crowd", "coverage_trained", "figure9"}
    assert names <= set(found)
    for name in names:
        made = read_design(found[name])
        quick = made.quickened()
        assert 0 < quick.n_cells <= made.n_cells
        assert quick.replicates <= made.replicates


def test_studies_are_found_in_the_working_folder_first(tmp_path, monkeypatch):
    (tmp_path / "simulations").mkdir()
    own = tmp_path / "simulations" / "coverage.toml"
    own.write_text("simulator = 'x'", encoding="utf-8")
    (tmp_path / "simulations" / "settings.toml").write_text("a = 1", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert study_file("coverage") == own
    assert "settings" not in find_studies()
    assert study_file(str(own)) == own
    with pytest.raises(FileNotFoundError, match="unknown study 'covrage'; known: coverage"):
        study_file("covrage")


def test_stating_a_default_keeps_the_random_numbers():
    one, other = design(), design(fixed={"pause": 0.0})
    cell = {"n": 3, "mean": 1.0}
    assert one.cell_name(one.full_cell(cell)) == other.cell_name(other.full_cell(cell)) == "n=3"


def test_bad_parameter_kinds_are_refused():
    with pytest.raises(ValueError, match="kind must be one of"):
        Parameter("a", "word")
    for value in (3, "none.npz", "", "a" * 300, ["shipped"]):
        with pytest.raises(
            ValueError,
            match="^p(: a+ cannot be read: File name too long| must be one of 'shipped' or the path of a file)",
        ):
            Parameter("a", "file", choices=("shipped",)).read("p", value)
    assert Parameter("a", "file", choices=("shipped",)).read("p", "shipped") == "shipped"
    with pytest.raises(ValueError, match=r"p must be a list of numbers, for instance \[0.2, 0.8\]; got 0.5"):
        Parameter("a", "numbers").read("p", 0.5)
    with pytest.raises(ValueError, match="p must be one of 'x', 'y'; got 'z'"):
        Parameter("a", "choice", choices=("x", "y")).read("p", "z")
    with pytest.raises(ValueError, match="p must be at most 1; got 2"):
        Parameter("a", most=1).read("p", 2)
    with pytest.raises(ValueError, match="p must be from 0 to 1; got 2"):
        Parameter("a", least=0, most=1).read("p", 2)
