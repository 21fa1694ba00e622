"""The objective of Figure 9's fits is the library's own, on the same draws; its gradient too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crowdllm_stats.generator.belief import Answers, Belief
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.studies.simulators.fits import Batch, pack, paper_loss

D, P, T, N, SIZE = 5, 3, 7, 4, 6
BELIEF = Belief(Blender("normal"), hidden=9, mixing=2, mixing_dim=4, draws=8)


def arrays(seed: int, belief: Belief) -> tuple[Answers, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    reference = rng.normal(3.0, 1.0, (T, 1))
    data = Answers(
        x=jnp.asarray(rng.normal(size=(T, D)), dtype=jnp.float32),
        v=jnp.asarray(rng.normal(size=(N, P)), dtype=jnp.float32),
        reference=jnp.asarray(reference, dtype=jnp.float32),
        centred=jnp.asarray(reference - reference.mean(), dtype=jnp.float32),
        problem=jnp.asarray(rng.integers(T, size=SIZE)),
        person=jnp.asarray(rng.integers(N, size=SIZE)),
        answer=jnp.asarray(rng.normal(3.0, 1.0, SIZE), dtype=jnp.float32),
        weight=jnp.asarray(rng.uniform(0.1, 1.0, SIZE), dtype=jnp.float32),
        share=jnp.ones(()),
        ridge=jnp.ones(3),
    )
    params = jax.jit(lambda key: belief.initial(key, D, P, 1, 1, 1.3))(jax.random.key(seed))
    moved = jax.tree.map(lambda leaf: np.float32(np.asarray(leaf) + 0.3 * rng.normal(size=np.shape(leaf))), params)
    return data, moved


def recorded(call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, Any]]:
    """A value, and the normal draws behind it by their shape."""
    original = jax.random.normal

    def both() -> tuple[Any, dict[str, Any]]:
        draws: dict[str, Any] = {}

        def noted(key: Any, shape: tuple[int, ...] = (), *args: Any, **kwargs: Any) -> Any:
            value = original(key, shape, *args, **kwargs)
            assert str(tuple(shape)) not in draws
            draws[str(tuple(shape))] = value
            return value

        with monkeypatch.context() as patch:
            patch.setattr(jax.random, "normal", noted)
            return call(), draws

    found: tuple[Any, dict[str, Any]] = jax.jit(both)()
    return found


def test_equals_the_library_on_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    diversity = 2.0
    belief = Belief(Blender("normal"), hidden=9, mixing=2, mixing_dim=4, draws=8, loss_weight=0.7, diversity=diversity)
    data, params = arrays(3, belief)
    key = jax.random.key(11)
    wanted, draws = recorded(lambda: belief.loss("paper", params, key, data), monkeypatch)
    first, shown = belief.mixing + 1, belief.draws
    problem, person = np.asarray(data.problem), np.asarray(data.person)
    draws = {shape: np.asarray(value) for shape, value in draws.items()}
    psi = np.concatenate([draws[str((first, SIZE, 4))], draws[str((shown, SIZE, 4))]])
    noise = np.concatenate([draws[str((first, SIZE, 1))][:1, :, 0], draws[str((shown, SIZE, 1))][..., 0]])
    ones = np.ones((SIZE, 1), dtype=np.float32)
    batch = Batch(
        row=np.concatenate([np.asarray(data.x)[problem], np.asarray(data.v)[person], ones], axis=1),
        reference=np.asarray(data.reference)[problem, 0],
        centred=np.asarray(data.centred)[problem, 0],
        answer=data.answer,
        weight=data.weight,
        psi=psi,
        noise=noise,
    )
    packed = jax.jit(pack)(params)
    value, ours = jax.jit(jax.value_and_grad(lambda some: paper_loss(belief, some, batch, diversity)))(packed)
    assert float(value) == pytest.approx(float(wanted), rel=2e-5)

    theirs = jax.jit(lambda some: pack(jax.grad(lambda one: belief.loss("paper", one, key, data))(some)))(params)
    assert set(ours) == set(theirs)
    for name in ours:
        assert np.abs(np.asarray(ours[name])).max() > 0.0
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3, atol=2e-5)
