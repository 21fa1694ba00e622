"""Any reparameterised NumPyro distribution made semi-implicit: a mixture over draws of its own parameters.

A semi-implicit guide draws mixing noise ``psi_0..psi_M``, turns each into the parameters of an explicit distribution
``q(z | psi)`` and samples z from the first. With ``q_M(z) = mean_m q(z | psi_m)`` in the place of the intractable
marginal, NumPyro's own ``Trace_ELBO`` is the surrogate bound of semi-implicit variational inference,

    E log p(x, z) - log mean_{m=0..M} q(z | psi_m)  <=  ELBO of the marginal q  <=  log p(x),

which never falls in M and reaches the ELBO of the marginal as M grows (Yin and Zhou 2018, propositions 1 and 3).

Two traps, both silent under the stock objectives:

- *An auxiliary mixing site* (``numpyro.sample("psi", ..., infer={"is_auxiliary": True})`` in the guide, then
  ``sample("z", q(. | psi))``): the objective then lacks the reverse model of psi and can exceed the evidence by
  ``H(psi | z)``. Draw psi with ``numpyro.prng_key()`` instead, as below; :func:`refuse_auxiliary` finds such sites.
- *Mixing draws shared* by the elements of a plate, or by two sites: the product of the elements' averages is not the
  average of their products, and the objective exceeds the evidence. Draw ``(M + 1, size of the plate)`` of them, or
  make the elements one event. A plate that would spread one set of draws is refused here; draws shared by hand are
  not visible to a distribution.

Example (a guide for one latent of dimension 3, five further mixing draws)::

    def guide():
        noise = jax.random.normal(numpyro.prng_key(), (6, 8))          # M + 1 mixing draws
        loc, scale = network(noise)                                     # (6, 3) each
        numpyro.sample("z", SemiImplicit(dist.Normal(loc, scale).to_event(1)))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution
from numpyro.handlers import seed, trace


class SemiImplicit(Distribution):
    """``q_M(z) = mean_{m=0..M} q(z | psi_m)`` as a distribution; z itself comes from component 0.

    Args:
        component: a reparameterised NumPyro distribution whose first batch axis holds the M + 1 mixing draws; its other
            batch axes are this distribution's batch shape. Every element of the batch needs mixing draws of its own.
        validate_args: as everywhere in NumPyro.

    ``sample`` draws from component 0; ``log_prob`` is log-mean-exp over all M + 1 components. With M = 0 this is the
    component itself.

    Raises:
        ValueError: if the component has no batch axis, or is not reparameterised; on ``expand`` (a plate larger than
            the batch), which would share the mixing draws.

    Source: Yin and Zhou 2018, Semi-implicit variational inference, ICML, equation 11.

    Example:
        >>> import numpyro.distributions as dist
        >>> q = SemiImplicit(dist.Normal(jnp.array([0.0, 1.0, 2.0]), 1.0))
        >>> q.batch_shape, q.mixing_draws
        ((), 3)
        >>> print(f"{float(q.log_prob(0.0)):.4f}")
        -1.4626
    """

    pytree_data_fields = ("component",)
    arg_constraints: dict[str, Any] = {}

    def __init__(self, component: Distribution, *, validate_args: bool | None = None) -> None:
        if not component.batch_shape:
            raise ValueError(
                "component needs a leading batch axis of M + 1 mixing draws; "
                f"got batch shape () and event shape {component.event_shape}"
            )
        if not component.has_rsample:
            raise ValueError(
                f"component {type(component).__name__} is not reparameterised: gradients could not pass through z; use "
                "a distribution with has_rsample, such as Normal"
            )
        self.component = component
        super().__init__(component.batch_shape[1:], component.event_shape, validate_args=validate_args)

    @property
    def mixing_draws(self) -> int:
        """M + 1."""
        return int(self.component.batch_shape[0])

    @property
    def support(self) -> Any:
        """The component's support."""
        return self.component.support

    @property
    def has_rsample(self) -> bool:
        """True: components that are not reparameterised are refused."""
        return True

    def rsample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """A reparameterised draw from component 0, shape ``sample_shape + batch_shape + event_shape``."""
        return self.sample(key, sample_shape)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """A draw from component 0, shape ``sample_shape + batch_shape + event_shape``."""
        draws = self.component.sample(key, sample_shape)
        return jnp.take(draws, 0, axis=len(sample_shape))

    def log_prob(self, value: jax.Array) -> jax.Array:
        """``log mean_m q(value | psi_m)``, shape ``sample_shape + batch_shape``."""
        value = jnp.asarray(value)
        leading = value.ndim - len(self.batch_shape) - len(self.event_shape)
        each = self.component.log_prob(jnp.expand_dims(value, leading))
        return jax.scipy.special.logsumexp(each, axis=leading) - jnp.log(self.mixing_draws)

    @property
    def mean(self) -> jax.Array:
        """Mean of the mixture over all mixing draws."""
        return self.component.mean.mean(axis=0)

    @property
    def variance(self) -> jax.Array:
        """Variance of the mixture over all mixing draws: mean of the variances plus variance of the means."""
        return self.component.variance.mean(axis=0) + self.component.mean.var(axis=0)

    def expand(self, batch_shape: tuple[int, ...]) -> SemiImplicit:
        """Refuse to spread one set of mixing draws over a plate.

        Raises:
            ValueError: unless ``batch_shape`` is the batch shape already.
        """
        if tuple(batch_shape) == self.batch_shape:
            return self
        raise ValueError(
            f"a plate wants batch shape {tuple(batch_shape)} but the mixing draws give {self.batch_shape}: sharing "
            "them over the plate would make the objective exceed the evidence; draw (M + 1, plate size) mixing draws, "
            "independent for every element"
        )


def refuse_auxiliary(guide: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Run the guide once and refuse auxiliary sites beside a semi-implicit one.

    Args:
        guide: a NumPyro guide.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Raises:
        ValueError: naming the auxiliary sites: under NumPyro's own objectives they are not semi-implicit mixing, and
            the objective can exceed the evidence.

    Example:
        >>> import numpyro
        >>> import numpyro.distributions as dist
        >>> def guide():
        ...     psi = numpyro.sample("psi", dist.Normal(0.0, 1.0), infer={"is_auxiliary": True})
        ...     numpyro.sample("z", dist.Normal(psi, 1.0))
        >>> refuse_auxiliary(guide)
        Traceback (most recent call last):
        ...
        ValueError: the guide has auxiliary site(s) psi: ...
    """
    sites = trace(seed(guide, jax.random.PRNGKey(0))).get_trace(*args, **kwargs)
    names = [
        name
        for name, site in sites.items()
        if site["type"] == "sample" and not site["is_observed"] and site["infer"].get("is_auxiliary", False)
    ]
    if names:
        raise ValueError(
            f"the guide has auxiliary site(s) {', '.join(names)}: under Trace_ELBO the objective then exceeds the ELBO "
            "by the entropy of these sites given the others; draw mixing noise with numpyro.prng_key() and use "
            "SemiImplicit"
        )


__all__ = ["SemiImplicit", "refuse_auxiliary"]
