"""Figure 9's population, readings, questions and fits; small sizes."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

from crowdllm_stats import load_example
from crowdllm_stats.backbones import RecordedBackbone
from crowdllm_stats.cli import main
from crowdllm_stats.generator.belief import TrainingData
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.kept import drawn as drawn_effects
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator
from crowdllm_stats.generator.shipped import load_population
from crowdllm_stats.generator.training import starting_values
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.parameters import cell_text
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.simulators.figure9.questions import ask, questions
from crowdllm_stats.studies.simulators.figure9.samples import (
    belief_sd_of,
    examinations,
    learned,
    population_of,
    questions_of,
    responses_of,
)
from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9
from crowdllm_stats.studies.simulators.fits import (
    PAPER,
    FitSample,
    _draws,
    _orders,
    _starts,
    _training_data,
    draw_beliefs,
    fit,
)
from crowdllm_stats.studies.simulators.population import COORDINATES, RealPopulation, profiles_alone, real_population
from crowdllm_stats.studies.simulators.readings import READINGS, reading

POPULATION = real_population("offensiveness")


def job(replicate=0, **changes):
    cell = {name: known.default for name, known in FIGURE9.parameters.items() if known.default is not None}
    cell |= {"reading": "profile", "length": "steps", "noise": 1.0, "diversity": 1.0, "workers": 3, "questions": 4,
             "steps": 6, "pool": 30, "virtual": 5, "truth_draws": 50, **changes}  # fmt: skip
    return Job(cell, replicate, 77, cell_text(cell, FIGURE9.parameters))


def sample(one):
    (got,) = responses_of([one])
    return learned(one, got), examinations([one], [got])[0]


# -- the population ----------------------------------------------------------------------------------------------------


def test_belief_is_the_fitted_networks_with_problem_effects_at_zero():
    """What the library predicts for problems at their typical effect, person effects averaged out, is y_ref + m."""
    model = load_population("offensiveness")
    problems = np.array([3, 700, 1499])
    names = [model.fitted.problems[row] for row in problems]
    people = model.fitted.profiles.head(4)
    predicted = model.predict(names, effect="typical", people=people)
    own = POPULATION.mean_belief(problems, model.fitted.encoder.transform(people))
    np.testing.assert_allclose(own, predicted.belief_mean, atol=0.02)


def test_mean_belief_is_the_mean_over_people():
    uniforms = np.random.default_rng(1).random((7, POPULATION.n_uniforms))
    people = POPULATION.profiles(uniforms, 1.0)
    problems = np.array([5, 9, 11])
    each = [POPULATION.belief(problems, np.tile(one, (3, 1)))[0] for one in people]
    np.testing.assert_allclose(POPULATION.mean_belief(problems, people), np.mean(each, axis=0), atol=1e-6)


def test_without_profile_noise_everybody_is_the_same():
    uniforms = np.random.default_rng(2).random((40, POPULATION.n_uniforms))
    assert len(np.unique(POPULATION.profiles(uniforms, 0.0), axis=0)) == 1
    assert len(np.unique(POPULATION.profiles(uniforms, 1.0), axis=0)) > 10


def test_populations_that_do_not_fit_are_refused():
    model = load_population("offensiveness")
    other = model.with_recruiter(ProfileGenerator.from_pool(model.fitted.profiles.head(200), k_anonymity=2))
    with pytest.raises(ValueError, match="redraws people"):
        RealPopulation.of(other)
    for change in ({"objective": "paper"}, {"mixing": "profile"}, {"person_effects": False}):
        other.settings = model.with_settings(**change).settings
        with pytest.raises(ValueError, match="likelihood objective with person effects"):
            RealPopulation.of(other)


def test_a_population_fitted_with_the_defaults_keeps_what_its_law_says():
    """200,000 people, each at one of 256 even components: mean and variance within 0.02 sd and 2%."""
    example = load_example()
    reference = RecordedBackbone(example.reference).reference(example.human.problems)
    model = CrowdLLM(steps=60, held_out=0.0).fit(example.human, reference, seed=1)
    own = RealPopulation.of(model)
    assert own.tau_person.shape == (256,)
    assert np.ptp(own.mean_person) > 0.1
    rng = np.random.default_rng(3)
    shift, log_spread = own.kept(200_000, rng.standard_normal((2, 200_000)), rng)
    noise, uniform = rng.standard_normal((200_000, 2)), rng.random((200_000, model.settings.mixing_dim))
    theirs = [np.asarray(one)[:, 0] for one in drawn_effects(model.fitted.params, noise, uniform)]
    for ours, other in zip((shift, log_spread), theirs, strict=True):
        assert abs(ours.mean() - np.mean(other)) < 0.02 * ours.std()
        assert ours.std() == pytest.approx(np.std(other), rel=0.02)
    assert np.corrcoef(shift, log_spread)[0, 1] == pytest.approx(np.corrcoef(*theirs)[0, 1], abs=0.02)


# -- the readings ------------------------------------------------------------------------------------------------------


def drawn(name, epsilon, workers=4000, each=2):
    rng = np.random.default_rng(5)
    profiles = np.tile(POPULATION.profiles(np.full((1, POPULATION.n_uniforms), 0.5), 0.0), (workers, 1))
    problems = np.full(workers * each, 8)
    worker = np.repeat(np.arange(workers), each)
    delta = reading(name).beliefs(POPULATION, epsilon, problems, worker, profiles, rng)
    mean, sd = POPULATION.belief(problems[:1], profiles[:1])
    return delta.reshape(workers, each) - mean[0], sd[0]


def test_what_the_fit_command_writes_can_be_a_population(tmp_path, monkeypatch):
    """No profile generator, other numbers of coordinates and questions, with an embedding and without."""
    monkeypatch.chdir(tmp_path)
    tiny = ["--setting", "steps=20", "--setting", "held_out=0"]
    words = ["fit", "example:human", "--backbone", "example:reference", *tiny]
    assert main([*words, "--embedding", "tfidf", "--out", "mine.npz"]) == 0
    read = FIGURE9.parameters["population"].read
    mine = read("population", "mine.npz")
    people = real_population(mine)
    assert (people.coordinates, people.profile_width, len(people.reference)) == (16, 5, 12)
    assert len(np.unique(people.profiles(np.random.default_rng(1).random((90, people.n_uniforms)), 1.0), axis=0)) > 3
    one = job(population=mine, pool=12, workers=3, questions=4)
    assert np.isfinite(FIGURE9.run([one], ["crowdllm"])["error"]).all()
    with pytest.raises(ValueError, match="add pool = 12 to the study's fixed values"):
        responses_of([job(population=mine, pool=30)])
    assert main([*words, "--out", "bare.npz"]) == 0
    bare = read("population", "bare.npz")
    assert real_population(bare).coordinates == 5
    assert len({FIGURE9.shape(job(population=source).cell) for source in (mine, bare, "offensiveness")}) == 3
    (tmp_path / "bare.npz").replace("mine.npz")  # fitted again, under the same name
    assert real_population(read("population", "mine.npz")).coordinates == 5
    real_population.cache_clear()
    with pytest.raises(ValueError, match=r"mine.npz has changed since the study was read: run the study again"):
        real_population(mine)


@pytest.mark.parametrize("epsilon", [0.0, 2.0])
def test_belief_reading_keeps_a_deviation_of_sd_epsilon(epsilon):
    delta, _ = drawn("belief", epsilon)
    assert np.array_equal(delta[:, 0], delta[:, 1])
    if epsilon == 0.0:
        assert np.all(delta == 0.0)
        return
    # Kolmogorov-Smirnov against N(0, epsilon^2): fails falsely with probability 1e-4.
    assert stats.kstest(delta[:, 0] / epsilon, "norm").pvalue > 1e-4


@pytest.mark.parametrize("name", ["profile", "model"])
def test_the_other_readings_have_the_fitted_belief_whatever_epsilon_is(name):
    delta, sd = drawn(name, 0.0)
    assert np.array_equal(delta, drawn(name, 2.0)[0])
    # Covariance of a person's two answers is tau_a^2; 4000 people, so its standard error is about
    # total variance / sqrt(4000): five of them, a false alarm with probability 6e-7.
    total = delta.var()
    assert np.mean(delta[:, 0] * delta[:, 1]) == pytest.approx(POPULATION.tau_person**2, abs=5 * total / np.sqrt(4000))
    assert total > POPULATION.tau_person**2 + 0.5 * sd**2


def test_what_epsilon_scales():
    scaled = {name: (one.profile_noise(0.5), one.model_diversity(0.5)) for name, one in READINGS.items()}
    assert scaled == {
        "profile": (0.5, 1.0), "belief": (1.0, 1.0), "model": (1.0, 0.5), "uniform": (0.5, 1.0)
    }  # fmt: skip
    with pytest.raises(ValueError, match="reading must be one of"):
        reading("beliefs")


def realised(name, epsilon, people=3000):
    """sd over new people of their beliefs about 7 questions, and what the reading says it is."""
    one = job(reading=name, diversity=epsilon, pool=35, truth_draws=5000)
    population, asked, rng = population_of(one), questions_of(one), np.random.default_rng(11)
    profiles = population.profiles(rng.random((people, population.n_uniforms)), reading(name).profile_noise(epsilon))
    every = np.repeat(asked.test, people)
    worker = np.tile(np.arange(people), len(asked.test))
    delta = reading(name).beliefs(population, epsilon, every, worker, profiles, rng)
    return np.sqrt(delta.reshape(len(asked.test), people).var(axis=1).mean()), belief_sd_of(one)


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_the_realised_sd_of_beliefs_is_that_of_people(name, epsilon):
    """3,000 people, 5,000 others behind the stated number: within a tenth, or 0 for both; the seeds are fixed."""
    found, said = realised(name, epsilon)
    if (name, epsilon) == ("uniform", 0.0):
        assert found == pytest.approx(0.0, abs=1e-9)
        assert said == pytest.approx(0.0, abs=1e-6)
        return
    assert said == pytest.approx(found, rel=0.1)


def test_profiles_alone_make_beliefs_as_far_apart_as_before():
    alone = profiles_alone(POPULATION)
    rng = np.random.default_rng(13)
    problems = np.arange(3, 1500, 50)
    people = POPULATION.profiles(rng.random((20_000, POPULATION.n_uniforms)), 1.0)
    before, after = POPULATION.moments(problems, people), alone.moments(problems, people)
    whole = POPULATION.belief_variance(before.between.mean(), before.within.mean())
    # Two samples of 20,000 people each, skewed: their variances differ by less than 10%.
    assert alone.belief_variance(after.between.mean(), after.within.mean()) == pytest.approx(whole, rel=0.1)
    np.testing.assert_allclose(after.within, 0.0)
    np.testing.assert_allclose(after.mean, before.mean, atol=0.06)
    ratio = alone.stretch
    np.testing.assert_allclose(after.between, ratio**2 * before.between, rtol=1e-6)
    one = POPULATION.profiles(rng.random((9, POPULATION.n_uniforms)), 0.0)
    np.testing.assert_allclose(alone.moments(problems, one).between, 0.0, atol=1e-12)
    assert profiles_alone(POPULATION) is alone


# -- questions and responses -------------------------------------------------------------------------------------------


def people(n):
    return POPULATION.profiles(np.random.default_rng(2).random((n, POPULATION.n_uniforms)), 1.0)


def test_people_drawn_together_are_those_drawn_alone():
    jobs = [job(reading="profile", diversity=2.0), job(reading="belief", replicate=1), job(reading="uniform"),
            job(reading="profile", diversity=2.0, workers=7)]  # fmt: skip
    for together, one in zip(responses_of(jobs), jobs, strict=True):
        (alone,) = responses_of([one])
        np.testing.assert_array_equal(together.profiles, alone.profiles)
        np.testing.assert_array_equal(together.answer, alone.answer)


def test_questions_are_the_replicates_and_answers_the_cells():
    one, other = sample(job()), sample(job(noise=2.0))
    assert np.array_equal(one[1].asked.test, other[1].asked.test)
    assert np.array_equal(one[1].asked.truth, other[1].asked.truth)
    assert not np.array_equal(one[0].answer, other[0].answer)
    assert not np.array_equal(one[1].asked.test, sample(job(replicate=1))[1].asked.test)
    asked = one[1].asked
    assert len(asked.test) == 6
    assert len(asked.training) == 24
    assert not set(asked.test) & set(asked.training)
    assert not np.array_equal(asked.truth, sample(job(diversity=2.0))[1].asked.truth)


def test_responses_are_reference_plus_belief_plus_noise():
    asked = questions(POPULATION, 1, 0, 1.0, 30, 6, 20)
    loud, quiet = (
        ask(POPULATION, asked, reading("belief"), 0.0, noise, people(300), 20, np.random.default_rng(3))
        for noise in (2.0, 0.0)
    )
    assert np.array_equal(loud.problem, quiet.problem)
    assert set(loud.problem) <= set(asked.training)
    assert all(len(set(one)) == 20 for one in loud.problem.reshape(300, 20))
    mean = POPULATION.belief(quiet.problem, quiet.profiles[quiet.worker])[0]
    np.testing.assert_allclose(quiet.answer, POPULATION.reference[quiet.problem] + mean, atol=1e-12)
    # False alarm with probability 1e-4.
    assert stats.kstest((loud.answer - quiet.answer) / 2.0, "norm").pvalue > 1e-4


def test_too_few_questions_are_refused():
    with pytest.raises(ValueError, match="a pool of 5 questions with 5 held out"):
        questions(POPULATION, 1, 0, 1.0, 5, 5, 20)
    asked = questions(POPULATION, 1, 0, 1.0, 9, 3, 20)
    with pytest.raises(ValueError, match="7 questions per worker are wanted; the pool has 6"):
        ask(POPULATION, asked, reading("model"), 1.0, 0.0, people(2), 7, np.random.default_rng(1))
    content = {"simulator": "figure9", "factors": {"questions": [5]}, "methods": ["crowdllm"], "measures": ["error"],
               "fixed": {"reading": "model", "length": "steps", "noise": 0, "diversity": 1, "workers": 2, "pool": 6},
               "replicates": 2, "seed": 1}  # fmt: skip
    assert make_design(content, "fits").n_cells == 1
    with pytest.raises(ValueError, match="questions 6 is more than the 5 that a pool of 6 has for training"):
        make_design({**content, "factors": {"questions": [6]}}, "does-not-fit")


# -- the fits ----------------------------------------------------------------------------------------------------------


def made(seed, n=7, n_x=3, diversity=1.0):
    rng = np.random.default_rng(seed)
    x, v, reference = rng.normal(size=(n, n_x)), rng.normal(size=(n, 2)), rng.normal(3.0, 1.0, n)
    return FitSample(x, v, reference, reference - reference.mean(), reference + x[:, 0], diversity, seed,
                  np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2]))  # fmt: skip


def test_fits_start_as_crowdllms_do():
    data = TrainingData(*[None] * 11)._replace(x=np.zeros((9, 3)), v=np.zeros((5, 2)))
    wanted = starting_values(PAPER, data, 0.7)(jax.random.key(6))
    found = _starts(3, 2, np.array([4, 6], np.uint32), np.array([1.3, 0.7], np.float32))
    for part in ("encoder", "decoder"):
        assert found[part].keys() == wanted[part].keys()
        for name, values in wanted[part].items():
            np.testing.assert_allclose(found[part][name][1], values, rtol=1e-6, err_msg=name)


def test_a_fit_does_not_depend_on_its_neighbours():
    alone = fit([made(1), made(2)], batch=4, steps=9)
    beside = fit([made(5), made(1)], batch=4, steps=9)
    for part, other, start in zip(*map(jax.tree.leaves, (alone.trained, beside.trained, alone.untrained)), strict=True):
        np.testing.assert_allclose(part[0], other[1], rtol=1e-5, atol=1e-6)
        assert not np.array_equal(part[0], start[0])


def test_steps_are_those_of_adam():
    """Against optax in a plain loop on the same batches and draws."""
    import optax

    some, again = [made(3), made(4)], [made(3), made(4)]
    draws = _draws(again, 4, 0, 9)
    batches = [_orders(one.order, 7, 4, 9) for one in again]
    own = jax.tree.map(lambda leaf: leaf[0], _training_data(again, 4))
    ours = fit(some, batch=4, steps=9)
    params = jax.tree.map(lambda leaf: leaf[0], ours.untrained)
    optimiser = optax.adam(1e-3)
    state = optimiser.init(params)

    @jax.jit
    def follow(params, state, drawn, rows):
        change, state = optimiser.update(jax.grad(PAPER.paper_loss)(params, drawn, own.take(rows, 1.0)), state)
        return optax.apply_updates(params, change), state

    for step in range(9):
        drawn = jax.tree.map(lambda leaf, step=step: leaf[step, 0], draws)
        params, state = follow(params, state, drawn, batches[0][step])
    for ours_leaf, leaf in zip(*map(jax.tree.leaves, (ours.trained, params)), strict=True):
        np.testing.assert_allclose(ours_leaf[0], leaf, rtol=1e-3, atol=2e-5)


def test_every_epoch_goes_through_all_answers():
    orders = _orders(np.random.default_rng(1), 7, 4, 6)
    assert orders.shape == (6, 4)
    for epoch in orders.reshape(3, 8):
        assert sorted(epoch[:7]) == list(range(7))
        assert epoch[7] == epoch[0]
    with pytest.raises(ValueError, match=r"equal size; got \[6, 7\]"):
        fit([made(1), made(2, n=6)], batch=4, steps=2)


def test_a_fit_that_fails_has_no_numbers_and_its_neighbour_has():
    broken = made(2)
    broken.answer[:] = np.nan
    fits = fit([broken, made(1)], batch=4, steps=9)
    x, v, psi, flat = (np.zeros((2, 5, width)) for width in (3, 2, 8, 1))
    delta, sd = draw_beliefs(fits.trained, x, v, flat[..., 0], psi, flat[..., 0], np.ones(2))
    assert np.isnan(delta[0]).all()
    assert np.isfinite(delta[1]).all()
    assert np.isfinite(sd[1]).all()


def test_fits_learn_and_diversity_reaches_the_virtual_workers():
    told = [job(reading="model", diversity=epsilon, noise=0.0, workers=12, questions=20, steps=300)
            for epsilon in (0.0, 2.0)]  # fmt: skip
    made_of = [sample(one) for one in told]
    assert [one.diversity for one, _ in made_of] == [0.0, 2.0]
    found = {name: values[:, 0] for name, values in FIGURE9.run(told, ["crowdllm"]).items()}
    asked = made_of[0][1].asked
    bare = np.abs(POPULATION.reference[asked.test] - asked.truth).mean()
    np.testing.assert_allclose(found["error_reference"], bare)
    assert np.all(np.abs(found["error_untrained"] - bare) > 1e-3)
    assert abs(np.diff(found["error_untrained"])[0]) > 1e-3
    assert found["belief_sd"][0] == found["belief_sd"][1]
    assert np.all(found["error"] < 0.9 * found["error_untrained"])
    assert np.all(found["spread"] > 0.0)


def test_given_coordinates_are_the_texts_components():
    fitted = load_population("offensiveness").fitted
    assert POPULATION.given.shape == (1500, COORDINATES)
    assert fitted.x.shape[1] == COORDINATES + 5
    np.testing.assert_array_equal(POPULATION.given, fitted.x[:, :COORDINATES])
