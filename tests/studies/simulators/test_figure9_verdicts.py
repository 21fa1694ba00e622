"""Verdicts on made errors whose truth is known, the contrasts by hand, and the report."""

from __future__ import annotations

import dataclasses
import itertools
import re

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
from crowdllm_stats.studies.simulators.figure9.overview import fitted_errors, keep_fits, write_overview
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
    assert [one.verdict for one in found.stronger] == ["reproduced"] * 2
    assert all(one.p_holm < 0.05 for one in found.insights)


def test_the_opposite_world_contradicts():
    found = judge(panels(lambda *cell: -as_published(*cell)))
    assert verdicts(found) == ["contradicted"] * 5
    assert [one.verdict for one in found.stronger] == ["contradicted"] * 2


def test_one_broken_condition_contradicts_its_insight_alone():
    def broken(noise, epsilon, questions, workers):
        lift = 0.4 if (noise, epsilon, workers) == (1, 1, 10) and questions in (5, 10) else 0.0
        return as_published(noise, epsilon, questions, workers) + lift

    found = judge(panels(broken))
    assert verdicts(found) == ["reproduced", "reproduced", "reproduced", "contradicted", "reproduced"]
    said = [one.verdict for one in found.insights[3].conditions]
    assert said == ["reproduced", "reproduced", "contradicted", "reproduced", "reproduced", "reproduced"]
    assert found.insights[3].conditions[2].estimate == pytest.approx(np.exp(0.4), rel=0.05)


def test_a_world_without_differences_is_equal_where_the_claim_is_one():
    found = judge(panels(lambda *_: 0.0))
    first, second, third, fourth, fifth = ([one.verdict for one in insight.conditions] for insight in found.insights)
    # Errors of sd 0.02 lie far inside 10%; of 11 conditions with margin 0 one in twenty strays; the seed is fixed.
    assert set(second) == set(fifth) == set(fourth[1::2]) == {"equal"}
    assert set(first) == set(third[::2]) == set(fourth[::2]) == {"reproduced"}
    assert set(third[1::2]) == {"contradicted"}
    assert verdicts(found) == ["reproduced", "equal", "contradicted", "equal", "equal"]


def test_noise_alone_is_undecided():
    found = judge(panels(lambda *_: 0.0, spread=0.5, seed=4))
    assert verdicts(found)[1] == "undecided"
    one = found.insights[1].conditions[0]
    assert one.verdict == "undecided"
    assert one.needed > REPLICATES
    assert one.finds.endswith(f"{one.needed:,} replicates would decide")


def test_holm_makes_the_difference():
    """An interval that leaves the margin out is not enough when four other insights are far from any verdict."""
    rng = np.random.default_rng(0)
    base = panels(lambda *_: 0.0, spread=0.5, seed=4).log_error
    drift = rng.normal(0.0, 1.0, REPLICATES)
    drift = (drift - drift.mean()) / drift.std(ddof=1)
    # insight 2: contrasts with mean -1 and t = -2.8 (two-sided p 0.027, five times that is above 0.05)
    wanted = -1.0 + drift * np.sqrt(REPLICATES) / 2.8
    largest = np.array([[2, 3, 3], [5, 4, 5]])
    reference = base[0, 0][tuple(largest)].mean(axis=0)
    for other in (1, 2):
        base[0, other][tuple(largest)] = reference - wanted
    found = judge(Panels(NOISE, EPSILON, QUESTIONS, WORKERS, base))
    second = found.insights[1]
    assert [one.verdict for one in second.conditions] == ["reproduced"] * 2
    assert second.conditions[0].p_claimed == pytest.approx(2 * stats.t.sf(2.8, REPLICATES - 1))
    assert second.verdict == "undecided"
    alone = [min(max(one.p_claimed for one in insight.conditions),
                 len(insight.conditions) * min(one.p_other for one in insight.conditions), 1.0)
             for insight in found.insights]  # fmt: skip
    assert [one.p_holm for one in found.insights] == pytest.approx(multipletests(alone, method="holm")[1])


def of_t(t, n=9, margin=0.0, conditions=1, sd=1.0):
    """A condition claimed above its margin whose contrast has this t."""
    values = np.random.default_rng(2).normal(size=n)
    values = (values - values.mean()) / values.std(ddof=1) * sd
    return judge_condition(
        Condition("c", values + margin + t * sd / np.sqrt(n), margin, above=True, ratio=False), conditions
    )


def test_contradicted_is_corrected_over_the_conditions_and_reproduced_is_not():
    limit = stats.t.ppf(0.975, 8)
    assert (of_t(1.01 * limit, conditions=6).verdict, of_t(0.99 * limit).verdict) == ("reproduced", "undecided")
    assert (of_t(-1.01 * limit).verdict, of_t(-1.01 * limit, conditions=2).verdict) == ("contradicted", "undecided")
    limit = stats.t.ppf(1 - 0.025 / 6, 8)
    assert (of_t(-1.01 * limit, conditions=6).verdict, of_t(-0.99 * limit, conditions=6).verdict) == (
        "contradicted",
        "undecided",
    )


def test_equal_is_two_one_sided_tests():
    """The 90% interval ends at the band where the larger of the two one-sided p is 0.05."""
    for sd, verdict in ((0.0160, "equal"), (0.0162, "undecided")):
        found = of_t(0.0, sd=sd)
        assert found.verdict == verdict
        assert (stats.t.sf(0.01 / (sd / 3), 8) < 0.05) == (verdict == "equal")


def test_the_smallest_effect_is_found_with_probability_nine_tenths():
    """20,000 samples of 9 normals with sd 2: the share found has standard error 0.002; false alarm 1e-6."""
    sd, n = 2.0, 9
    smallest = of_t(0.0, n=n, sd=sd).smallest
    samples = np.random.default_rng(8).normal(smallest, sd, (20_000, n))
    found = stats.ttest_1samp(samples, 0.0, axis=1)
    assert np.mean((found.pvalue < 0.05) & (found.statistic > 0)) == pytest.approx(0.9, abs=5 * 0.0022)


def test_the_replicates_needed_are_enough():
    """A contrast at the estimate, with so many replicates, is decided with probability 0.9; 2,000 samples, five se."""
    one = of_t(1.0, n=20, sd=0.5)  # estimate 0.112: found as above the margin
    samples = np.random.default_rng(9).normal(one.estimate, 0.5, (2000, one.needed))
    assert np.mean(stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05) > 0.9 - 5 * 0.007
    same = of_t(0.05, n=20, sd=0.05)  # estimate 0.0006: shown to be equal
    samples = np.random.default_rng(9).normal(same.estimate, 0.05, (2000, same.needed))
    reach = stats.t.ppf(0.95, same.needed - 1) * samples.std(axis=1, ddof=1) / np.sqrt(same.needed)
    assert np.mean(np.abs(samples.mean(axis=1)) + reach < 0.01) == pytest.approx(0.9, abs=5 * 0.007)


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
    largest = np.stack([log[1, 2, 2, 5], log[1, 2, 3, 4], log[1, 2, 3, 5]]).mean(axis=0)
    np.testing.assert_allclose(third[2].contrast, (log[1, 2, 2, 5] + log[1, 2, 3, 4]) / 2 - log[1, 2, 3, 5])
    few = [log[1, 2, i, j] for i, q in enumerate(QUESTIONS) for j, w in enumerate(WORKERS) if q * w <= 200]
    assert len(few) == 18
    np.testing.assert_allclose(third[3].contrast, np.mean(few, axis=0) - largest)
    means = [np.stack([log[2, e, 2, 5], log[2, e, 3, 4], log[2, e, 3, 5]]).mean(axis=0) for e in (1, 2)]
    over = [(log[2, e, 0, 3] + log[2, e, 1, 3]) / 2 - mean for e, mean in zip((1, 2), means, strict=True)]
    np.testing.assert_allclose(fourth[4].contrast, over[0])
    np.testing.assert_allclose(fourth[5].contrast, over[0] - over[1])
    second, fifth = INSIGHTS[2][1](some), INSIGHTS[5][1](some)
    best = [np.stack([log[0, e, 2, 5], log[0, e, 3, 4], log[0, e, 3, 5]]).mean(axis=0) for e in (0, 2)]
    np.testing.assert_allclose(second[1].contrast, best[0] - best[1])
    np.testing.assert_allclose(fifth[3].contrast, (log[2, 1] - log[1, 1]).mean(axis=(0, 1)))
    assert [len(make(some)) for _, make in INSIGHTS.values()] == [2, 2, 6, 6, 6]


def test_interval_is_students():
    values = np.random.default_rng(2).normal(0.3, 1.0, 9)
    found = judge_condition(Condition("c", values, 0.1, above=True, ratio=False))
    wanted = stats.ttest_1samp(values, 0.1)
    assert found.p_claimed == pytest.approx(stats.ttest_1samp(values, 0.1, alternative="greater").pvalue * 2)
    assert min(found.p_claimed, found.p_other) == pytest.approx(wanted.pvalue)
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
    assert verdicts(found) == ["reproduced", *["not judged"] * 3, "reproduced"]
    assert found.insights[1].why == "the grid lacks cells with the numbers of responses asked for"
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
    assert [file.name for file in write_overview(tmp_path, command=["python"])] == ["README.md"]
    words = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "**None of 4 readings has been run with 100 replicates yet.**" in words
    assert "`crowdllm-stats study run figure9_uniform`; then `python benchmarks/figure9_report.py --out" in words
    table = fitted_errors(design, store)
    assert table["error"].between(0.0, 10.0).all()
    made = keep_fits(("belief", "epochs"), finished, tmp_path, file=study_file("figure9"), command=["python"])
    assert [file.name for file in made] == ["belief_epochs.parquet", "belief_epochs.parquet.manifest.json"]
    pd.testing.assert_frame_equal(pd.read_parquet(made[0]), table)
    former = pd.DataFrame({"insight": [1, 1, 2], "verdict": ["contradicted", "contradicted", "inconclusive"],
                           "reading": ["profile"] * 3, "length": ["steps"] * 3})  # fmt: skip
    files = write_overview(tmp_path, command=["python", "somewhere"], first_stage=former)
    assert [file.name for file in files] == ["README.md", "belief_epochs.png", "verdicts.parquet"]
    words = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| 2. noise 0: epsilon 0 is best | not run yet | not judged | not run yet | not run yet |" in words
    assert "216 cells: `crowdllm-stats study run figure9_profile`; `crowdllm-stats study run figure9_model`" in words
    assert "| 1 | contradicted |" in words


def test_report_of_a_whole_grid(tmp_path):
    """All conditions of a made run, whose errors are as published, beside readings that were not run."""
    some = panels(as_published)
    axes = ["noise", "diversity", "questions", "workers", "replicate"]
    levels = [NOISE, EPSILON, QUESTIONS, WORKERS, range(REPLICATES)]
    table = pd.DataFrame(itertools.product(*levels), columns=axes).assign(error=np.exp(some.log_error).ravel())
    for name in ("error_untrained", "error_reference", "spread", "spread_untrained"):
        table[name] = 1.5 + 0.01 * table["replicate"]
    table.assign(belief_sd=table["diversity"]).to_parquet(tmp_path / "uniform_epochs.parquet")
    write_overview(tmp_path, command=["python", "somewhere"])
    words = (tmp_path / "README.md").read_text(encoding="utf-8")
    first = words.split("\n\n")[1]
    assert first.startswith("**8 replicates find an effect of ")
    assert first.endswith("with probability 0.9. Of 22 conditions in 1 of 4 readings: 22 reproduced.**")
    row = next(line for line in words.splitlines() if line.startswith("| 2. epsilon 0 over epsilon 2"))
    *others, own = [cell.strip() for cell in row.split("|")[3:-1]]
    assert others == ["not run yet"] * 3
    assert re.fullmatch(r"0\.8\d \[0\.\d\d, 0\.\d\d\] reproduced; finds \d\.\d%", own)
    assert "| uniform | 0.000 | 1.000 | 2.000 |" in words


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
