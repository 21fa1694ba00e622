"""Reports of what was checked by computer: the theory, Figure 9, a study."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest

from crowdllm_stats._base.json_values import json_text
from crowdllm_stats._base.manifest import write_manifest
from crowdllm_stats.report import write_report
from crowdllm_stats.studies.simulators.figure9.picture import points_of

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

THEORY = Path(__file__).parents[2] / "reports" / "theory"


def figure9_frame() -> pd.DataFrame:
    """Results of 2 noises, 3 diversities, 4 numbers of workers and 5 of questions."""
    cells = list(itertools.product((0.0, 1.0), (0.0, 1.0, 2.0), (1, 2, 5, 10), (5, 10, 20, 40, 80)))
    rows = [
        {"noise": noise, "diversity": diversity, "workers": workers, "questions": questions, "measure": measure,
         "value": value, "lower": value - 0.1, "upper": value + 0.1}
        for noise, diversity, workers, questions in cells
        for measure, value in (
            ("error", 1.0 / workers + noise), ("error_untrained", 2.0 + questions), ("error_reference", 0.5)
        )
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_figure_9_as_numbers_has_every_cell_and_two_lines_of_reference():
    points = points_of(figure9_frame())
    assert len(points) == 2 * 3 * 4 * (5 + 1 + 1)
    cell = {"x": "2", "row": "noise 1", "column": "diversity 2"}
    (one,) = [point for point in points if point["color"] == "Q = 20" and cell.items() <= point.items()]
    assert one == cell | {"color": "Q = 20", "value": 1.5, "lower": 1.4, "upper": 1.6}
    (untrained,) = [point for point in points if "untrained" in point["color"] and cell.items() <= point.items()]
    assert untrained["value"] == pytest.approx(2.0 + (5 + 10 + 20 + 40 + 80) / 5)
    assert untrained["lower"] is None


def test_a_study_becomes_a_part_with_its_verdicts_and_facets(tmp_path):
    verdicts = [
        {"statement": "insight 1 <script>", "verdict": "broken", "evidence": "3 of 9 panels"},
        {"statement": "insight 2", "verdict": "kept", "evidence": "9 of 9 panels"},
    ]
    content = {
        "study": "figure9", "title": "Figure 9", "words": [{"part": "Size", "words": "120 cells"}],
        "verdicts": verdicts, "overview": [{"method": "crowdllm", "measure": "error", "cells": 120, "mean": 1.0}],
        "measures": [{"measure": "error", "meaning": "mean of error", "nominal": None}], "failed": 0, "skipped": 0,
        "pictures": [
            {"title": "Figure 9, reading 'profile'", "measure": "error", "x": "workers", "nominal": None,
             "points": points_of(figure9_frame())}
        ],
    }  # fmt: skip
    (tmp_path / "study.json").write_text(json_text(content))
    write_manifest(tmp_path / "study.json", arguments=["study", "run", "figure9"], inputs=[], seed=9, counts={})
    written = write_report([tmp_path], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert written.titles == ["Figure 9"]
    assert "Of 2 statements held against the simulation: 1 broken, 1 kept. Broken: insight 1 &lt;script&gt;." in text
    chart = json.loads(text.partition('<script type="application/json"')[2].partition(">")[2].partition("</script>")[0])
    assert chart["facet"]["row"]["sort"] == ["noise 0", "noise 1"]
    assert chart["facet"]["column"]["sort"] == ["diversity 0", "diversity 1", "diversity 2"]
    assert "Morris TP, White IR, Crowther MJ (2019)" in text
    assert "Angelopoulos" not in text


def test_the_verdicts_on_the_theorems_become_a_part(tmp_path):
    told = json.loads((THEORY / "theory.json").read_text(encoding="utf-8"))
    write_report([THEORY], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    checks = sum(len(result["checks"]) for result in told["results"])
    assert f"{checks} checks of {len(told['results'])} results were made: all passed." in text
    assert "As published, theorem2, " in text
