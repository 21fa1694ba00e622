"""The coverage study over Figure 9's grid: who judges, what is asked of the fits, what is counted and concluded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.design_file import make_design, read_design, study_file
from crowdllm_stats.studies.engine.grid import jobs as jobs_of
from crowdllm_stats.studies.engine.parameters import InputFile, cell_text
from crowdllm_stats.studies.engine.run import run_study
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import summarise
from crowdllm_stats.studies.simulators.figure9.samples import questions_of, responses_of
from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9
from crowdllm_stats.studies.simulators.figure9_coverage.coverage_picture import draw_coverage
from crowdllm_stats.studies.simulators.figure9_coverage.coverage_simulator import FIGURE9_COVERAGE, figure9_job
from crowdllm_stats.studies.simulators.figure9_coverage.coverage_verdicts import judged_fits, verdicts
from crowdllm_stats.studies.simulators.figure9_coverage.judging import INTERVALS, OUTCOMES, Evidence, judge
from crowdllm_stats.studies.simulators.figure9_coverage.people import PEOPLE, fresh_people, judged_questions, own_people
from crowdllm_stats.studies.simulators.figure9_coverage.trained_crowd import TrainedCrowd
from crowdllm_stats.studies.simulators.population import real_population

POPULATION = real_population("offensiveness")
SMALL = {"reading": "profile", "length": "steps", "noise": 1.0, "diversity": 1.0, "workers": 12, "questions": 8,
         "steps": 6, "pool": 30, "truth_draws": 50, "people": "fresh", "n": 4, "N": 9}  # fmt: skip


def job(replicate=0, **changes):
    cell = {name: known.default for name, known in FIGURE9_COVERAGE.parameters.items() if known.default is not None}
    cell |= {**SMALL, **changes}
    return Job(cell, replicate, 77, cell_text(cell, FIGURE9_COVERAGE.parameters))


# -- the fits are Figure 9's -------------------------------------------------------------------------------------------


def test_every_fit_of_the_study_is_one_of_figure_9s_and_is_made_once():
    whole, figure9 = read_design(study_file("coverage_figure9")), read_design(study_file("figure9"))
    plan = layout_of(whole)
    names = {figure9.cell_name(figure9.full_cell(cell.levels)) for cell in layout_of(figure9).grid}
    assert whole.seed == figure9.seed
    assert whole.replicates == figure9.replicates
    assert len(plan.blocks) == len(names)
    for block in plan.blocks[::97]:  # a block is one cell of Figure 9, judged in six ways
        fits = {(one.cell_name, one.replicate) for one in map(figure9_job, jobs_of(whole, block, plan.grid))}
        (name,) = {name for name, _ in fits}
        assert name in names
        assert {replicate for _, replicate in fits} == set(range(10))


# -- who judges --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["profile", "belief", "model"])
def test_fresh_people_are_a_random_sample_of_the_population(name):
    """Their mean at a question is the truth. False alarm: 1e-4 over 6 questions and 3 readings (Bonferroni, z)."""
    n = 3000
    one = job(reading=name, noise=0.5, n=n, diversity=0.7, truth_draws=20_000)
    judges = fresh_people(one, figure9_job(one), n)
    assert judges.answers.shape == (6, n)
    assert judges.complete.all()
    error = judges.answers.std(axis=1, ddof=1) / np.sqrt(n)
    truth_error = np.sqrt(1.0 / 20_000)  # profiles move a mean belief by less than 1
    z = (judges.answers.mean(axis=1) - judges.truth) / np.hypot(error, truth_error)
    assert np.abs(z).max() < stats.norm.isf(0.5e-4 / 18)


def test_own_people_gave_the_very_answers_that_the_fit_learned_from():
    told = figure9_job(job())
    (got,) = responses_of([told])
    judges = own_people(told, got, 4)
    asked = questions_of(told)
    assert np.array_equal(judges.problem, asked.training[:6])
    assert 0 < judges.complete.sum() < 6
    for place, row in enumerate(judges.problem):
        here = np.flatnonzero(got.problem == row)
        count = min(len(here), 4)
        assert np.array_equal(judges.answers[place, :count], got.answer[here[:count]])
        assert np.isnan(judges.answers[place, count:]).all()
        assert np.array_equal(judges.profiles[place, :count], got.profiles[got.worker[here[:count]]])


def test_kappa_is_the_gap_that_just_over_95_percent_of_the_pool_keep():
    told = figure9_job(job(pool=200, held_out=0.2))
    gaps = []
    for people in PEOPLE:
        problem, truth, kappa = judged_questions(told, people)
        gaps.append(np.abs(truth - POPULATION.reference[problem]))
        assert len(problem) == 40
    from crowdllm_stats.studies.simulators.figure9.questions import training_truth

    known = training_truth(POPULATION, 77, 0, 1.0, 200, 40, 50)
    rest = np.abs(known - POPULATION.reference[questions_of(told).training])
    every = np.concatenate([gaps[0], rest])
    assert np.array_equal(gaps[1], rest[:40])
    assert (every <= kappa).sum() == 191
    assert kappa in every


def test_twins_and_crowd_follow_one_law_where_everybody_has_one_profile():
    """Two-sample t by question, one fit. False alarm 1e-4 (Bonferroni over 6 questions)."""
    one = job(diversity=0.0, n=400, N=900)
    group = next(TrainedCrowd.fit([figure9_job(one)], 6).groups([one], [figure9_job(one)]))
    assert group.asked.twins.shape == (1, 6, 400)
    assert group.asked.crowd.shape == (1, 6, 900)
    found = stats.ttest_ind(group.asked.twins[0], group.asked.crowd[0], axis=1, equal_var=False)
    assert found.pvalue.min() > 1e-4 / 6
    assert group.asked.twins.std() > 0.1


def test_crowds_share_profiles_over_cells_and_not_over_replicates():
    from crowdllm_stats.studies.simulators.figure9_coverage.people import crowd_profiles

    shape = {"people": "fresh", "noise": 1.0, "questions": 3, "size": 50}
    one, same, other = (crowd_profiles(POPULATION, 5, replicate, **shape) for replicate in (0, 0, 1))
    assert one.shape == (3, 50, POPULATION.profile_width)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, crowd_profiles(POPULATION, 5, 0, **{**shape, "people": "in-sample"}))


# -- what is counted ---------------------------------------------------------------------------------------------------


def evidence(seed=0, replicates=2, questions=7, n=5, size=30):
    rng = np.random.default_rng(seed)
    truth = rng.normal(3.0, 0.5, (replicates, questions))
    reference = truth + rng.normal(0.0, 0.6, truth.shape)
    human = truth[..., None] + rng.normal(0.0, 1.0, (*truth.shape, n))
    crowd = truth[..., None] + 0.4 + rng.normal(0.0, 1.0, (*truth.shape, size))
    twins = truth[..., None] + 0.4 + rng.normal(0.0, 1.0, human.shape)
    return Evidence(human, twins, crowd, reference, truth, np.full(replicates, 0.9), 0.9)


def test_interval_outcomes_by_hand():
    known = evidence()
    found, wide = judge("classical", known), judge("crowdllm", known)
    t = stats.t.ppf(0.95, 4) * known.human.std(axis=2, ddof=1) / np.sqrt(5)
    inside = np.abs(known.human.mean(axis=2) - known.truth) <= t
    np.testing.assert_allclose(found["covered"], inside.mean(axis=1))
    np.testing.assert_allclose(found["breadth"], (2 * t).mean(axis=1))
    np.testing.assert_allclose(wide["breadth_over_t"], wide["breadth"] / found["breadth"])
    hundredths = replace(
        known, **{name: getattr(known, name) / 100 for name in ("human", "twins", "crowd", "reference", "truth")}
    )
    np.testing.assert_allclose(judge("crowdllm", hundredths)["breadth_over_t"], wide["breadth_over_t"])
    assert np.array_equal(found["judged"], [7.0, 7.0])
    assert np.isnan(found["called"]).all()


def test_safe_outcomes_are_the_risks_themselves():
    known = evidence(seed=3, questions=400)
    mean = known.crowd.mean(axis=2)
    no_worse = (mean - known.truth) ** 2 <= (known.reference - known.truth) ** 2
    exact = judge("safe-exact", known)
    np.testing.assert_allclose(exact["called"], no_worse.mean(axis=1))
    np.testing.assert_allclose(exact["no_worse"], no_worse.mean(axis=1))
    assert np.array_equal(exact["wrong"], [0.0, 0.0])
    published, decided = judge("safe-published", known), judge("safe-decision", known)
    np.testing.assert_allclose(published["right"] + published["wrong"], published["called"])
    assert (published["wrong"] > 0).all()  # the published interval credits the crowd with its own diversity
    assert (decided["right"] <= decided["called"]).all()
    # normal answers: a decision is wrong with probability at most 0.1; 400 questions, false alarm 1e-5 a replicate
    assert (decided["wrong"] <= stats.binom.isf(1e-5, 400, 0.1) / 400).all()


def test_a_question_without_a_number_fails_its_replicate_and_no_question_too():
    known = evidence()
    human = known.human.copy()
    human[1, 3] = 2.0  # nobody differs: the paired slope of the replicate's twins has no residual either
    twins = known.twins.copy()
    twins[1, 3] = 2.0
    odd = Evidence(human, twins, known.crowd, known.reference, known.truth, known.kappa, known.level)
    for method in INTERVALS:
        found = judge(method, odd)
        assert np.isfinite(found["judged"][0])
        assert np.isfinite(found["breadth"][1]) == np.isfinite(found["judged"][1])
    nothing = Evidence(
        *(getattr(known, name)[:, :0] for name in ("human", "twins", "crowd", "reference", "truth")), known.kappa, 0.9
    )
    assert all(np.isnan(judge(method, nothing)["judged"]).all() for method in FIGURE9_COVERAGE.methods)


# -- the simulator -----------------------------------------------------------------------------------------------------


def test_own_people_are_refused_where_questions_have_too_few_of_them():
    cell = job(people="in-sample").cell
    assert FIGURE9_COVERAGE.refuses(cell, "ppi") is None  # 96 answers, 24 training questions, n = 4
    few = job(people="in-sample", n=5).cell
    assert "fewer than n answers" in FIGURE9_COVERAGE.refuses(few, "ppi")
    assert FIGURE9_COVERAGE.refuses(few, "safe-exact") is None
    assert "3 people" in FIGURE9_COVERAGE.refuses(job(n=2).cell, "ppi++-small")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"held_out": 0.6, "questions": 2}, "fewer training than held-out questions"),
        ({"questions": 40}, "questions 40 is more than the 24"),
        (
            {"population": InputFile("mine.csv", "ab12")},
            "population must be an .npz file of CrowdLLM.save; got 'mine.csv'",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        FIGURE9_COVERAGE.check(job(**change).cell)


def design(tmp_path):
    return make_design(
        {
            "title": "small",
            "simulator": "figure9-coverage",
            "methods": ["classical", "crowdllm", "ppi", "safe-published", "safe-exact", "safe-decision"],
            "measures": ["covered", "breadth_over_t", "wrong", {"name": "kept", "ratio": "right", "over": "called"}],
            "replicates": 3,
            "seed": 5,
            "block": 12,
            "factors": {"noise": [0.5, 1.0], "people": ["fresh", "in-sample"], "n": [3, 4]},
            "fixed": {key: SMALL[key] for key in SMALL if key not in ("noise", "people", "n")},
        },
        "small",
    )


def test_a_study_runs_and_concludes(tmp_path):
    made = design(tmp_path)
    store = Store(tmp_path / "blocks", made)
    run_study(made, store)
    results = summarise(made, store)
    table = judged_fits(results)
    assert len(table) == 8 * 3 * 6 - int(results.failures["failed"].sum())
    assert set(OUTCOMES) <= set(table.columns)
    said = verdicts(table, 0.95)
    assert len(said) == 4 * 3 + 2 + 2 + 4  # three intervals, both knowing ones once for either people, the decision
    exact = [one for one in said if one.statement.startswith("the exact interval")]
    assert [one.verdict for one in exact] == ["kept", "kept"]
    assert set(table["questions"]) == {8}
    assert table["judged"].max() == 6
    figure = draw_coverage(table)
    width = figure.axes[1].get_lines()[0]
    assert list(width.get_xdata()) == [96]  # 12 workers, 8 questions each
    assert len(figure.axes) == 3
    # the same fit judges alike in whatever order the block's jobs are
    jobs = jobs_of(made, layout_of(made).blocks[0], layout_of(made).grid)
    ahead, behind = (FIGURE9_COVERAGE.run(order, ["ppi", "safe-exact"]) for order in (jobs, jobs[::-1]))
    for name in ("covered", "breadth", "called"):
        np.testing.assert_allclose(ahead[name], behind[name][::-1], atol=1e-4)


def made_table(rate):
    """Two runs, four replicates, two cells; ``covered`` of run, replicate and cell from ``rate``."""
    rows = [
        {"reading": reading, "length": "steps", "noise": 0.0, "diversity": 1.0, "workers": workers, "questions": 5,
         "people": "fresh", "n": 5, "method": "ppi", "replicate": replicate,
         "covered": rate(place, replicate, workers), "breadth_over_t": 0.5}
        for place, reading in enumerate(("profile", "belief"))
        for replicate in range(4)
        for workers in (1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_replicate_is_the_unit_of_a_verdict():
    low = made_table(lambda run, replicate, workers: 0.90 - 0.01 * run + 0.002 * replicate + 0.001 * workers)
    (found,) = verdicts(low, 0.95)
    assert found.verdict == "broken"
    values = 0.89 + 0.002 * np.arange(4) + 0.0015
    reach = values.std(ddof=1) / 2 * stats.t.ppf(1 - 0.0125, 3)
    assert (
        f"worst {values.mean():.4f} [{values.mean() - reach:.4f}, {values.mean() + reach:.4f}] (belief"
        in found.evidence
    )
    assert "0.500 times Student's t" in found.evidence
    high = made_table(lambda run, replicate, workers: 0.95 + 0.0001 * replicate)
    assert verdicts(high, 0.95)[0].verdict == "kept"
    between = made_table(lambda run, replicate, workers: 0.94 + 0.02 * (replicate - 1.5))
    assert verdicts(between, 0.95)[0].verdict == "undecided"
    single = high[high["replicate"] == 0]
    assert verdicts(single, 0.95)[0].verdict == "undecided"


def test_nothing_judged_is_said():
    with pytest.raises(ValueError, match="no fit was judged"):
        draw_coverage(made_table(lambda *_: 1.0).iloc[:0])


def test_parameters_but_virtual_are_figure_9s():
    assert set(FIGURE9.parameters) - set(FIGURE9_COVERAGE.parameters) == {"virtual"}
