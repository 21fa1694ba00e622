"""The simulator that fits a generator in every replicate: its truth, who has seen whom, and its blocks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from crowdllm_stats import interval
from crowdllm_stats.generator.profiles.columns import ProfileColumn
from crowdllm_stats.generator.profiles.design_law import TableLaw
from crowdllm_stats.studies.engine.compute import compute_block, layout_of
from crowdllm_stats.studies.engine.design_file import make_design, read_design, study_file
from crowdllm_stats.studies.engine.parameters import cell_text
from crowdllm_stats.studies.engine.run import run_study
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import summarise
from crowdllm_stats.studies.simulators.figure9.questions import Questions, ask
from crowdllm_stats.studies.simulators.population import real_population
from crowdllm_stats.studies.simulators.readings import reading
from crowdllm_stats.studies.simulators.trained.digital import Digital, answer_for, folds_of, interval_data
from crowdllm_stats.studies.simulators.trained.kinds import as_answers
from crowdllm_stats.studies.simulators.trained.law import answer_laws
from crowdllm_stats.studies.simulators.trained.profiles import every_profile
from crowdllm_stats.studies.simulators.trained.simulator import FOLDED, PAIRED, TRAINED, _simulate
from crowdllm_stats.studies.simulators.trained.survey import MadePeople, MadeSurvey, draw_survey

POPULATION = real_population("offensiveness")
#: The same with three kinds of people, as a semi-implicit law of what people keep has them.
KINDS = dataclasses.replace(
    POPULATION,
    mean_person=np.array([-1.1, 0.2, 0.9]),
    tau_person=np.array([0.3, 0.5, 0.2]),
    mean_spread=np.array([0.4, -0.1, -0.3]),
    tau_spread=np.array([0.2, 0.4, 0.3]),
)


def job(replicate=0, **changes):
    cell = {name: known.default for name, known in TRAINED.parameters.items() if known.default is not None}
    cell |= {
        "residuals": "in-sample",
        "n": 6,
        "N": 7,
        "problems": 2,
        "folds": 3,
        "steps": 100,
        "strangers": 8,
        **changes,
    }
    return Job(cell, replicate, 77, cell_text(cell, TRAINED.parameters))


def drawn(one, **changes):
    told = {"questions": 2, "n": 6, "strangers": 8, "crowd": 7, "family": "normal", "noise": 0.65, **changes}
    return draw_survey(one, POPULATION, **told)


def study(**changes):
    content = {
        "simulator": "trained",
        "factors": {"family": ["normal", "ordinal"], "residuals": ["in-sample", "fresh"], "n": [6]},
        "fixed": {"N": 7, "problems": 2, "steps": 100, "strangers": 8},
        "methods": ["classical", "crowdllm", "ppi", "ppi++-small"],
        "measures": ["coverage", "width_ratio", "memory", "covered"],
        "reference": "classical",
        "replicates": 4,
        "seed": 5,
        "block": 3,
    }
    return make_design({**content, **changes}, "made")


# -- the truth ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("population", [POPULATION, KINDS], ids=["normal", "three kinds"])
def test_truth_is_the_mean_of_the_answers_that_figure_9_draws(population):
    """60,000 people by another road: each of 6 means within 4.5 standard errors (rate 4e-5), each sd within 2%."""
    rows = np.array([3, 700, 1200])
    asked = Questions(rows, rows[:0], np.empty(0), 0.0, 0.0)
    rng = np.random.default_rng(8)
    people = population.profiles(rng.random((60_000, population.n_uniforms)), 1.0)
    got = ask(population, asked, reading("model"), 1.0, 0.65, people, 3, rng)
    for family in ("normal", "ordinal"):
        for row, law in zip(rows, answer_laws(population, rows, family, 0.65), strict=True):
            answers = got.answer[got.problem == row]
            answers = answers if family == "normal" else np.clip(np.round(answers), 1, 5)
            assert answers.size == 60_000
            assert answers.mean() == pytest.approx(law.mean, abs=4.5 * answers.std() / np.sqrt(60_000))
            assert answers.std() == pytest.approx(law.sd, rel=0.02)


def test_more_nodes_change_nothing():
    rows = np.arange(0, 1500, 300)
    for few, many in zip(
        answer_laws(POPULATION, rows, "ordinal", 0.1),
        answer_laws(POPULATION, rows, "ordinal", 0.1, nodes=90),
        strict=True,
    ):
        assert few.mean == pytest.approx(many.mean, abs=1e-8)
        assert few.sd == pytest.approx(many.sd, abs=1e-8)


def test_every_profile_has_the_share_that_the_population_draws():
    """40,000 people of the population's own draws, and as many drawn here: chi-squared, false alarm 1e-4 each."""
    everybody = every_profile(POPULATION)
    assert everybody.shares.sum() == pytest.approx(1.0)
    rng = np.random.default_rng(3)
    theirs = POPULATION.profiles(rng.random((40_000, POPULATION.n_uniforms)), 1.0)
    known = {tuple(profile): place for place, profile in enumerate(everybody.coded.tolist())}
    assert len(known) == len(everybody.coded)
    usual = everybody.shares * 40_000 >= 10
    for people in (theirs, everybody.draw(40_000, rng)):
        counts = np.bincount([known[tuple(profile)] for profile in people.tolist()], minlength=len(known))
        seen = np.append(counts[usual], counts[~usual].sum())
        expected = 40_000 * np.append(everybody.shares[usual], everybody.shares[~usual].sum())
        assert stats.chisquare(seen, expected).pvalue > 1e-4


def test_profiles_of_a_law_that_is_not_discrete_are_refused():
    column = ProfileColumn("age", "continuous", ())
    law = TableLaw((column,), np.zeros((1, 1), dtype=np.int64), np.ones(1))
    with pytest.raises(ValueError, match="law of discrete columns; the population's is a TableLaw with columns age"):
        every_profile(dataclasses.replace(POPULATION, law=law))
    with pytest.raises(ValueError, match="family must be one of"):
        answer_laws(POPULATION, np.array([1]), "binary", 0.5)
    with pytest.raises(ValueError, match="family must be one of"):
        as_answers(np.ones(3), "binary")


# -- who has seen whom -------------------------------------------------------------------------------------------------


def answered(survey, folds):
    """What the generators of one replicate answer; three side by side, so that tests share a compiled program."""
    return answer_for([job()] * 3, [survey] * 3, POPULATION, folds=folds, batch=32, steps=100)[1]


def changed(survey, person):
    """The same survey, one person's answers 2 higher."""
    answers = survey.learned.answers.copy()
    answers[person] += 2.0
    return dataclasses.replace(survey, learned=MadePeople(survey.learned.profiles, answers))


@pytest.mark.parametrize("folds", [None, 3])
def test_only_fits_that_saw_a_person_follow_his_answer(folds):
    survey, person = drawn(job()), 4
    before, after = answered(survey, folds), answered(changed(survey, person), folds)
    if folds is None:
        assert before.learned.shape == (1, 6, 2)
        assert before.crowd.shape == (1, 7, 2)
        one, other = (interval_data(survey, some, "in-sample").twins for some in (before, after))
        assert np.all(one != other)
        return
    assert before.learned.shape == (3, 6, 2)
    assert before.crowd.shape == (3, 7, 2)
    own = folds_of(6, 3)
    assert own.tolist() == [0, 1, 2, 0, 1, 2]
    twins = [interval_data(survey, some, "cross-fitted").twins for some in (before, after)]
    np.testing.assert_array_equal(twins[0][:, own == own[person]], twins[1][:, own == own[person]])
    assert np.all(twins[0][:, own != own[person]] != twins[1][:, own != own[person]])
    np.testing.assert_array_equal(before.crowd[own[person]], after.crowd[own[person]])
    assert np.all(np.delete(before.crowd, own[person], axis=0) != np.delete(after.crowd, own[person], axis=0))


def test_nobody_learns_from_strangers():
    survey = drawn(job())
    higher = MadePeople(survey.strangers.profiles, survey.strangers.answers + 2.0)
    before, after = answered(survey, None), answered(dataclasses.replace(survey, strangers=higher), None)
    np.testing.assert_array_equal(before.strangers, after.strangers)
    np.testing.assert_array_equal(before.crowd, after.crowd)


def test_twins_of_strangers_and_crowd_answer_by_one_rule():
    """600 strangers' twins and 700 of the crowd, all new to the fit: Kolmogorov-Smirnov, false alarm 1e-4 each."""
    survey = drawn(job(), strangers=600, crowd=700)
    digital = answered(survey, None)
    for question in range(2):
        assert stats.ks_2samp(digital.strangers[0, :, question], digital.crowd[0, :, question]).pvalue > 1e-4
    rounded = dataclasses.replace(survey, family="ordinal")
    digital = answered(rounded, None)
    assert set(np.unique(digital.crowd)) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert set(np.unique(digital.learned)) <= {1.0, 2.0, 3.0, 4.0, 5.0}


def by_hand(folds):
    """Answers that say whose they are: generator k's twin of person i is 100 k + 10 i + t."""
    k, n, strangers, crowd = (2 if folds is not None else 1), 4, 5, 3

    def said(people, start):
        whose = 10.0 * np.arange(people)[:, None] + np.arange(2) + start
        return 100.0 * np.arange(k)[:, None, None] + whose

    human = np.array([[3.0, 1.0], [4.0, 1.0], [8.0, 2.0], [9.0, 6.0]])
    others = np.arange(10.0).reshape(5, 2) ** 2
    learned, unseen = MadePeople(np.zeros((n, 1)), human), MadePeople(np.zeros((strangers, 1)), others)
    survey = MadeSurvey(np.array([8, 9]), learned, unseen, np.zeros((crowd, 1)), "normal")
    return survey, Digital(said(n, 0.0), said(strangers, 0.5), said(crowd, 0.25), folds)


def test_judged_people_are_those_of_the_kind_of_residuals():
    survey, digital = by_hand(None)
    own, fresh = interval_data(survey, digital, "in-sample"), interval_data(survey, digital, "fresh")
    np.testing.assert_array_equal(own.human, survey.learned.answers.T)
    np.testing.assert_array_equal(own.twins, [[0, 10, 20, 30], [1, 11, 21, 31]])
    np.testing.assert_array_equal(fresh.human, survey.strangers.answers[:4].T)
    np.testing.assert_array_equal(fresh.twins, [[0.5, 10.5, 20.5, 30.5], [1.5, 11.5, 21.5, 31.5]])
    np.testing.assert_array_equal(fresh.crowd, [[0.25, 10.25, 20.25], [1.25, 11.25, 21.25]])
    survey, digital = by_hand(np.array([0, 1, 0, 1]))
    folded = interval_data(survey, digital, "cross-fitted")
    np.testing.assert_array_equal(folded.twins, [[0, 110, 20, 130], [1, 111, 21, 131]])
    assert folded.crowd.shape == (2, 2, 3)
    np.testing.assert_array_equal(folded.crowd[1], [[1.25, 11.25, 21.25], [101.25, 111.25, 121.25]])


def test_sds_of_residuals_are_pooled_over_generators_and_questions():
    survey, digital = by_hand(np.array([0, 1, 0, 1]))
    found = interval_data(survey, digital, "cross-fitted")
    # Generator 0 has seen people 1 and 3, generator 1 people 0 and 2; a pair's variance is half its squared difference.
    seen = [(9 - 30) - (4 - 10), (6 - 31) - (1 - 11), (8 - 120) - (3 - 100), (2 - 121) - (1 - 101)]
    assert found.seen_sd == pytest.approx(np.sqrt(np.mean([0.5 * gap**2 for gap in seen])))
    new = [np.var(survey.strangers.answers[:, t] - 10.0 * np.arange(5), ddof=1) for t in range(2)]
    assert found.new_sd == pytest.approx(np.sqrt(np.mean(new)))
    survey, digital = by_hand(None)
    gaps = survey.learned.answers - 10.0 * np.arange(4)[:, None]
    assert interval_data(survey, digital, "fresh").seen_sd == pytest.approx(np.sqrt(gaps.var(axis=0, ddof=1).mean()))


def test_long_fits_remember():
    """Fixed seeds: 9 fits of 400 steps to 6 people and 2 questions; about 0.6, and 1 without any memory."""
    blocks = [[job(r, steps=400, strangers=100) for r in range(first, first + 3)] for first in (0, 3, 6)]
    found = [TRAINED.run(block, ["classical"]) for block in blocks]
    memory = np.concatenate([one["memory"] for one in found])
    np.testing.assert_allclose(memory, np.concatenate([one["seen_sd"] / one["new_sd"] for one in found]))
    assert memory.mean() < 0.8


# -- the simulator -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("residuals", "family"), [("in-sample", "ordinal"), ("fresh", "normal"), ("cross-fitted", "ordinal")]
)
def test_intervals_are_those_of_the_public_door(residuals, family):
    made = [job(r, residuals=residuals, family=family, level=0.9) for r in (0, 1, 5)]
    methods = [name for name in TRAINED.methods if TRAINED.refuses(made[0].cell, name) is None]
    found = TRAINED.run(made, methods)
    bounds = (1, 5) if family == "ordinal" else None
    for place, one in enumerate(_simulate(made, steps=100)):
        rows = made[place].shared_rng("questions").permutation(1500)[:2]
        laws = answer_laws(POPULATION, rows, family, 0.65)
        assert np.all(found["truth"][place] == laws[0].mean)
        np.testing.assert_allclose(found["null"][place], laws[0].mean - 0.5 * laws[0].sd)
        for number, method in enumerate(methods):
            theirs = interval(one.human, one.twins, one.crowd, method=method, level=0.9, bounds=bounds, folds=one.folds)
            np.testing.assert_allclose(found["lower"][place, number], theirs.lower[0], rtol=1e-12)
            np.testing.assert_allclose(found["upper"][place, number], theirs.upper[0], rtol=1e-12)
            np.testing.assert_allclose(found["estimate"][place, number], theirs.estimate[0], rtol=1e-12)
            means = np.array([law.mean for law in laws])
            inside = (theirs.lower <= means) & (means <= theirs.upper)
            assert found["covered"][place, number] == inside.mean()


def test_questions_are_the_replicates_and_people_the_cells():
    one, other = drawn(job()), drawn(job(residuals="fresh"))
    np.testing.assert_array_equal(one.questions, other.questions)
    np.testing.assert_array_equal(one.questions, drawn(job(), questions=5).questions[:2])
    assert not np.array_equal(one.questions, drawn(job(1)).questions)
    assert not np.array_equal(one.learned.answers, other.learned.answers)
    assert len(one.strangers.answers) == 8
    assert len(drawn(job(), n=11).strangers.answers) == 11


def test_cells_that_share_a_block_keep_apart():
    """Three jobs of three cells beside each other, and each beside copies of itself: equal but for float32 rounding."""
    mixed = [job(2), job(2, family="ordinal"), job(2, residuals="fresh", noise=0.1)]
    methods = ["classical", "classical-small", "ppi"]
    beside = TRAINED.run(mixed, methods)
    for place, one in enumerate(mixed):
        alone = TRAINED.run([one] * 3, methods)
        for name, values in beside.items():
            np.testing.assert_allclose(values[place], alone[name][0], rtol=1e-4, err_msg=name)
    assert np.isnan(beside["lower"][:, 1]).tolist() == [True, False, True]
    assert not np.isnan(beside["lower"][:, [0, 2]]).any()
    assert len({TRAINED.shape(one.cell) for one in mixed}) == 1
    assert TRAINED.shape(job(residuals="cross-fitted").cell) != TRAINED.shape(mixed[0].cell)
    assert TRAINED.shape(job(n=9).cell) != TRAINED.shape(mixed[0].cell)


def test_blocks_are_the_same_bytes_in_any_order():
    """Blocks of 3 jobs over cells of 4 replicates, so that families and residuals share them."""
    design = study()
    count = len(layout_of(design).blocks)
    assert count == 6
    forth = [compute_block(design, number).content for number in range(count)]
    back = [compute_block(design, number).content for number in reversed(range(count))]
    assert forth == back[::-1]
    assert len(set(forth)) == count


def test_pairs_that_do_not_apply_say_why():
    cell = job().cell
    folded, ordinal = {**cell, "residuals": "cross-fitted"}, {**cell, "family": "ordinal"}
    for method in FOLDED:
        assert TRAINED.refuses(cell, method) == "it needs a generator for each fold"
        assert TRAINED.refuses(folded, method) is None
    for method in PAIRED:
        assert TRAINED.refuses(folded, method) == "it knows one generator, not one for each fold"
        assert TRAINED.refuses(cell, method) is None
    assert TRAINED.refuses(cell, "classical-small") == "it needs the ends of the scale"
    assert TRAINED.refuses(ordinal, "classical-small") is None
    assert TRAINED.refuses({**cell, "n": 2}, "ppi++-small") == "it needs 3 people"
    with pytest.raises(ValueError, match="'cross-fitted' does not apply to .* it needs a generator for each fold"):
        study(methods=["classical", "cross-fitted"])


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="needs equal folds of 2 people or more; n is 6 and folds 4"):
        study(factors={"residuals": ["cross-fitted"]}, fixed={"n": 6, "folds": 4}, methods=["classical"])
    with pytest.raises(ValueError, match="n is 4 and folds 4: let n be 2, 3, ... times folds"):
        study(factors={"residuals": ["cross-fitted"]}, fixed={"n": 4, "folds": 4}, methods=["classical"])
    with pytest.raises(ValueError, match="must be one of 'in-sample', 'cross-fitted', 'fresh'; got 'old'"):
        study(factors={"residuals": ["old"], "n": [6]})
    survey, digital = by_hand(None)
    with pytest.raises(ValueError, match="residuals 'cross-fitted' needs digital answers with folds"):
        interval_data(survey, digital, "cross-fitted")
    with pytest.raises(ValueError, match="residuals 'fresh' needs digital answers without folds"):
        interval_data(*by_hand(np.array([0, 1, 0, 1])), "fresh")
    with pytest.raises(ValueError, match="residuals must be one of"):
        interval_data(survey, digital, "old")


def test_a_small_study_runs_from_end_to_end(tmp_path):
    skip = [
        {"method": "cross-fitted-small", "when": {"residuals": ["in-sample"]}, "reason": "no folds"},
        {"method": "ppi", "when": {"residuals": ["cross-fitted"]}, "reason": "folds"},
    ]
    design = study(
        factors={"residuals": ["in-sample", "cross-fitted"], "n": [6]},
        fixed={"N": 7, "problems": 2, "steps": 100, "strangers": 8, "folds": 3, "family": "ordinal"},
        methods=["classical", "classical-small", "ppi", "cross-fitted-small"],
        skip=skip,
    )
    store = Store(tmp_path, design)
    run_study(design, store)
    table = summarise(design, store).frame
    assert len(table) == 2 * 4 * 4
    ran = table[table["note"] == ""]
    assert len(ran) == 2 * 3 * 4
    assert (ran["failed"] == 0).all()
    assert (ran["replicates"] == 4).all()
    assert ran["value"].notna().all()
    assert ran.loc[ran["measure"] == "memory", "value"].between(0.3, 1.7).all()


def test_the_studys_own_file_reads():
    design = read_design(study_file("coverage_trained"))
    assert design.n_cells == 36
    assert design.replicates == 500
