"""Verdicts on made errors whose truth is known, the contrasts by hand, and the report."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests

from crowdllm_stats.studies.engine.design_file import read_design, study_file
from crowdllm_stats.studies.engine.run import run_study
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.simulators.figure9.contrasts import INSIGHTS, Condition, Panels, slope_on_workers
from crowdllm_stats.studies.simulators.figure9.overview import write_overview
from crowdllm_stats.studies.simulators.figure9.picture import draw_figure9
from crowdllm_stats.studies.simulators.figure9.verdicts import judge, judge_condition, panels_of

NOISE, EPSILON, QUESTIONS, WORKERS, REPLICATES = (
    [0.0, 1.0, 2.0],
    [0.0, 1.0, 2.0],
    [5, 10, 20, 40],
    [1, 2, 5, 10, 20, 40],
    8,
)


def panels(log_error, spread=0.02, seed=1):
    """Panels whose log error is a function of (noise, epsilon, Q, W), plus a common replicate effect and noise."""
    rng = np.random.default_rng(seed)
    shape = (len(NOISE), len(EPSILON), len(QUESTIONS), len(WORKERS), REPLICATES)
    values = rng.normal(0.0, spread, shape) + rng.normal(0.0, 0.3, REPLICATES)
    for place in itertools.product(*map(range, shape[:-1])):
        levels = [known[i] for known, i in zip((NOISE, EPSILON, QUESTIONS, WORKERS), place, strict=True)]
        values[place] += log_error(*levels)
    return Panels(NOISE, EPSILON, QUESTIONS, WORKERS, values)


def as_published(noise, epsilon, questions, workers):
    """A world in which all five insights hold."""
    size = questions * workers
    if epsilon == 0:
        return 0.5 * noise + (0.05 * np.log2(workers) if noise else 0.0)
    if epsilon == 1:
        return 0.1 + 0.5 * noise + (0.3 if size < 50 else 0.0)
    return 0.2 + 0.5 * noise + (0.0 if size >= 800 else 0.6)


def verdicts(found):
    return [one.verdict for one in found.insights]


def test_a_world_as_published_reproduces_all_five():
    found = judge(panels(as_published))
    assert verdicts(found) == ["reproduced"] * 5
    assert found.stronger.verdict == "reproduced"
    assert all(one.p_holm < 0.05 for one in found.insights)


def test_the_opposite_world_contradicts():
    found = judge(panels(lambda *cell: -as_published(*cell)))
    assert verdicts(found)[:3] == ["contradicted"] * 3
    assert verdicts(found)[4] == "contradicted"
    assert found.stronger.verdict == "contradicted"


def test_one_broken_condition_contradicts_its_insight_alone():
    def broken(noise, epsilon, questions, workers):
        lift = 0.4 if (noise, epsilon, workers) == (1, 1, 10) and questions in (5, 10) else 0.0
        return as_published(noise, epsilon, questions, workers) + lift

    found = judge(panels(broken))
    assert verdicts(found) == ["reproduced", "reproduced", "reproduced", "contradicted", "reproduced"]
    worst = found.insights[3].worst
    assert worst.text == "noise 1, W 10 with Q 5 or 10, over the reference"
    assert worst.estimate == pytest.approx(np.exp(0.4), rel=0.05)
    assert found.insights[3].evidence.startswith("worst of 6 conditions: noise 1, W 10")


def test_noise_alone_is_inconclusive():
    # Nothing but noise: of 12 conditions with margin 0 some may stray, but all of an insight's must, and after Holm;
    # the seed is fixed.
    found = judge(panels(lambda *_: 0.0, spread=0.5, seed=4))
    assert verdicts(found)[1] == verdicts(found)[4] == "inconclusive"


def test_holm_makes_the_difference():
    """An interval that leaves the margin out is not enough when four other insights are far from any verdict."""
    rng = np.random.default_rng(0)
    base = panels(lambda *_: 0.0, spread=0.5, seed=4).log_error
    drift = rng.normal(0.0, 1.0, REPLICATES)
    drift = (drift - drift.mean()) / drift.std(ddof=1)
    # insight 2: contrasts with mean -1 and t = -2.8 (two-sided p 0.027, five times that is above 0.05)
    wanted = -1.0 + drift * np.sqrt(REPLICATES) / 2.8
    for other in (1, 2):
        base[0, other, 3, 5] = base[0, 0, 3, 5] - wanted
    found = judge(Panels(NOISE, EPSILON, QUESTIONS, WORKERS, base))
    second = found.insights[1]
    assert second.worst.side == "reproduced"
    assert second.worst.p == pytest.approx(2 * stats.t.sf(2.8, REPLICATES - 1))
    assert second.verdict == "inconclusive"
    assert second.evidence.endswith("so that the interval alone (reproduced) does not count")
    worst = [one.worst.p for one in found.insights]
    assert [one.p_holm for one in found.insights] == pytest.approx(multipletests(worst, method="holm")[1])


def test_slope_is_least_squares_with_an_effect_for_each_q():
    rng = np.random.default_rng(7)
    panel = rng.normal(size=(len(QUESTIONS), len(WORKERS), 1))
    rows = [(q, np.log2(w), panel[i, j, 0]) for i, q in enumerate(QUESTIONS) for j, w in enumerate(WORKERS)]
    fitted = ols("y ~ C(q) + w", pd.DataFrame(rows, columns=["q", "w", "y"])).fit()
    assert slope_on_workers(panel, WORKERS)[0] == pytest.approx(fitted.params["w"])
    with pytest.raises(LookupError, match="two levels of workers"):
        slope_on_workers(panel[:, :1], [3])


def test_contrasts_by_hand():
    some = panels(lambda *_: 0.0, spread=1.0, seed=9)
    log = some.log_error
    third, fourth = INSIGHTS[3][1](some), INSIGHTS[4][1](some)
    many = np.stack([log[1, 2, 2, 5], log[1, 2, 3, 4], log[1, 2, 3, 5]]).mean(axis=0) - log[1, 2, 3, 5]
    np.testing.assert_allclose(third[2].contrast, many)
    few = [log[1, 2, i, j] for i, q in enumerate(QUESTIONS) for j, w in enumerate(WORKERS) if q * w <= 200]
    assert len(few) == 18
    np.testing.assert_allclose(third[3].contrast, np.mean(few, axis=0) - log[1, 2, 3, 5])
    over = (log[2, 1, 0, 3] + log[2, 1, 1, 3]) / 2 - log[2, 1, 3, 5]
    np.testing.assert_allclose(fourth[4].contrast, over)
    np.testing.assert_allclose(fourth[5].contrast, over - ((log[2, 2, 0, 3] + log[2, 2, 1, 3]) / 2 - log[2, 2, 3, 5]))
    assert [len(make(some)) for _, make in INSIGHTS.values()] == [2, 2, 6, 6, 6]


def test_interval_is_students():
    values = np.random.default_rng(2).normal(0.3, 1.0, 9)
    found = judge_condition(Condition("c", values, 0.1, above=True, ratio=False))
    wanted = stats.ttest_1samp(values, 0.1)
    assert found.p == pytest.approx(wanted.pvalue)
    limits = wanted.confidence_interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((limits.low, limits.high))
    assert judge_condition(Condition("c", values, 0.1, above=True)).upper == pytest.approx(np.exp(limits.high))


def test_failed_fits_are_counted_and_left_out():
    some = panels(as_published)
    some.log_error[0, 0, 3, 5, 2] = np.nan
    found = judge(some)
    assert [one.replicates for one in found.insights[1].conditions] == [REPLICATES - 1] * 2
    assert found.insights[1].conditions[0].failed == 1
    assert "2 replicates of conditions left out, a fit failed" in found.insights[1].evidence
    some.log_error[0, 0, 3, 5, 1:] = np.nan
    with pytest.raises(ValueError, match="1 of 8 replicates are left, at least 2"):
        judge(some)


def test_insights_that_the_grid_cannot_tell_are_not_judged():
    some = panels(as_published)
    small = Panels(NOISE, EPSILON, QUESTIONS, [1, 2, 5], some.log_error[:, :, :, :3])
    found = judge(small)
    assert verdicts(found) == ["reproduced", *["not judged"] * 4]
    assert found.insights[1].why == "the grid lacks workers 40"
    assert "not judged" in str(found)


def test_a_table_with_gaps_is_refused():
    rows = list(itertools.product([0.0, 1.0], [0.0], [5], [1, 2], [0, 1, 2]))
    table = pd.DataFrame(rows, columns=["noise", "diversity", "questions", "workers", "replicate"])
    table["error"] = np.exp(np.arange(12.0))
    shuffled = table.sample(frac=1.0, random_state=3)
    assert panels_of(shuffled).log_error[1, 0, 0, 1, 2] == pytest.approx(11.0)
    with pytest.raises(ValueError, match="the table has 11 rows; every combination"):
        panels_of(table.iloc[1:])
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_figure9(table.assign(error=np.nan), "empty")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A tiny study: 18 cells of two steps, two replicates."""
    whole = read_design(study_file("figure9"))
    part = whole.narrowed({"reading": ("belief",), "length": ("steps",), "workers": (2, 40), "questions": (5,)})
    fixed = {**part.fixed, "steps": 2, "pool": 20, "truth_draws": 20, "virtual": 2, "batch": 10}
    tiny = dataclasses.replace(part, replicates=2, fixed=fixed, block=18)
    store = Store(tmp_path_factory.mktemp("figure9"), tiny)
    run_study(tiny, store)
    return tiny, store


def test_report(finished, tmp_path):
    design, store = finished
    files = write_overview([finished], tmp_path, file=study_file("figure9"), command=["python", "somewhere"])
    assert {file.name for file in files} == {
        "README.md", "fits.parquet", "conditions.parquet", "figure9_belief_steps.png", "time.png",
        "fits.parquet.manifest.json",
    }  # fmt: skip
    fits = pd.read_parquet(tmp_path / "fits.parquet")
    assert len(fits) == 36
    assert fits["error"].between(0.0, 10.0).all()
    words = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Reading 'belief', training length 'steps'" in words
    assert "Not run: profile with epochs, belief with epochs, model with epochs, profile with steps" in words
    assert "2. noise 0: epsilon 0 is best: not judged" in words
    with pytest.raises(ValueError, match="'belief' with length 'steps' stands in two of the studies"):
        write_overview([(design, store)] * 2, tmp_path, file=study_file("figure9"), command=["python"])


def test_verdicts_and_pictures_reach_the_engine(finished, tmp_path):
    from crowdllm_stats.studies.engine.summarise import summarise
    from crowdllm_stats.studies.report.report import conclude

    results = summarise(*finished)
    found = conclude(results)
    assert [one.statement.split(",")[0] for one in found] == ["belief"] * 5
    from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9

    pictures = FIGURE9.draw(results, tmp_path)
    assert [file.name for file in pictures.values()] == ["figure9_belief_steps.png"]
    assert results.failures.empty


def test_a_grid_that_can_judge_no_insight_gets_no_verdicts(finished):
    from crowdllm_stats.studies.engine.summarise import summarise
    from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9

    design, store = finished
    results = summarise(design, store)
    alone = design.narrowed({"noise": (0.0,), "diversity": (0.0,), "workers": (2,)})
    other = Store(store.folder.parent / "alone", alone)
    run_study(alone, other)
    assert FIGURE9.conclude(results)
    assert list(FIGURE9.conclude(summarise(alone, other))) == []
