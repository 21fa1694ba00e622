"""The two objectives against NumPy on a tiny crowd: 3 problems (T), 4 people (N), 7 answers, D = 5, P = 2, H = 6."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

jax = pytest.importorskip("jax")

import jax.numpy as jnp

from crowdllm_stats import categorical, ordinal
from crowdllm_stats.generator import kept
from crowdllm_stats.generator.belief import Belief, TrainingData
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.training_set import weighted

T, N, D, P, H = 3, 4, 5, 2, 6
PROBLEM, PERSON = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([0, 0, 0, 1, 1, 2, 3])
KEYS = 4_000


def data_of(answer=(3.0, 2.5, 4.0, 1.0, 2.0, 5.0, 3.3), k=1):
    rng = np.random.default_rng(5)
    reference = rng.normal(3, 0.5, (T, k)) if k == 1 else np.log(rng.dirichlet(np.ones(k), T))
    arrays = {
        "x": rng.normal(size=(T, D)), "v": rng.normal(size=(N, P)), "reference": reference,
        "centred": reference - reference.mean(axis=0), "weight": np.ones(7), "share": 1.0, "ridge": [2.0, 3.0, 5.0],
        "diversity": 1.0,
    }  # fmt: skip
    kind = jnp.float32 if k == 1 and np.asarray(answer).dtype.kind == "f" else jnp.int32
    whole = {name: jnp.asarray(value, dtype=jnp.float32) for name, value in arrays.items()}
    rows = {"problem": jnp.asarray(PROBLEM), "person": jnp.asarray(PERSON), "answer": jnp.asarray(answer, kind)}
    return TrainingData(**whole, **rows)


def params_of(belief, mixing_weights=1.0):
    """Weights none of which is 0, so that every term of the objective has a value."""
    params = belief.initial(jax.random.key(2), D, P, T, N, 0.9)
    leaves, tree = jax.tree.flatten(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=jnp.float32), params))
    rng = np.random.default_rng(6)
    moved = jax.tree.unflatten(tree, [leaf + 0.1 * rng.normal(size=leaf.shape).astype(np.float32) for leaf in leaves])
    moved["encoder"]["psi_hidden"] = moved["encoder"]["psi_hidden"] * mixing_weights
    return moved


@cache
def many(belief, objective):
    """The objective under many keys at once, compiled once a belief."""
    return jax.jit(jax.vmap(lambda params, key, data: belief.loss(objective, params, key, data), (None, 0, None)))


def losses(belief, objective, params, data, seed=0):
    return np.asarray(many(belief, objective)(params, jax.random.split(jax.random.key(seed), KEYS), data), np.float64)


def assert_close(values, expected):
    """A mean of many keys within 4.5 standard errors: false-alarm rate 7e-6 each."""
    assert abs(values.mean() - expected) < 4.5 * values.std() / np.sqrt(values.size) + 1e-5 * abs(expected)


def encoded(params, data):
    """Eq. 1 by hand without mixing: mean and sd of every answer's belief, (n, K)."""
    own = {name: np.asarray(value, dtype=np.float64) for name, value in params["encoder"].items()}
    x, v, centred = (np.asarray(one, np.float64) for one in (data.x[PROBLEM], data.v[PERSON], data.centred[PROBLEM]))
    hidden = np.tanh(x @ own["x_hidden"] + v @ own["v_hidden"] + own["bias_hidden"])
    mean = x @ own["x_mean"] + v @ own["v_mean"] + hidden @ own["mean"] + own["bias_mean"] + own["trust"] * centred
    spread = x @ own["x_spread"] + v @ own["v_spread"] + hidden @ own["spread"] + own["bias_spread"]
    return mean, np.exp(spread)


PAPER = Belief(Blender("normal"), hidden=H, draws=4, loss_weight=0.7)


def paper_by_hand(params, data, weight, diversity=1.0):
    """Eq. 4 in expectation over its draws: KL in closed form, the decoder's log density by quadrature."""
    mean, sd = (one[:, 0] for one in encoded(params, data))
    kl = 0.5 * (mean**2 + sd**2 - 1) - np.log(sd)
    own = {name: np.asarray(value, dtype=np.float64) for name, value in params["decoder"].items()}
    nodes, shares = np.polynomial.hermite_e.hermegauss(60)
    delta = mean[:, None] + sd[:, None] * nodes  # (n, 60)
    hidden = np.tanh(
        delta[..., None] * own["delta_hidden"][0] + (np.asarray(data.v)[PERSON] @ own["v_hidden"])[:, None]
        + own["bias_hidden"]
    )  # fmt: skip
    said = hidden @ own["out"] + own["bias_out"]
    each = stats.norm(said, 1.0).logpdf(np.asarray(data.x)[PROBLEM][:, None]).mean(axis=-1)  # over the D coordinates
    decoded = each @ (shares / shares.sum())
    apart = np.asarray(data.reference)[PROBLEM, 0] + mean - np.asarray(data.answer)
    square = apart**2 + (diversity * sd) ** 2 / 4  # the mean of J = 4 draws has a quarter of their variance
    return np.sum(weight * (kl - decoded + 0.7 * square))


#: 1 / (N T_i): 3, 2, 1 and 1 answers of 4 people.
WEIGHT = np.array([1 / 12, 1 / 12, 1 / 12, 1 / 8, 1 / 8, 1 / 4, 1 / 4])


def paper_data():
    return weighted(data_of(), np.ones(7, dtype=bool), "paper", (1.0, 1.0, 1.0))


def test_the_papers_weights_are_one_over_people_and_their_answers():
    np.testing.assert_allclose(np.asarray(paper_data().weight), WEIGHT, rtol=1e-6)
    kept = np.array([True, True, False, True, True, False, True])
    part = np.asarray(weighted(data_of(), kept, "paper", (1.0, 1.0, 1.0)).weight)
    np.testing.assert_allclose(part, [1 / 6, 1 / 6, 0, 1 / 6, 1 / 6, 0, 1 / 3], rtol=1e-6)


def test_the_papers_objective_is_equation_4():
    params, data = params_of(PAPER), paper_data()
    assert_close(losses(PAPER, "paper", params, data), paper_by_hand(params, data, WEIGHT))


def test_without_diversity_the_belief_has_no_noise_of_its_own_in_the_blender():
    params, data = params_of(PAPER), paper_data()._replace(diversity=jnp.zeros(()))
    assert_close(losses(PAPER, "paper", params, data), paper_by_hand(params, data, WEIGHT, diversity=0.0))


def test_held_out_answers_change_nothing():
    params = params_of(PAPER)
    kept = np.array([True, True, False, True, True, False, True])
    data = weighted(data_of(), kept, "paper", (1.0, 1.0, 1.0))
    moved = data._replace(answer=jnp.where(jnp.asarray(kept), data.answer, 1e4))
    np.testing.assert_array_equal(losses(PAPER, "paper", params, data), losses(PAPER, "paper", params, moved))
    assert (losses(PAPER, "paper", params, moved._replace(weight=jnp.ones(7))) > 1e6).all()


@pytest.mark.parametrize("objective", ["paper", "likelihood"])
def test_batches_are_unbiased_for_the_whole(objective):
    """Batches of 1 over an epoch of 7, each under many keys: 4.5 standard errors, false-alarm rate 7e-6."""
    belief = PAPER if objective == "paper" else NORMAL
    params, data = params_of(belief), paper_data() if objective == "paper" else data_of()
    whole = losses(belief, objective, params, data)
    data = data._replace(share=jnp.asarray(7.0))
    parts = np.mean([
        losses(belief, objective, params, data.take(jnp.array([row]), data.share / 1), seed=row + 1)
        for row in range(7)
    ], axis=0)  # fmt: skip
    error = np.hypot(whole.std(), parts.std()) / np.sqrt(KEYS)
    assert abs(whole.mean() - parts.mean()) < 4.5 * error


def test_mixing_draws_without_weight_are_the_plain_encoder():
    """In the paper's objective the same law; 4.5 standard errors."""
    mixed = Belief(Blender("normal"), hidden=H, draws=4, loss_weight=0.7, mixing=3, mixing_dim=2)
    data = paper_data()
    found = losses(mixed, "paper", params_of(mixed, mixing_weights=0.0), data)
    assert_close(found, paper_by_hand(params_of(mixed, mixing_weights=0.0), data, WEIGHT))


def test_no_two_answers_share_a_mixing_draw():
    """Shared draws make the surrogate exceed the evidence; two of these numbers are equal with chance below 1e-4."""
    belief = Belief(Blender("normal"), hidden=H, draws=4, mixing=3, mixing_dim=2)
    for psi in (belief.psi(jax.random.key(1), 7), belief.draws_of(jax.random.key(1), 7).psi):
        assert np.unique(np.asarray(psi)).size == psi.size
        assert psi.shape[1:] == (7, 2)


def test_no_two_people_share_a_mixing_draw():
    """Two of these numbers are equal with chance below 1e-4."""
    found = np.asarray(kept.mixing_draws(jax.random.key(1), 3, 7, 2))
    assert found.shape == (3, 7, 2)
    assert np.unique(found).size == found.size


def test_the_law_of_what_people_keep_lies_below_its_marginal_and_nears_it_with_more_draws():
    """Five people who keep something, 2,000 keys; 6 standard errors apart, false-alarm rate 1e-9."""
    params = Belief(Blender("normal"), hidden=H, kept_mixing=1, mixing_dim=2).initial(
        jax.random.key(2), D, P, T, 5, 1.0
    )
    own = jnp.asarray(np.random.default_rng(3).normal(0.0, [0.8, 0.3], (5, 2)), dtype=jnp.float32)

    @jax.jit
    @jax.vmap
    def laws(key):
        return jnp.stack([kept.law(params, 5, draws, key).log_prob(own) for draws in (1, 8)])

    few, many = np.asarray(laws(jax.random.split(jax.random.key(4), 2000)), dtype=np.float64).T
    assert many.mean() - few.mean() > 6 * few.std() / np.sqrt(2000)
    even = kept.even_components(params, 4096)
    densities = stats.norm.pdf(np.asarray(own)[:, None], even.mean, even.sd).prod(axis=2).mean(axis=1)
    room = np.log(densities).sum() - many.mean()
    assert 0.0 < room < 0.5 * (np.log(densities).sum() - few.mean())


def test_more_mixing_draws_raise_the_surrogate_bound():
    """KL to the prior falls with M, the rest keeps its law; 6 standard errors apart, false-alarm rate 1e-9."""
    few, many_draws = (
        Belief(Blender("normal"), hidden=H, draws=1, loss_weight=0.0, mixing=mixing, mixing_dim=2) for mixing in (1, 8)
    )
    params = params_of(few)
    params["encoder"]["mean"] = params["encoder"]["mean"] * 12.0
    first, second = (losses(belief, "paper", params, paper_data()) for belief in (few, many_draws))
    apart = first - second
    assert apart.mean() > 6 * apart.std() / np.sqrt(apart.size)


NORMAL = Belief(Blender("normal"), hidden=H)


def likelihood_by_hand(params, data):
    """``-(E_q log p(y | a, e, b) - KL - penalty) / n``: the answers by quadrature, the effects' KL in closed form."""
    told = jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float64), params)
    taus = {name: np.exp(told[f"log_tau_{name}"]) for name in ("person", "spread", "problem")}
    law = {name: (told[name]["mean"][:, 0], np.exp(told[name]["log_sd"][:, 0])) for name in taus}

    def kl(mean, sd, centre_square, tau):
        return np.sum(np.log(tau / sd) + (sd**2 + centre_square) / (2 * tau**2) - 0.5)

    total = sum(kl(*law[name], law[name][0] ** 2, taus[name]) for name in taus)
    mean, sd = (one[:, 0] for one in encoded(params, data))
    nodes, shares = np.polynomial.hermite_e.hermegauss(40)
    shares = shares / shares.sum()
    apart = mean + np.asarray(data.reference)[PROBLEM, 0] - np.asarray(data.answer)
    a, r = (law[name][0][PERSON][:, None] + law[name][1][PERSON][:, None] * nodes for name in ("person", "spread"))
    square = (apart[:, None] + a + law["problem"][0][PROBLEM][:, None]) ** 2 + law["problem"][1][PROBLEM][:, None] ** 2
    extra = told["couple"][0] * a[:, :, None] + r[:, None]  # e = kappa a + r
    variance = (sd[:, None, None] * np.exp(extra)) ** 2 + np.exp(2 * told["blender"]["log_sigma"])
    fit = (-0.5 * (square[:, :, None] / variance + np.log(2 * np.pi * variance)) @ shares) @ shares
    own = told["encoder"]
    squares = {name: np.sum(value**2) for name, value in own.items()}
    penalty = (
        0.5 * told["blender"]["log_sigma"] ** 2 + 2.0 * (squares["x_mean"] + squares["v_mean"])
        + 3.0 * (H / 8 * (squares["mean"] + squares["spread"]) + 0.1 * (squares["x_hidden"] + squares["v_hidden"]))
        + 5.0 * (squares["x_spread"] + squares["v_spread"])
    )  # fmt: skip
    return -(np.sum(np.asarray(data.weight) * fit) - total - penalty) / np.sum(np.asarray(data.weight))


def test_the_likelihood_is_that_of_the_answers_less_the_effects_divergence():
    params, data = params_of(NORMAL), data_of()
    params["couple"] = jnp.array([0.4])
    assert_close(losses(NORMAL, "likelihood", params, data), likelihood_by_hand(params, data))
    half = data._replace(weight=jnp.array([1.0, 0, 1, 1, 0, 0, 1]))
    assert_close(losses(NORMAL, "likelihood", params, half), likelihood_by_hand(params, half))


def test_effects_switched_off_leave_the_likelihood_of_the_answers():
    bare = Belief(Blender("normal"), hidden=H, person_effects=False, problem_effects=False)
    params, data = params_of(bare), data_of()._replace(ridge=jnp.zeros(3))
    found = losses(bare, "likelihood", params, data)
    mean, sd = (one[:, 0] for one in encoded(params, data))
    log_sigma = float(params["blender"]["log_sigma"])
    law = stats.norm(np.asarray(data.reference)[PROBLEM, 0] + mean, np.hypot(sd, np.exp(log_sigma)))
    expected = -(law.logpdf(np.asarray(data.answer)).sum() - 0.5 * log_sigma**2) / 7
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_held_out_answers_are_judged_with_people_at_their_mean_and_problems_at_nothing():
    params, data = params_of(NORMAL), data_of()._replace(weight=jnp.array([0.0, 1, 1, 0, 0, 1, 0]))
    mean, sd = (one[:, 0] for one in encoded(params, data))
    told = jax.tree.map(np.asarray, params)
    centre = np.asarray(data.reference)[PROBLEM, 0] + mean + told["person"]["mean"][PERSON, 0]
    kept = told["spread"]["mean"] + told["couple"] * told["person"]["mean"]
    total = np.hypot(sd * np.exp(kept[PERSON, 0]), np.exp(told["blender"]["log_sigma"]))
    expected = -stats.norm(centre, total).logpdf(np.asarray(data.answer))[[1, 2, 5]].mean()
    assert float(NORMAL.held_out_loss("likelihood", params, jax.random.key(0), data)) == pytest.approx(
        expected, rel=1e-5
    )


def test_decisions_on_levels_and_words():
    """Levels count at their value; words by the cross-entropy of the J averaged distributions."""
    levels = Belief(Blender.of_scale(ordinal([1, 2, 9])), hidden=H, draws=50_000)
    data = data_of(np.array([0, 1, 2, 0, 1, 2, 2]))
    params = params_of(levels)
    mean = encoded(params, data)[0][:, 0]

    def found(belief, params, data):
        noise = jax.random.normal(jax.random.key(1), (belief.draws, 7, belief.blender.belief_dim))
        return np.asarray(jax.jit(belief.decision_loss)(data, belief.encode(params, data, None), noise))

    truth = np.array([1.0, 2, 9, 1, 2, 9, 9])
    expected = (np.asarray(data.reference)[PROBLEM, 0] + mean - truth) ** 2
    np.testing.assert_allclose(found(levels, params, data), expected, atol=0.15)  # 5 errors of the mean of J draws
    words = Belief(Blender.of_scale(categorical(["a", "b", "c"])), hidden=H, draws=50_000)
    data, params = data_of(np.array([0, 1, 2, 0, 1, 2, 2]), k=3), params_of(words)
    mean, sd = encoded(params, data)
    drawn = np.random.default_rng(1).normal(size=(20_000, 7, 3)) * sd + mean + np.asarray(data.reference)[PROBLEM]
    shares = (np.exp(drawn) / np.exp(drawn).sum(axis=-1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(found(words, params, data), -np.log(shares[np.arange(7), data.answer]), atol=0.04)
