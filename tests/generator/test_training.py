"""The trainer: known optima, steps that fail, restarts, early stopping, batches, and how often it compiles."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp

from crowdllm_stats.generator.belief import Belief, TrainingData
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.random import root_key
from crowdllm_stats.generator.settings import Settings
from crowdllm_stats.generator.training import PIECE, Trainer, _batches, trainer_for

N = 21


def answers_of(weight=None):
    """21 answers whose ``answer`` is 0..20, on one problem."""
    zero, rows = jnp.zeros((1, 2)), jnp.zeros(N, dtype=jnp.int32)
    return TrainingData(
        x=zero, v=zero, reference=zero, centred=zero, problem=rows, person=rows,
        answer=jnp.arange(N, dtype=jnp.float32),
        weight=jnp.ones(N) if weight is None else jnp.asarray(weight, dtype=jnp.float32), share=jnp.ones(()),
        ridge=jnp.ones(3), diversity=jnp.ones(()),
    )  # fmt: skip


def squares(params, key, data):
    """Weighted squares about ``at``; its least is the mean of the answers that count."""
    apart = ((params["at"] - data.answer) ** 2 * data.weight).sum() + ((params["b"] - 2.0) ** 2).sum()
    return apart * data.share / N


def start(key):
    return {"at": jax.random.normal(key, ()), "b": jnp.zeros((3, 2))}


@cache
def trainer_of(loss=squares, held_out=squares, **options):
    """One a kind, so that tests share what is compiled."""
    return Trainer(loss, held_out, **{"steps": 400, "learning_rate": 0.3, **options})


def test_the_optimum_of_a_quadratic_is_reached():
    found = trainer_of().fit(start, answers_of(), seed=1)
    assert found.params["at"] == pytest.approx(10.0, abs=0.01)
    np.testing.assert_allclose(found.params["b"], 2.0, atol=0.01)
    assert (found.steps, found.skipped, found.history.shape, found.held_out.shape) == (400, 0, (400,), (0,))
    assert found.history[-1] == pytest.approx(np.var(np.arange(N)), rel=1e-3)


@pytest.mark.parametrize("steps", [1, 70, 100])
def test_any_number_of_steps_is_that_many(steps):
    whole = trainer_of(decay=False).fit(start, answers_of(), seed=1, steps=120)
    part = trainer_of(decay=False).fit(start, answers_of(), seed=1, steps=steps)
    assert part.steps == steps
    np.testing.assert_allclose(part.history, whole.history[:steps], rtol=1e-5)
    assert part.history.shape == (steps,)


def by_hand(steps, rate=0.3):
    """Adam on ``at`` alone, written out, from the same start."""
    at, first, second = float(start(jax.random.split(jax.random.fold_in(root_key(1), 0), 1)[0])["at"]), 0.0, 0.0
    for step in range(1, steps + 1):
        slope = 2 * np.sum(at - np.arange(N)) / N
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        at -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return at


def test_steps_are_adams():
    found = trainer_of(decay=False).fit(start, answers_of(), seed=1, steps=63)
    assert found.params["at"] == pytest.approx(by_hand(63), rel=1e-4)


@cache
def failing(share):
    """A loss that is NaN in about this share of steps."""

    def loss(params, key, data):
        bad = jax.random.uniform(key) < share
        return jnp.where(bad, jnp.nan, 1.0) * squares(params, key, data)

    return loss


def test_steps_that_are_not_finite_are_skipped_and_counted():
    found = trainer_of(failing(0.2)).fit(start, answers_of(), seed=1)
    assert found.skipped == np.isnan(found.history).sum()
    assert 40 < found.skipped < 130  # binomial(400, 0.2) leaves this range with probability 3e-6
    assert found.params["at"] == pytest.approx(10.0, abs=0.05)


def test_one_step_that_failed_at_the_end_is_no_failed_training():
    def loss(params, key, data):
        return jnp.where(params["at"] > 0.5, jnp.nan, 1.0) * ((params["at"] - 1.0) ** 2 + 0 * data.answer.sum())

    def nearly(key):
        return {"at": jnp.asarray(-3.0)}

    found = trainer_of(loss, decay=False, learning_rate=0.1).fit(nearly, answers_of(), seed=1, steps=47)
    assert 0 < found.skipped <= 23
    assert np.isfinite(found.params["at"])


def test_training_that_mostly_fails_raises():
    with pytest.raises(ValueError, match=r"steps gave a loss or gradient that is not finite; lower learning_rate"):
        trainer_of(failing(0.8)).fit(start, answers_of(), seed=1)


def test_an_infinite_slope_at_a_finite_loss_counts_as_failed():
    def loss(params, key, data):
        return jnp.sqrt(jnp.abs(params["at"] - params["at"])) + 1.0

    with pytest.raises(ValueError, match="400 of 400 steps"):
        trainer_of(loss).fit(start, answers_of(), seed=1)


def test_fits_side_by_side_are_those_of_each_alone():
    """Two fits with data, starts, batches and draws of their own, the second failing in a fifth of its steps."""
    trainer = trainer_of(failing(0.2), batch_size=4, piece=30)
    data = [answers_of(), answers_of()._replace(answer=jnp.arange(N, dtype=jnp.float32) + 5.0)]
    keys = [jax.random.key(seed) for seed in (1, 2)]
    batches = np.stack([_batches(np.arange(N), 70, 4, np.random.default_rng(seed)) for seed in (3, 4)], axis=1)

    def run(some):
        def draws(done, count):
            return jnp.stack([jax.random.split(jax.random.fold_in(keys[one], done), 30) for one in some], axis=1)

        starts = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(start(keys[one]) for one in some))
        own = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(data[one] for one in some))
        return list(trainer.pieces(starts, own, draws, batches[:, some], 70))

    together, alone = run([0, 1]), [run([one]) for one in (0, 1)]
    assert [one.done for one in together] == [30, 60, 70]
    assert [one.losses.shape for one in together] == [(2, 30), (2, 30), (2, 10)]
    for fit in (0, 1):
        np.testing.assert_allclose(together[-1].flat[fit], alone[fit][-1].flat[0], rtol=1e-5)
        assert together[-1].skipped[fit] == alone[fit][-1].skipped[0] > 0
    assert not np.array_equal(together[-1].flat[0], together[-1].flat[1])


def test_early_stopping_keeps_the_best_parameters():
    """Training pulls ``at`` to 10, the held-out answers lie at 4: the best is near 4, and it stops after 3 looks."""
    aside = answers_of(np.arange(N) == 4)
    found = trainer_of(decay=False, steps=2000, learning_rate=0.02).fit(
        start, answers_of(), seed=1, aside=aside, patience=3
    )
    best = int(np.argmin(found.held_out))
    assert found.steps == PIECE * (best + 4)
    assert found.held_out.shape == (best + 4,)
    short = trainer_of(decay=False, steps=2000, learning_rate=0.02).fit(
        start, answers_of(), seed=1, steps=PIECE * (best + 1)
    )
    np.testing.assert_allclose(found.params["at"], short.params["at"], rtol=1e-5)


def test_answers_without_weight_change_nothing():
    weight = (np.arange(N) < 5).astype(float)
    found = trainer_of(batch_size=4).fit(start, answers_of(weight), seed=1, steps=50)
    moved = answers_of(weight)._replace(answer=jnp.where(jnp.arange(N) < 5, jnp.arange(N, dtype=jnp.float32), 1e6))
    again = trainer_of(batch_size=4).fit(start, moved, seed=1, steps=50)
    np.testing.assert_array_equal(found.history, again.history)


def test_an_epoch_is_every_kept_answer_once_and_batches_have_no_bias():
    kept = np.array([2, 3, 5, 7, 11, 13])
    rows = np.asarray(_batches(kept, 9, 2, np.random.default_rng(0)))
    assert rows.shape == (9, 2)
    for first in range(0, 9, 3):
        assert sorted(rows[first : first + 3].ravel().tolist()) == kept.tolist()
    assert (rows[:3] != rows[3:6]).any()
    data = answers_of(np.isin(np.arange(N), kept))
    whole = squares({"at": 1.0, "b": jnp.full((1, 1), 2.0)}, None, data)
    parts = [data.take(jnp.asarray(batch), 6.0 / 2) for batch in rows[:3]]
    assert np.mean([squares({"at": 1.0, "b": jnp.full((1, 1), 2.0)}, None, one) for one in parts]) == pytest.approx(
        whole
    )


def test_a_batch_larger_than_what_is_kept_wraps_round():
    rows = np.asarray(_batches(np.array([4, 6, 9]), 5, 7, np.random.default_rng(0)))
    assert rows.shape == (5, 7)
    assert (np.sort(np.apply_along_axis(np.bincount, 1, rows, minlength=10)[:, [4, 6, 9]]) == [2, 2, 3]).all()


def test_batches_reach_the_optimum_too():
    found = trainer_of(batch_size=4).fit(start, answers_of(), seed=1)
    assert found.params["at"] == pytest.approx(10.0, abs=0.5)


def test_progress_is_told_and_changes_nothing():
    told = []
    quiet = trainer_of(failing(0.2)).fit(start, answers_of(), seed=4)
    loud = trainer_of(failing(0.2)).fit(start, answers_of(), seed=4, progress=lambda *at: told.append(at))
    np.testing.assert_array_equal(quiet.history, loud.history)
    assert told == [(done, 400) for done in range(PIECE, 401, PIECE)]


def test_seeds_are_told_apart_and_repeat():
    one, same, other, large = (
        trainer_of(failing(0.2)).fit(start, answers_of(), seed=seed, steps=50).history for seed in (1, 1, 2, 2**32 + 1)
    )
    np.testing.assert_array_equal(one, same)
    assert one[0] != other[0]
    assert one[0] != large[0]


def test_every_step_of_every_piece_draws_anew():
    def loss(params, key, data):
        return jax.random.uniform(key) + 0.0 * params["at"]

    found = trainer_of(loss, decay=False).fit(start, answers_of(), seed=1, steps=3 * PIECE)
    assert len(set(found.history.tolist())) == 3 * PIECE  # two of 150 numbers of 23 bits are equal with chance 0.001


@pytest.mark.parametrize("seed", [-1, 1.5, "one"])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0"):
        trainer_of().fit(start, answers_of(), seed=seed)


def test_the_held_out_loss_of_parameters_is_judged_as_in_training():
    trainer = trainer_of(decay=False)
    found = trainer.fit(start, answers_of(), seed=1, steps=50, aside=answers_of(np.arange(N) > 15))
    assert trainer.judge(found.params, answers_of(np.arange(N) > 15), seed=1) == pytest.approx(found.held_out[0])


def test_one_program_serves_pieces_of_any_length_weights_steps_rates_and_fits(caplog):
    def loss(params, key, data):
        return squares(params, key, data)

    with jax.log_compiles(True), caplog.at_level(logging.WARNING):
        Trainer(loss, steps=400, learning_rate=0.3).fit(start, answers_of(), seed=1, steps=120)
        Trainer(loss, steps=300, learning_rate=0.1).fit(start, answers_of(np.arange(N) > 3), seed=2, steps=30)
    compiled = [line for line in caplog.messages if line.startswith("Compiling") and "_advance" in line]
    assert len(compiled) == 1


@pytest.mark.parametrize("steps", [30, 100])
def test_the_rate_falls_to_nothing_along_a_cosine(steps):
    """Under a constant slope Adam moves by the rate in every step."""

    def slope(params, key, data):
        return params["at"] + 0.0 * data.answer.sum()

    found = Trainer(slope, steps=steps, learning_rate=0.3).fit(start, answers_of(), seed=1)
    moved = -np.diff(found.history)
    np.testing.assert_allclose(moved, 0.15 * (1 + np.cos(np.pi * np.arange(steps - 1) / steps)), rtol=1e-3, atol=1e-6)


def test_a_trainer_is_found_again_by_its_constants():
    belief = Belief(Blender("normal"), hidden=3)
    settings = Settings(steps=77, objective="paper")
    assert trainer_for(belief, settings, 300) is trainer_for(Belief(Blender("normal"), hidden=3), settings, 290)
    assert trainer_for(belief, settings, 256).batch_size is None
    assert trainer_for(belief, settings, 257).batch_size == 256
    assert trainer_for(belief, Settings(steps=77), 300).batch_size is None
    assert trainer_for(belief, settings, 300) is not trainer_for(Belief(Blender("normal"), hidden=4), settings, 300)
