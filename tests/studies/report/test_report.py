"""What people see: claims and verdicts, pictures, the report's folder, plans."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_simulator import TOYS, content

from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.plan import plan_study, replicates_for
from crowdllm_stats.studies.engine.results import Results, drawn
from crowdllm_stats.studies.engine.run import run_study
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import replicates_xarray, runs_by_cell, summarise
from crowdllm_stats.studies.engine.verdicts import judge_all
from crowdllm_stats.studies.report.plots import draw
from crowdllm_stats.studies.report.report import describe, write_report

PICTURES = [
    {"kind": "lines", "file": "lines", "measure": "bias", "x": "mean", "row": "n"},
    {"kind": "coverage", "file": "dots", "x": "n", "column": "mean"},
    {"kind": "zip", "file": "zip", "where": {"n": 8, "mean": 1.0}},
    {"kind": "nested-loop", "file": "nested", "measure": "width"},
    {"kind": "map", "file": "map", "measure": "positive", "x": "n", "y": "mean", "where": {"method": "plain"}},
]
CLAIMS = [
    {"text": "plain is off by less than 2", "measure": "bias", "method": "plain", "at_least": -2.0, "at_most": 2.0},
    {"text": "shrunken is unbiased", "measure": "bias", "method": "shrunken", "at_least": 0.0, "at_most": 0.0},
    {"text": "shrunken covers", "measure": "coverage", "method": "shrunken", "at_least": 0.9, "where": {"n": [8]}},
    {"text": "plain is positive", "measure": "positive", "method": "plain", "at_least": 0.9, "where": {"mean": [2.0]}},
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    skip = [{"method": "shrunken", "when": {"n": [3], "mean": [2.0]}, "reason": "left | out"}]
    made = make_design(content(claim=CLAIMS, picture=PICTURES, skip=skip, replicates=40), "made", TOYS)
    run_study(made, Store(folder, made))
    return summarise(made, Store(folder, made))


def test_claims_get_their_verdicts(results):
    """40 replicates: the shrunken mean is off by half the mean, at mean 2 by over 15 standard errors."""
    verdicts = [verdict.verdict for verdict in judge_all(results.design.claims, results)]
    assert verdicts == ["kept", "broken", "broken", "undecided"]
    first, second, _, last = judge_all(results.design.claims, results)
    assert first.evidence.startswith("on the right side of the bound in all 6 cells; worst ")
    assert "the bound lies inside the interval of" in last.evidence
    assert second.evidence.startswith("beyond the bound in ")
    assert "of 5 cells" in second.evidence
    assert "at n = 8, mean = 2" in second.evidence


def test_claims_on_differences_pair_the_replicates(tmp_path):
    """Every number beside NumPy's on the stored replicates; every fifth replicate of 'shrunken' fails."""
    common = {"measure": "bias", "at_least": 0.0}
    claims = [
        {"text": "fewer answers", "method": "shrunken", "where": {"n": [3], "mean": [1.0]}, "less": {"n": 8}, **common},
        {"text": "halved", "method": "shrunken", "where": {"mean": [2.0]}, "less": {"method": "plain"}, **common},
        {"text": "itself", "method": "plain", "where": {"n": [8]}, "less": {"n": 8}, **common},
    ]
    told = content(claim=claims, replicates=40, fixed={"fail_every": 5})
    made = make_design(told, "made", TOYS)
    run_study(made, Store(tmp_path, made))
    results = summarise(made, Store(tmp_path, made))
    runs = {tuple(cell.levels.values()): own for cell, own in runs_by_cell(layout_of(made), Store(tmp_path, made))}

    def errors(n, mean, method):
        own = runs[n, mean][method].outcomes
        return (own["estimate"] - own["truth"])[np.arange(40) % 5 > 0]

    first, second, itself = (results.compared(claim) for claim in made.claims)
    each = errors(3, 1.0, "shrunken") - errors(8, 1.0, "shrunken")
    assert first[["value", "mcse"]].to_numpy()[0] == pytest.approx([each.mean(), each.std(ddof=1) / np.sqrt(32)])
    assert first[["replicates", "failed"]].to_numpy().tolist() == [[32, 8]]
    each = errors(3, 2.0, "shrunken") - errors(3, 2.0, "plain")
    assert second.loc[second["n"] == 3, "value"].item() == pytest.approx(each.mean())
    assert len(second) == made.n_cells // len(made.factors["mean"])
    assert itself.empty
    verdicts = judge_all(made.claims, results)
    assert [one.verdict for one in verdicts[1:]] == ["broken", "undecided"]
    assert ", interval " in verdicts[1].evidence
    narrow = made.narrowed({"n": (3,)})
    assert [claim.text for claim in narrow.claims] == ["halved"]


def held(claim, rows):
    """The verdict on rows of value, standard error, successes and replicates, a cell each."""
    study = {"title": "Mine", "simulator": "intervals", "factors": {"n": list(range(5, 5 + len(rows)))},
             "methods": ["classical"], "measures": [claim["measure"]], "replicates": 100, "seed": 1,
             "claim": [{"text": "so", "method": "classical", **claim}]}  # fmt: skip
    frame = pd.DataFrame(rows, columns=["value", "mcse", "successes", "replicates"])
    frame = frame.assign(n=range(5, 5 + len(rows)), method="classical", measure=claim["measure"], failed=0, note="")
    made = make_design(study, "mine")
    (found,) = judge_all(made.claims, Results(made, frame, pd.DataFrame(), Path("out/mine")))
    return found


def test_few_replicates_keep_nothing_and_say_how_many_would_decide():
    """18 of 20 intervals cover: that is no evidence for 0.93, and none against it."""
    few = held({"measure": "coverage", "at_least": 0.93}, [(0.9, 0.067, 18, 20)])
    assert few.verdict == "undecided"
    assert "of 1 of 1 cells (about 390 replicates would decide" in few.evidence  # 20 (1.96 * 0.067 / 0.03)^2
    assert held({"measure": "coverage", "at_least": 0.93}, [(0.9, 0.0067, 1800, 2000)]).verdict == "broken"
    assert held({"measure": "coverage", "at_least": 0.85}, [(0.9, 0.0067, 1800, 2000)]).verdict == "kept"


def test_two_replicates_keep_no_bound_on_an_error():
    two = held({"measure": "width", "at_most": 0.4}, [(0.39, 0.002, np.nan, 2)])  # t with 1 degree of freedom
    assert two.verdict == "undecided"
    assert held({"measure": "width", "at_most": 0.4}, [(0.39, 0.002, np.nan, 200)]).verdict == "kept"
    one = held({"measure": "width", "at_most": 0.4}, [(0.39, np.nan, np.nan, 1)])
    assert (one.verdict, "no standard error" in one.evidence) == ("undecided", True)


def test_a_value_on_the_bound_is_decided_by_no_number_of_replicates():
    on = held({"measure": "bias", "at_least": 0.0, "at_most": 0.0}, [(0.0, 0.1, np.nan, 100), (0.05, 0.1, np.nan, 100)])
    assert on.verdict == "undecided"
    assert "decided by no number of replicates" in on.evidence
    assert held({"measure": "bias", "at_least": -0.5, "at_most": 0.5}, [(0.1, 0.01, np.nan, 100)]).verdict == "kept"


def test_a_claim_without_a_value_is_undecided(results):
    frame = results.frame.assign(value=np.nan)
    import dataclasses

    empty = dataclasses.replace(results, frame=frame)
    assert judge_all(results.design.claims[:1], empty)[0].verdict == "undecided"


def test_pictures_show_what_the_results_say(results):
    drawn = {picture.file: draw(picture, results) for picture in results.design.pictures}
    lines = drawn["lines"].axes[0].get_lines()
    plotted = next(line for line in lines if line.get_label() == "plain")
    rows = results.part("bias", "plain", {"n": (3,)})
    np.testing.assert_array_equal(plotted.get_ydata(), rows["value"])
    np.testing.assert_array_equal(plotted.get_xdata(), rows["mean"])
    assert [axis.get_title() for axis in drawn["dots"].axes] == ["mean 0", "mean 1", "mean 2"]
    red = [part for part in drawn["zip"].axes[1].collections if part.get_color()[0][0] > 0.8]
    row = results.part("coverage", "shrunken", {"n": (8,), "mean": (1.0,)}).iloc[0]
    assert len(red[0].get_segments()) == round(40 * (1 - row["value"]))
    assert len(drawn["nested"].axes) == 2
    assert drawn["map"].axes[0].get_xlabel() == "n"
    words = {text.get_text() for text in drawn["map"].axes[0].texts}
    assert f"{results.part('positive', 'plain')['value'].max():.2f}" in words


def test_a_drawn_table_has_mean_and_range_over_the_panels(results):
    table = drawn(results, results.design.pictures[0])  # bias, mean across, one panel for each n
    assert list(table.columns) == ["method", "mean 0", "mean 1", "mean 2"]
    values = results.part("bias", "shrunken", {"mean": (1.0,)})["value"]
    assert table.loc[1, "mean 1"] == f"{values.mean():.4g} ({values.min():.4g} to {values.max():.4g})"
    only = results.part("bias", "shrunken", {"mean": (2.0,)})["value"]
    assert len(only) == 1  # the other is skipped
    assert table.loc[1, "mean 2"].startswith(f"{only.iloc[0]:.4g} (")


def test_a_zip_plot_needs_one_cell(results):
    import dataclasses

    picture = dataclasses.replace(results.design.pictures[2], where={})
    with pytest.raises(ValueError, match="a zip plot shows one cell; where leaves 6"):
        draw(picture, results)


def test_the_report_holds_tables_pictures_verdicts_and_a_manifest(results, tmp_path):
    file = tmp_path / "simulations" / "made.toml"
    file.parent.mkdir()
    file.write_text("simulator = 'toy'\n", encoding="utf-8")
    written = write_report(results, tmp_path / "report", file=file, arguments=["study", "run", "made"])
    assert {path.name for path in written} == {
        "README.md", "results.parquet", "contrasts.parquet", "results.parquet.manifest.json",
        "study.json", "study.json.manifest.json",
        "lines.png", "dots.png", "zip.png", "nested.png", "map.png",
    }  # fmt: skip
    words = (tmp_path / "report" / "README.md").read_text(encoding="utf-8")
    assert "**4 statements: 1 kept, 2 broken, 1 undecided.** Broken: shrunken is unbiased; shrunken covers." in words
    assert "crowdllm-stats study run made" in words
    assert "- shrunken where mean in (2), n in (3): left | out" in words
    table = pd.read_parquet(tmp_path / "report" / "results.parquet")
    assert len(table) == 6 * 2 * 6
    pd.testing.assert_frame_equal(table, results.frame, check_dtype=False)
    manifest = json.loads((tmp_path / "report" / "results.parquet.manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 5
    assert manifest["counts"] == {"cells": 6, "replicates": 40, "failed": 0, "skipped_pairs": 1}
    told = json.loads((tmp_path / "report" / "study.json").read_text(encoding="utf-8"))
    assert [verdict["verdict"] for verdict in told["verdicts"]].count("broken") == 2
    assert len(told["pictures"]) == 2  # lines and dots; the other kinds are PNG alone
    row = results.part("coverage", "plain", {"n": (8,), "mean": (2.0,)}).iloc[0]
    dots = next(picture for picture in told["pictures"] if picture["measure"] == "coverage")
    assert any(point["value"] == row["value"] and point["lower"] == row["lower"] for point in dots["points"])
    again = write_report(results, tmp_path / "again", file=file, arguments=["study", "run", "made"])
    for one, other in zip(written, again, strict=True):
        if one.suffix in (".parquet", ".png"):
            assert one.read_bytes() == other.read_bytes()


def test_named_dimensions(results):
    cube = results.to_xarray()
    assert dict(cube.sizes) == {"n": 2, "mean": 3, "method": 2, "measure": 6}
    row = results.part("width", "plain", {"n": (8,), "mean": (2.0,)}).iloc[0]
    assert float(cube["value"].sel({"n": 8, "mean": 2.0, "method": "plain", "measure": "width"})) == row["value"]


def test_the_data_cubes_name_their_dimensions(results):
    pytest.importorskip("xarray", reason="needs xarray: crowdllm-stats[generator]")
    assert results.to_xarray()["value"].dims == ("n", "mean", "method", "measure")
    replicates = replicates_xarray(results.design, Store(results.folder, results.design))
    assert replicates["estimate"].dims == ("n", "mean", "method", "replicate")


def test_a_study_in_words_has_the_parts_in_order(results):
    parts = [part for part, _ in describe(results.design)]
    assert parts == ["Aims", "Data", "Varied", "Held", "Estimand", "Methods", "Measures", "Size", "Left out", "Claims"]


def test_a_plan_names_replicates_and_a_range_of_time():
    made = make_design(content(replicates=400), "made", TOYS)
    plan = plan_study(made, mcse=0.01, pilot=50)
    assert 0.0 < plan.seconds_low < plan.seconds_high
    table = plan.precision.set_index("measure")
    # a share near 1/2 at worst: at most 0.25 / 0.01^2 = 2,500 replicates
    assert 1000 < table.loc["coverage", "replicates"] <= 2500
    assert table.loc["positive", "mcse"] <= 0.5 / np.sqrt(400)
    assert "time with 1 workers" in str(plan)
    assert replicates_for(0.02, 100, 0.01) == 400
    with pytest.raises(ValueError, match="must be positive; got 0"):
        plan_study(made, mcse=0.0)
    with pytest.raises(ValueError, match="pilot must be a whole number of at least 2"):
        plan_study(made, pilot=1)


def test_a_planned_standard_error_comes_out(tmp_path):
    """The standard error that the pilot of 200 predicts for 400 replicates is within 15% of the one that comes out."""
    made = make_design(content(factors={"n": [8]}, measures=["bias", "mae"], replicates=400), "made", TOYS)
    plan = plan_study(made, pilot=200)
    run_study(made, Store(tmp_path, made))
    results = summarise(made, Store(tmp_path, made))
    for row in plan.precision.itertuples():
        assert row.mcse == pytest.approx(results.part(row.measure)["mcse"].max(), rel=0.15)


def test_files_as_levels_are_paths_in_tables_and_hashes_in_the_manifest(tmp_path):
    sources = []
    for name, number in (("a.txt", "0.5"), ("b.txt", "1.5")):
        (tmp_path / name).write_text(number, encoding="utf-8")
        sources.append(str(tmp_path / name))
    picture = {"kind": "lines", "file": "bias", "measure": "bias", "x": "n", "column": "source"}
    made = make_design(content(factors={"n": [3, 8], "source": sources}, picture=[picture]), "made", TOYS)
    run_study(made, Store(tmp_path / "store", made))
    results = summarise(made, Store(tmp_path / "store", made))
    file = tmp_path / "made.toml"
    file.write_text("title = 'made'", encoding="utf-8")
    write_report(results, tmp_path / "report", file=file, arguments=["study", "run", "made.toml"])
    table = pd.read_parquet(tmp_path / "report" / "results.parquet")
    assert set(table["source"]) == set(sources)
    told = json.loads((tmp_path / "report" / "results.parquet.manifest.json").read_text(encoding="utf-8"))["inputs"]
    assert [(one["path"], one["sha256"]) for one in told[1:]] == [
        (source, hashlib.sha256(number).hexdigest()) for source, number in zip(sources, (b"0.5", b"1.5"), strict=True)
    ]
    cube = results.to_xarray().sel({"source": sources[1], "method": "plain", "measure": "bias"})
    assert np.isfinite(cube["value"]).all()
