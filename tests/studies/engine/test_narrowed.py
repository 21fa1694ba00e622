"""A study on some levels alone: the same cells, seeds and results as in the whole one."""

from __future__ import annotations

from typing import Any

import pytest

from crowdllm_stats.studies.engine.design import Design
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.grid import cells


def design(**changes: Any) -> Design:
    content: dict[str, Any] = {
        "simulator": "figure9",
        "factors": {"reading": ["profile", "belief"], "length": ["epochs"], "noise": [0, 1, 2], "diversity": [1],
                    "workers": [2, 5], "questions": [4]},
        "methods": ["crowdllm"],
        "measures": ["error"],
        "replicates": 4,
        "seed": 5,
        "quick": {"replicates": 2, "factors": {"reading": ["profile"], "workers": [2]}},
        "claim": [{"text": "low", "measure": "error", "method": "crowdllm", "at_most": 9, "where": {"noise": [0]}}],
    }  # fmt: skip
    return make_design({**content, **changes}, "some")


def test_cells_keep_the_names_that_seed_them() -> None:
    whole = design()
    part = whole.narrowed({"reading": ("belief",), "noise": (2.0, 1.0)})
    assert part.name == "some-belief-1+2"
    assert part.n_cells == 4
    names = {whole.cell_name(whole.full_cell(cell.levels)) for cell in cells(whole)}
    assert {part.cell_name(part.full_cell(cell.levels)) for cell in cells(part)} < names
    assert part.claims == ()
    assert whole.narrowed({"noise": (0.0,)}).claims == whole.claims


def test_quick_levels_give_way_to_those_asked_for() -> None:
    quick = design().narrowed({"reading": ("belief",)}).quickened()
    assert quick.factors["reading"] == ("belief",)
    assert quick.factors["workers"] == (2,)
    assert quick.replicates == 2


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"colour": (1,)}, "'colour' is not a factor of some; factors: reading"),
        ({"noise": (7.0,)}, "7 is not a level of 'noise'; levels: 0, 1, 2"),
        ({"noise": ()}, "nothing is not a level of 'noise'"),
    ],
)
def test_unknown_factors_and_levels_are_refused(only: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        design().narrowed(only)


def test_the_command_reads_levels_as_the_study_has_them() -> None:
    from crowdllm_stats.cli.command_study import _design

    part = _design("figure9", False, ["noise=2,0", "reading=model", "workers=40"])
    assert part.factors["noise"] == (0.0, 2.0)
    assert part.factors["workers"] == (40,)
    assert part.name == "figure9-0+2-model-40"
    assert _design("figure9", False, None).n_cells == 1296
    with pytest.raises(ValueError, match="fog is not a level of 'noise'; levels: 0, 1, 2"):
        _design("figure9", False, ["noise=fog"])
    for text in (["noise"], ["noise=1", "noise=2"]):
        with pytest.raises(ValueError, match="--only must be FACTOR=LEVEL"):
            _design("figure9", False, text)
