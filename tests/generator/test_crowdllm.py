"""CrowdLLM on made crowds: what it recovers, that predict and simulate agree, every family, what it refuses."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

jax = pytest.importorskip("jax")

from crowdllm_stats import CrowdData, approval, categorical, continuous, ordinal
from crowdllm_stats.backbones.embedder import Embedding
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.prediction import even_people, predict
from crowdllm_stats.generator.problems import ProblemVectors, features_of
from crowdllm_stats.generator.settings import Settings

from .conftest import GROUP_GAP, NOISE_SD, PEOPLE, PERSON_SD, PROBLEMS, RATED, SMALL, table_of

FAMILIES = ("ordinal", "normal", "truncated", "categorical", "paper")


def wide(data):
    """Answers as people by problems."""
    table = data.responses.pivot_table(index="participant", columns="problem", values="response")
    return table[sorted(table.columns)].to_numpy()


@pytest.fixture(scope="module")
def crowd():
    """4,096 people, half of either group, as the training people are."""
    ids = [f"c{place:04d}" for place in range(4096)]
    return pd.DataFrame({"participant": ids, "group": ["left", "right"] * 2048})


@pytest.fixture(scope="module")
def answered(fits, crowd):
    """Answers of the crowd to all problems, by family, drawn once."""
    return cache(lambda family: fits[family].simulate(people=crowd, seed=11))


def test_recovers_problems_people_groups_and_spread(made, rated):
    """One made crowd with fixed seeds, so the outcome is the same every time; the room is a few posterior sds."""
    shares = made.level_probabilities()
    predicted = rated.predict()
    assert predicted.problems == PROBLEMS
    # The 70 people's own average is 0.07 off the population's (their sd 0.6 / sqrt(70)), common to all problems.
    apart = predicted.mean - shares @ np.arange(1.0, 6.0)
    assert np.std(apart) < 0.13
    assert abs(apart.mean()) < 0.3
    assert np.abs(predicted.probabilities - shares).mean() < 0.04
    params = rated.fitted.params
    assert np.exp(params["log_tau_person"]) == pytest.approx(PERSON_SD, rel=0.35)
    left, right = (rated.predict(people=pd.DataFrame({"group": [name]})).belief_mean for name in ("left", "right"))
    assert (right - left).mean() == pytest.approx(GROUP_GAP, abs=0.65)  # 2 * 35 people: standard error 0.15
    within = predicted.variance.mean()
    values = np.arange(1.0, 6.0)
    assert within == pytest.approx((shares @ values**2 - (shares @ values) ** 2).mean(), rel=0.12)


def test_the_learned_order_of_problems_goes_beyond_the_reference(made, rated):
    told = made.data.responses.groupby("problem")["response"].mean().loc[list(PROBLEMS)]
    assert np.corrcoef(rated.predict().mean, told)[0, 1] > 0.99
    typical = rated.predict(effect="typical")
    assert np.corrcoef(typical.mean, told)[0, 1] < 0.99
    assert rated.fitted.new_problem_sd > 0.1
    assert (typical.variance > 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_are_the_average_of_simulated_answers(fits, answered, crowd, family):
    """Largest of 26 z-values (78 shares of words) for mean and variance below 5: false-alarm rate 1e-4 a family."""
    model = fits[family]
    answers = answered(family)
    predicted = model.predict(people=crowd.drop(columns="participant"))
    if family == "categorical":
        shares = pd.crosstab(answers.responses["problem"], answers.responses["response"], normalize="index")
        found = shares.loc[list(PROBLEMS), list(predicted.answers)].to_numpy()
        error = np.sqrt(predicted.probabilities * (1 - predicted.probabilities) / len(crowd))
        assert predicted.probabilities.shape == (26, 3)
        assert (np.abs(found - predicted.probabilities) < 5 * error + 2e-3).all()  # 2e-3: even draws of 1,024 people
        return
    table = wide(answers)
    assert table.shape == (4096, 26)
    assert (np.abs(table.mean(axis=0) - predicted.mean) < 5 * table.std(axis=0) / 64 + 4e-3).all()
    squares = (table - table.mean(axis=0)) ** 2
    room = 5 * squares.std(axis=0) / 64 + 0.015 * predicted.variance
    assert (np.abs(squares.mean(axis=0) - predicted.variance) < room).all()


def test_people_keep_their_effects_over_problems(made, answered):
    """Correlation within people, of 4,096 digital and 70 human ones (standard error 0.05 by bootstrap; room 4)."""

    def within(table):
        each = np.corrcoef(table, rowvar=False)
        return each[np.triu_indices_from(each, 1)].mean()

    digital, human = within(wide(answered("ordinal"))), within(wide(made.data))
    exact = (PERSON_SD**2 + GROUP_GAP**2 / 4) / (PERSON_SD**2 + GROUP_GAP**2 / 4 + NOISE_SD**2)
    assert digital == pytest.approx(human, abs=0.2)
    assert 0.25 < digital < exact + 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_depends_on_seed_person_and_problem_alone(fits, answered, crowd, family):
    key = ["problem", "participant"]
    whole = answered(family).responses.set_index(key)["response"]
    few = fits[family].simulate(["q07", "q20", "q03"], 60, people=crowd.iloc[:90], seed=11)
    part = few.responses.set_index(key)["response"]
    assert len(part) == 180
    if family in ("normal", "truncated"):
        np.testing.assert_allclose(part.astype(float), whole[part.index].astype(float), rtol=1e-4)
    else:
        assert (part == whole[part.index]).all()
    other = fits[family].simulate(["q07", "q20", "q03"], 60, people=crowd.iloc[:90], seed=12)
    assert (other.responses.set_index(key)["response"] != part).mean() > 0.1


def test_ten_recruits_are_the_first_of_fifty(rated):
    ten, fifty = (rated.simulate(n=n, seed=5) for n in (10, 50))
    first = fifty.select(participants=ten.participants["participant"])
    pd.testing.assert_frame_equal(first.participants, ten.participants)
    pd.testing.assert_frame_equal(first.responses, ten.responses)


def test_the_order_of_people_makes_no_difference(rated, crowd):
    some = crowd.head(40)
    one, other = (rated.simulate(people=table, seed=3).responses for table in (some, some.iloc[::-1]))
    key = ["problem", "participant"]
    pd.testing.assert_frame_equal(
        one.sort_values(key).reset_index(drop=True), other.sort_values(key).reset_index(drop=True)
    )


def test_seeds_far_apart_are_not_the_same(rated, crowd):
    one, other = (wide(rated.simulate(people=crowd.head(40), seed=seed)) for seed in (1, 2**32 + 1))
    assert (one != other).any()


def test_a_named_family_answers_on_a_continuous_scale(answered):
    answers = answered("truncated")
    assert answers.scale == continuous(1, 5)
    assert not np.isin(answers.responses["response"], [1, 2, 3, 4, 5]).any()


def test_fitting_again_on_what_was_fitted_is_the_same_fit(numbers, fits):
    model = fits["normal"]
    again = model.with_settings().fit(numbers.data, model.fitted, seed=1)
    np.testing.assert_allclose(again.predict().mean, model.predict().mean, atol=2e-3)
    np.testing.assert_allclose(again.fitted.effect, model.fitted.effect, atol=5e-3)
    other = model.with_settings().fit(numbers.data, model.fitted, seed=2)
    assert np.abs(other.fitted.effect - model.fitted.effect).max() > 0


def test_the_same_seed_is_the_same_fit_and_compiles_nothing_more(numbers, fits, caplog):
    with jax.log_compiles(True), caplog.at_level(logging.WARNING):
        again = CrowdLLM(**SMALL).fit(numbers.data, numbers.reference, seed=1)
    assert not [line for line in caplog.messages if line.startswith("Compiling") and "_advance" in line]
    np.testing.assert_array_equal(again.fitted.history, fits["normal"].fitted.history)


def test_tuning_says_what_was_tried_and_chooses_the_least_held_out_loss(made):
    told = []
    settings = {**RATED, "ridge": (10.0, 3e3), "refit": False}
    model = CrowdLLM(**settings).fit(made.data, made.reference, seed=3, progress=lambda *at: told.append(at))
    table = model.fitted.tuning
    assert table["ridge"].tolist() == [10.0, 3e3]
    assert np.isfinite(table["loss"]).all()
    assert model.fitted.new_problem_sd == table["sd"][table["loss"].idxmin()]
    assert told[-1] == (640, 640)
    assert model.fitted.n_answers == 26 * 70


def test_the_papers_objective_stops_by_held_out_answers_and_never_later_than_asked(fits):
    fitted = fits["paper"].fitted
    assert fitted.held_out.shape == (5,)
    assert fitted.steps == min(50 * (int(np.argmin(fitted.held_out)) + 1), 230)
    assert fitted.history.shape == (fitted.steps,)


def test_answers_that_are_all_the_same_are_learned(made):
    flat = made.data.responses.assign(response=3.0)
    data = CrowdData.from_frame(flat, participants=made.data.participants, scale=made.data.scale)
    model = CrowdLLM(**RATED).fit(data, made.reference)
    assert model.fitted.skipped == 0
    assert model.predict().probabilities[:, 2].min() > 0.9


def test_the_papers_words_are_answered_as_often_as_trained(worded):
    """The objective's own distribution, not its mode: predicted shares near the people's."""
    settings = {**SMALL, "steps": 300, "objective": "paper", "learning_rate": 0.02}
    model = CrowdLLM(**settings).fit(worded.data, worded.reference, seed=1)
    told = pd.crosstab(worded.data.responses["problem"], worded.data.responses["response"], normalize="index")
    assert np.abs(model.predict().probabilities - told.loc[list(PROBLEMS)].to_numpy()).mean() < 0.1


def test_two_camps_are_found_by_mixing_alone():
    """Camps at -2 (3 of 10) and 2: no one normal comes below its entropy, whatever its parameters; two nearly do."""
    rng = np.random.default_rng(4)
    camp = np.where(rng.random((26, 70)) < 0.3, -2.0, 2.0)
    table = table_of(camp + 0.4 * rng.normal(size=camp.shape), ["all"] * 70)
    reference = Reference.from_probabilities(PROBLEMS, [-1, 1], np.full((26, 2), 0.5))
    settings = {**SMALL, "steps": 700, "learning_rate": 0.03, "ridge_network": 0.1}
    model = CrowdLLM(**settings, mixing_draws=10, mixing_dim=2, person_effects=False, problem_effects=False)
    model.fit(CrowdData.from_frame(table), reference, seed=1)
    one_normal = 0.5 * np.log(2 * np.pi * np.e * table["response"].var())
    assert model.fitted.history[-50:].mean() < one_normal - 0.25


def test_new_problems_need_a_reference_and_get_its_numbers(made, rated):
    shares = np.array([[0.7, 0.2, 0.1, 0.0, 0.0], [0.0, 0.0, 0.1, 0.2, 0.7]])
    new = Reference.from_probabilities(["low", "high"], [1, 2, 3, 4, 5], shares)
    found = rated.predict(["low", "q03", "high"], reference=new)
    known = rated.predict(["q03"])
    assert found.mean[0] + 1 < found.mean[2]
    assert found.mean[1] == pytest.approx(known.mean[0], rel=1e-5)
    answers = rated.simulate(["high", "low"], 9, reference=new).responses
    assert set(answers["problem"]) == {"low", "high"}
    with pytest.raises(ValueError, match=r"1 problem\(s\) are not among the training problems, for instance 'low'"):
        rated.predict(["q03", "low"])
    with pytest.raises(ValueError, match="the generator was fitted with 1.0, 2.0"):
        rated.predict(["low"], reference=Reference.from_probabilities(["low"], [1, 5], [[0.5, 0.5]]))


def test_the_variance_of_a_new_problem_is_averaged_over_its_effect(rated):
    """Beside the mean over 200 evenly spread quantiles of the effect, of sd 1.5."""
    table = rated.problem_table(["q03"], None, None, "typical")
    belief, params = rated.belief(rated.blender), rated.fitted.params
    people = even_people(params, belief, rated.fitted.encoder.transform(rated.fitted.profiles), 256, 0)

    def variance(effect, unknown):
        arrays = [np.repeat(table[name], len(effect), axis=0) for name in ("x", "centred", "reference")]
        names = tuple(f"n{place}" for place in range(len(effect)))
        return predict(belief, params, names, *arrays, effect[:, None], unknown, people, "").variance

    over = variance(1.5 * norm.ppf((np.arange(200) + 0.5) / 200), np.zeros(200)).mean()
    found, known = variance(np.zeros(2), np.array([1.5, 0.0]))
    assert found == pytest.approx(over, rel=0.01)
    assert abs(known / over - 1) > 0.05


def test_an_embedding_is_asked_for_again(numbers):
    rng = np.random.default_rng(0)
    text = Features.of(PROBLEMS, rng.normal(size=(26, 9)))
    vectors = ProblemVectors.fit(PROBLEMS, numbers.reference, text, 4, numbers.reference.mean)
    x = vectors.transform(PROBLEMS, numbers.reference, text)
    assert x.shape == (26, 4 + 5)
    assert vectors.width == 9
    for block in (x[:, :4], x[:, 4:]):
        np.testing.assert_allclose(block.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose((block**2).sum(axis=1).mean(), 8.0)
    gram = x[:, :4].T @ x[:, :4]
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-9)  # principal components, the largest first
    assert (np.diff(np.diag(gram)) < 0).all()
    other = ProblemVectors.from_arrays(vectors.to_arrays())
    np.testing.assert_allclose(other.transform(["q05"], numbers.reference, text), x[5:6], rtol=1e-12)
    with pytest.raises(ValueError, match="give embedding="):
        vectors.transform(["q00"], numbers.reference, None)
    with pytest.raises(ValueError, match="embedding has 8 columns; the generator was fitted with 9"):
        vectors.transform(["q00"], numbers.reference, Features.of(["q00"], np.zeros((1, 8))))
    with pytest.raises(ValueError, match="have no features"):
        CrowdLLM(**SMALL).fit(numbers.data, numbers.reference, embedding=Features.of(["q00"], np.zeros((1, 9))))


def test_what_embed_gives_is_taken_row_by_row_and_another_embedder_is_refused(numbers):
    rows = np.random.default_rng(0).normal(size=(26, 9)).astype(np.float32)
    made = features_of(Embedding(rows, "/models/bge"), PROBLEMS)
    assert (made.problems, made.source) == (tuple(PROBLEMS), "bge")
    np.testing.assert_array_equal(made.table, rows)
    vectors = ProblemVectors.fit(PROBLEMS, numbers.reference, made, 4, numbers.reference.mean)
    other = ProblemVectors.from_arrays(vectors.to_arrays())
    assert other.embedder == "bge"
    with pytest.raises(ValueError, match="made by 'minilm'; the generator was fitted with that of 'bge': embed these"):
        other.transform(["q05"], numbers.reference, features_of(Embedding(rows[:1], "minilm"), ["q05"]))
    with pytest.raises(ValueError, match="embedding holds 26 texts and there are 2 problems; embed one text per"):
        features_of(Embedding(rows, "minilm"), ["q01", "q02"])


def test_another_population_leaves_no_training_profile(made, rated):
    from crowdllm_stats.generator.profiles.profiles import ProfileGenerator

    lefts = ProfileGenerator.from_pool(pd.DataFrame({"group": ["left"] * 5}))
    other = rated.with_recruiter(lefts, n=33, seed=1)
    assert other.fitted.profiles["group"].tolist() == ["left"] * 33
    assert set(other.simulate(n=12).participants["group"]) == {"left"}
    assert other.predict().mean.mean() < rated.predict().mean.mean()
    assert set(rated.fitted.profiles["group"]) == {"left", "right"}
    assert len(other.fitted.people) == len(other.fitted.person_effect) == len(other.fitted.person_spread) == 0
    with pytest.raises(ValueError, match="group"):
        rated.with_recruiter(ProfileGenerator.from_pool(pd.DataFrame({"age": [31.0, 42.0, 40.0]})))


def test_arviz_gets_named_dimensions(fits):
    found = fits["normal"].to_arviz(["q03", "q01"], n=9, seed=2)
    response = found.posterior_predictive["response"]
    assert response.dims == ("chain", "draw", "problem")
    assert response.shape == (1, 9, 2)
    assert response["problem"].to_numpy().tolist() == ["q03", "q01"]
    simulated = fits["normal"].simulate(["q03", "q01"], n=9, seed=2)
    assert response["participant"].dims == ("draw",)
    assert response["participant"].to_numpy().tolist() == simulated.participants["participant"].tolist()
    np.testing.assert_allclose(response[0].to_numpy().T.reshape(-1), simulated.responses["response"], rtol=1e-6)
    assert found.sample_stats["loss"].shape == (1, 250)


def test_it_says_what_it_is(rated, made):
    law = "semi-implicit beliefs (mixing over people, 10 further draws)"
    assert str(CrowdLLM()) == f"CrowdLLM, likelihood objective, {law}, not fitted"
    assert "fitted to 1820 answers of 70 people to 26 problems" in str(rated)
    assert "Prediction of 26 problems" in str(rated.predict())
    frame = rated.predict(["q02", "q01"]).to_frame()
    assert frame["problem"].tolist() == ["q02", "q01"]
    np.testing.assert_allclose(frame[[f"p_{level}" for level in range(1, 6)]].sum(axis=1), 1.0, rtol=1e-5)


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["predict", "simulate", "to_arviz", "save"])
def test_nothing_before_fitting(asked, tmp_path):
    given = {"save": (tmp_path / "model.npz",)}.get(asked, ())
    with pytest.raises(ValueError, match="not fitted; call fit"):
        getattr(CrowdLLM(), asked)(*given)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"objective": "elbo"}, "objective must be one of"),
        ({"family": "gamma"}, "family must be one of"),
        ({"mixing": 5}, "mixing must be one of 'beliefs', 'profile', 'none'; got 5"),
        ({"mixing_draws": 0}, "mixing_draws must be a whole number of at least 1"),
        ({"hidden": 2.5}, "hidden must be a whole number"),
        ({"steps": "many"}, "steps must be a whole number"),
        ({"population": 1}, "population must be a whole number of at least 2"),
        ({"ridge": (1.0, -1.0)}, "ridge must be numbers of at least 0"),
        ({"ridge": "stiff"}, "ridge must be a rectangular array of numbers"),
        ({"ridge_network": ()}, "ridge_network"),
        ({"learning_rate": 0.0}, "learning_rate must be a number from 1e-12"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"ridge_network": float("nan")}, "ridge_network must be numbers"),
        ({"restarts": 2}, "unknown hyper-parameter.s. restarts; there are"),
        ({"held_out": 0.6}, "held_out must be a number from 0 to 0.5; got 0.6"),
        ({"held_out": "some"}, "held_out must be"),
        ({"refit": "yes"}, "refit must be True or False; got 'yes'"),
        ({"step": 3}, "unknown hyper-parameter.s. step; there are"),
    ],
)
def test_hyper_parameters_out_of_range(options, told):
    with pytest.raises(ValueError, match=told):
        CrowdLLM(**options)


def test_whole_numbers_are_whole_whatever_their_type():
    told = Settings(steps=40.0, hidden=np.int64(5), ridge=np.float32(2.0), refit=np.True_)
    assert (told.steps, told.hidden, told.ridge, told.refit) == (40, 5, (2.0,), True)
    assert [type(one) for one in (told.steps, told.hidden, told.refit)] == [int, int, bool]
    assert Settings.from_dict(told.to_dict()) == told


def fit_of(frame, reference, scale, **options):
    return CrowdLLM(**{**SMALL, "steps": 2}).fit(CrowdData.from_frame(frame, scale=scale), reference, **options)


RATING = ordinal([1, 2, 3, 4, 5])
FRAME = pd.DataFrame({"problem": ["a", "a", "b"], "participant": ["u", "v", "u"], "response": [1.0, 2.0, 5.0]})
PLAIN = Reference.from_probabilities(["a", "b"], [1, 2, 3, 4, 5], np.full((2, 5), 0.2))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"frame": FRAME[FRAME["participant"] == "u"]},
            "at least two participants to two problems; data holds 1 and 2",
        ),
        ({"frame": FRAME[FRAME["problem"] == "a"]}, "data holds 2 and 1"),
        ({"reference": PLAIN.select(["a"])}, r"1 problem\(s\) have no reference, for instance 'b'"),
        (
            {"reference": Reference.from_probabilities(["a", "b"], [1, 9], np.full((2, 2), 0.5))},
            "reference answer 9 is",
        ),
        ({"reference": Reference.from_probabilities(["a", "b"], ["no", "yes"], np.full((2, 2), 0.5))}, "are words"),
        ({"scale": ordinal([1, 2, 3])}, "off the scale"),
        ({"seed": -3}, "seed must be a whole number of at least 0; got -3"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"reference": pd.DataFrame({"problem": ["a"]})}, "reference must be a Reference, got DataFrame"),
        ({"reference": "nonsense"}, "reference must be a Reference, got str"),
        ({"embedding": np.zeros((2, 3))}, r"embedding must be Features.*got ndarray; make them with"),
    ],
)
def test_data_that_cannot_be_fitted(change, told):
    with pytest.raises(ValueError, match=told):
        fit_of(**{"frame": FRAME, "reference": PLAIN, "scale": RATING, **change})


def test_a_plain_table_is_no_data():
    with pytest.raises(ValueError, match="data must be a CrowdData, got DataFrame; make one with"):
        CrowdLLM().fit(FRAME, PLAIN)


def test_probabilities_that_are_none():
    with pytest.raises(ValueError, match="probabilities must be non-negative numbers"):
        Reference.from_probabilities(["a"], [1, 2], [[np.nan, 0.5]])


def test_repeats_ballots_words_and_scales_that_do_not_fit(rated, made):
    twice = pd.concat([FRAME, FRAME.head(1)])
    with pytest.raises(ValueError, match="keep one each before fitting"):
        CrowdLLM(**SMALL).fit(CrowdData.from_frame(twice, scale=RATING, repeats="keep"), PLAIN)
    ballots = FRAME.assign(response=[("x",), ("y",), ("x", "y")])
    with pytest.raises(ValueError, match="turn every option into a problem"):
        CrowdLLM().fit(CrowdData.from_frame(ballots, scale=approval(["x", "y"])), PLAIN)
    words = FRAME.assign(response=["no", "yes", "no"])
    other = Reference.from_probabilities(["a", "b"], ["yes", "no"], np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="the reference has answers yes, no; the data's scale is categorical no, yes"):
        CrowdLLM().fit(CrowdData.from_frame(words, scale=categorical(["no", "yes"])), other)
    with pytest.raises(ValueError, match="the generator was fitted on the scale ordinal 1, 2, 3, 4, 5"):
        CrowdLLM().fit(CrowdData.from_frame(FRAME, scale=continuous(1, 5)), rated.fitted)
    with pytest.raises(ValueError, match="2 problem.s. are not among the training problems"):
        CrowdLLM().fit(CrowdData.from_frame(FRAME.assign(group="left"), scale=RATING), rated.fitted)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"problems": []}, "at least one id, each once; got 0"),
        ({"problems": ["q01", "q00", "q01"]}, "each once; got 3, 'q01' more than once"),
        ({"problems": "q01"}, r"problems must be a list of ids; got the text 'q01'; say \['q01'\]"),
        ({"reference": [0.2, 0.8]}, "reference must be a Reference, got list"),
        ({"embedding": [0.2, 0.8]}, "embedding must be Features"),
        ({"problems": ["nowhere"]}, "'nowhere'; give reference="),
        ({"effect": "none"}, "effect must be one of"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"people": pd.DataFrame({"participant": ["a"], "group": ["middle"]})}, "middle"),
        ({"people": pd.DataFrame({"participant": ["a"], "colour": ["red"]})}, "lacks the column"),
        ({"people": pd.DataFrame({"participant": [], "group": []})}, "people has no row"),
        ({"people": ["ann", "bob"]}, "people must be a table with one row per person.*; got list"),
    ],
)
@pytest.mark.parametrize("verb", ["predict", "simulate"])
def test_questions_that_cannot_be_answered(rated, verb, asked, told):
    with pytest.raises(ValueError, match=told):
        getattr(rated, verb)(**asked)


@pytest.mark.parametrize(
    ("people", "n", "told"),
    [
        (pd.DataFrame({"group": ["left"]}), None, "needs a column 'participant'"),
        (pd.DataFrame({"participant": ["a", "a"], "group": ["left"] * 2}), None, "1 different participant"),
        (pd.DataFrame({"participant": ["a", "b"], "group": ["left"] * 2}), 3, "3 are wanted"),
        (pd.DataFrame({"participant": [1, "1"], "group": ["left"] * 2}), None, "1 different participant"),
        (pd.DataFrame({"participant": ["a", None], "group": ["left"] * 2}), None, "'participant' is empty in 1 of 2"),
        (pd.DataFrame({"participant": [], "group": []}), None, "people has no row"),
        (["a", "b"], None, "people must be a table with one row per person or a ProfileGenerator; got list"),
        (None, 0, "n must be a whole number of at least 1"),
    ],
)
def test_people_that_cannot_be_asked(rated, people, n, told):
    with pytest.raises(ValueError, match=told):
        rated.simulate(n=n, people=people)


def test_participation_that_is_none(rated):
    with pytest.raises(ValueError, match=r"participation must be a Participation, got float; make one with"):
        rated.simulate(["q01"], 5, participation=0.5)


def test_ids_of_people_are_read_as_everywhere(rated):
    people = pd.DataFrame({"participant": [3.0, 1.0], "group": ["left", "right"]})
    assert rated.simulate(["q01"], people=people).responses["participant"].tolist() == ["3", "1"]


def test_training_problems_keep_the_reference_that_they_were_fitted_with(made, rated):
    """The same one may be given again; another would be left unread beside the learned effects."""
    same = rated.predict(["q03", "q07"], reference=made.reference).mean
    np.testing.assert_array_equal(same, rated.predict(["q03", "q07"]).mean)
    turned = Reference.from_probabilities(PROBLEMS, [1, 2, 3, 4, 5], made.reference.probabilities[:, :, ::-1])
    for verb in ("predict", "simulate"):
        with pytest.raises(
            ValueError, match="2 training problem.*for instance 'q03'.*or fit again with this reference"
        ):
            getattr(rated, verb)(["q03", "q07"], reference=turned)
    words = Reference.from_probabilities(["q03"], ["no", "yes"], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="the reference has answers no, yes"):
        rated.predict(["q03"], reference=words)


def test_ids_of_the_made_crowd_are_what_the_tests_think(made):
    assert len(set(PEOPLE)) == 70
    assert wide(made.data).shape == (70, 26)


def heaped(width, share_at_ends):
    """Answers 0 to ``width``, the latent ones with the spread that puts about this share on the ends."""
    rng = np.random.default_rng(6)
    spread = width / 2 / norm.isf(share_at_ends / 2)
    level, person = spread * 0.3 * rng.normal(size=(26, 1)), spread * 0.5 * rng.normal(size=70)
    latent = width / 2 + level + person + spread * 0.81 * rng.normal(size=(26, 70))
    data = CrowdData.from_frame(
        table_of(np.clip(latent, 0.0, width).round(2), ["all"] * 70), scale=continuous(0, width)
    )
    half = Reference.from_probabilities(PROBLEMS, [0.0, width], np.full((26, 2), 0.5))
    return data, half


def test_answers_heaped_on_the_ends_of_a_wide_scale_are_modelled_as_heaps():
    """1,820 answers, 2,600 simulated ones: the share on the ends within 0.05, over four standard errors of people."""
    data, half = heaped(100.0, 0.3)
    model = CrowdLLM(**SMALL).fit(data, half, seed=1)
    assert model.settings.family == "censored"
    answers = model.simulate(n=100, seed=2).responses["response"]
    human = data.responses["response"]
    assert answers.isin([0.0, 100.0]).mean() == pytest.approx(human.isin([0.0, 100.0]).mean(), abs=0.05)
    assert answers.std() == pytest.approx(human.std(), rel=0.1)
    assert model.predict().variance.mean() == pytest.approx(data.responses.groupby("problem")["response"].var().mean(),
                                                            rel=0.1)  # fmt: skip
    few, _ = heaped(100.0, 0.02)
    assert model.fit(few, half, seed=1).settings.family is None
    assert CrowdLLM(**SMALL, family="truncated").fit(data, half, seed=1).settings.family == "truncated"
