"""Classic targets for SemiImplicit: how close a Gaussian, a full-covariance Gaussian and a semi-implicit guide come.

    make reports NAME=semi_implicit    # the report; a look at it under out/: python benchmarks/semi_implicit_targets.py

Three densities that are known exactly (KL divergence), and the posterior of a logistic regression in 22 dimensions against
NUTS (Wasserstein distances).
"""

from __future__ import annotations

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
import ot
import pandas as pd
from numpyro.distributions import constraints
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from scipy.stats import wasserstein_distance

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.semi_implicit import SemiImplicit
from reports import command_line, typed

SEED = 0
NOISE, HIDDEN = 4, 32
MIXING_DRAWS, PARTICLES, STEPS, RESTARTS = 60, 32, 3_000, 3
#: Share of the steps over which the target is tempered from 0.05 to 1.
ANNEALED = 0.4
LEARNING_RATE = 2e-2
EVALUATED, FRESH = 20_000, 10_000


def banana(z):
    """z2 ~ N(0, 4), z1 | z2 ~ N(z2^2 / 4, 1)."""
    return dist.Normal(0.0, 2.0).log_prob(z[..., 1]) + dist.Normal(z[..., 1] ** 2 / 4, 1.0).log_prob(z[..., 0])


def x_shaped(z):
    """Even mixture of two normals with covariance 2 and +-1.8."""
    parts = [dist.MultivariateNormal(jnp.zeros(2), jnp.array([[2.0, c], [c, 2.0]])).log_prob(z) for c in (1.8, -1.8)]
    return jnp.logaddexp(*parts) - jnp.log(2.0)


def two_modes(z):
    """0.3 N(-2, 0.5^2) + 0.7 N(2, 0.5^2)."""
    low, high = (dist.Normal(centre, 0.5).log_prob(z[..., 0]) for centre in (-2.0, 2.0))
    return jnp.logaddexp(jnp.log(0.3) + low, jnp.log(0.7) + high)


TARGETS = {"banana": (banana, 2), "x-shaped": (x_shaped, 2), "two modes": (two_modes, 1)}


def model_of(log_density, dimension):
    def model(power):
        z = numpyro.sample("z", dist.ImproperUniform(constraints.real_vector, (), (dimension,)))
        numpyro.factor("target", power * log_density(z))

    return model


def network(key, dimension, width, scale):
    """Two tanh layers; at the start the components' means are spread by ``width``, their own scale is ``scale``."""
    keys = jax.random.split(key, 4)
    return {
        "in": jax.random.normal(keys[0], (NOISE, HIDDEN)),
        "in bias": jax.random.uniform(keys[1], (HIDDEN,), minval=-2.0, maxval=2.0),
        "middle": jax.random.normal(keys[2], (HIDDEN, HIDDEN)) / np.sqrt(HIDDEN),
        "middle bias": jnp.zeros(HIDDEN),
        "out": width * jax.random.normal(keys[3], (HIDDEN, dimension)) / np.sqrt(HIDDEN),
        "out bias": jnp.zeros(dimension),
        "log scale": jnp.full(dimension, jnp.log(scale)),
    }


def means_of(net, noise):
    hidden = jnp.tanh(noise @ net["in"] + net["in bias"])
    hidden = jnp.tanh(hidden @ net["middle"] + net["middle bias"])
    return hidden @ net["out"] + net["out bias"]


def component(net, means):
    """Normal around each mean, with one scale a coordinate common to all components."""
    return dist.Normal(means, jnp.exp(net["log scale"])).to_event(1)


def triangle(raw):
    return jnp.tril(raw, -1) + jnp.diag(jnp.exp(jnp.diag(raw)))


def semi_implicit(start, draws):
    def guide(power):
        net = numpyro.param("net", start)
        noise = jax.random.normal(numpyro.prng_key(), (draws, NOISE))
        numpyro.sample("z", SemiImplicit(component(net, means_of(net, noise))))

    return guide


def gaussian(full, dimension):
    def guide(power):
        loc = numpyro.param("loc", jnp.zeros(dimension))
        raw = numpyro.param("triangle", jnp.zeros((dimension, dimension)))
        numpyro.sample("z", normal(loc, raw, full))

    return guide


def normal(loc, raw, full):
    return dist.MultivariateNormal(loc, scale_tril=triangle(raw if full else jnp.diag(jnp.diag(raw))))


def trained_gaussian(model, dimension, full):
    """The fitted normal distribution."""
    guide, key = gaussian(full, dimension), jax.random.PRNGKey(SEED + 1)
    params, _ = jax.jit(lambda one: trained(model, guide, one))(key)
    return normal(params["loc"], params["triangle"], full)


def trained(model, guide, key, *, annealed=0.0, rate=LEARNING_RATE):
    """Parameters after Adam with a cosine decay, and the mean loss of the last 200 steps."""
    svi = SVI(model, guide, optax.adam(optax.cosine_decay_schedule(rate, STEPS)), Trace_ELBO(num_particles=PARTICLES))
    powers = jnp.clip(0.05 + 0.95 * jnp.arange(STEPS) / (annealed * STEPS), 0.0, 1.0) if annealed else jnp.ones(STEPS)
    state, losses = jax.lax.scan(svi.update, svi.init(key, 1.0), powers)
    return svi.get_params(state), losses[-200:].mean()


def best_of_restarts(model, dimension, width, scale, *, restarts=RESTARTS, draws=MIXING_DRAWS, **settings):
    """Train from several starts side by side; the one with the least final loss, and all final losses."""

    def one(key):
        first, second = jax.random.split(key)
        params, loss = trained(model, semi_implicit(network(first, dimension, width, scale), draws), second, **settings)
        return params["net"], loss

    nets, losses = jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(SEED), restarts))
    best = int(jnp.argmin(losses))
    return jax.tree.map(lambda leaf: leaf[best], nets), np.asarray(losses)


def draws_of(net, key, n):
    """Draws of the marginal, and the log density of the component each came from."""
    first, second = jax.random.split(key)
    q = component(net, means_of(net, jax.random.normal(first, (n, NOISE))))
    z = q.sample(second)
    return z, q.log_prob(z)


def semi_implicit_kl(net, log_density, key):
    """KL(q || p) from below and from above, each with its standard error.

    The mean of FRESH fresh components underestimates log q on average; with the draw's own component among them it
    overestimates it. The truth lies between, up to the standard errors.
    """
    first, second = jax.random.split(key)
    z, own = draws_of(net, first, EVALUATED)
    means = means_of(net, jax.random.normal(second, (FRESH, NOISE)))

    def bounds(pair):
        point, its_own = pair
        fresh = jax.scipy.special.logsumexp(component(net, means).log_prob(point))
        return fresh - jnp.log(FRESH), jnp.logaddexp(fresh, its_own) - jnp.log(FRESH + 1.0)

    below, above = jax.lax.map(bounds, (z, own), batch_size=50)
    return [with_error(np.asarray(log_q - log_density(z))) for log_q in (below, above)]


def gaussian_kl(q, log_density, key):
    z = q.sample(key, (EVALUATED,))
    return with_error(np.asarray(q.log_prob(z) - log_density(z)))


def with_error(values):
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def known_densities():
    rows = []
    for name, (log_density, dimension) in TARGETS.items():
        model = model_of(log_density, dimension)
        for label, full in (("Gaussian", False), ("full-covariance Gaussian", True)):
            if full and dimension == 1:
                continue
            q = trained_gaussian(model, dimension, full)
            rows.append((name, label, *gaussian_kl(q, log_density, jax.random.PRNGKey(SEED + 2)), "-", "-"))
        net, losses = best_of_restarts(model, dimension, 3.0, 0.7, annealed=ANNEALED)
        low, high = semi_implicit_kl(net, log_density, jax.random.PRNGKey(SEED + 2))
        others = ", ".join(f"{loss:.3f}" for loss in np.sort(losses))
        rows.append((name, "semi-implicit", *high, f"{low[0]:.4f}", others))
    return pd.DataFrame(
        rows, columns=["target", "guide", "KL", "standard error", "KL from below", "final losses of restarts"]
    )


#: What is changed for the second table: initial width, and settings of :func:`best_of_restarts`.
CHANGES = {
    "as in the first table": (3.0, {"annealed": ANNEALED}),
    "not tempered": (3.0, {}),
    "not tempered, means spread by 0.3 at the start": (0.3, {}),
    f"first step {LEARNING_RATE / 4:g}": (3.0, {"annealed": ANNEALED, "rate": LEARNING_RATE / 4}),
    "10 mixing draws": (3.0, {"annealed": ANNEALED, "draws": 10}),
}


def what_it_takes():
    log_density, dimension = TARGETS["two modes"]
    rows = []
    for label, (width, settings) in CHANGES.items():
        net, losses = best_of_restarts(model_of(log_density, dimension), dimension, width, 0.7, **settings)
        mean, error = semi_implicit_kl(net, log_density, jax.random.PRNGKey(SEED + 2))[1]
        rows.append((label, f"{mean:.4f}", f"{error:.4f}", ", ".join(f"{loss:.3f}" for loss in np.sort(losses))))
    return pd.DataFrame(rows, columns=["two modes", "KL", "standard error", "final losses of restarts"])


PEOPLE, COEFFICIENTS, PRIOR_SD, DATA_SEED = 60, 22, 3.0, 20


def logistic_data():
    """An intercept and 21 correlated features, coefficients N(0, 1), yes-no answers."""
    rng = np.random.default_rng(DATA_SEED)
    lag = np.abs(np.subtract.outer(np.arange(COEFFICIENTS - 1), np.arange(COEFFICIENTS - 1)))
    features = rng.multivariate_normal(np.zeros(COEFFICIENTS - 1), 0.6**lag, size=PEOPLE)
    design = np.column_stack([np.ones(PEOPLE), features])
    truth = rng.normal(size=COEFFICIENTS)
    return jnp.asarray(design), jnp.asarray(rng.random(PEOPLE) < 1 / (1 + np.exp(-design @ truth)))


def logistic_posterior(design, answers):
    def log_density(z):
        score = jnp.where(answers, 1.0, -1.0) * (z @ design.T)
        return dist.Normal(0.0, PRIOR_SD).log_prob(z).sum(-1) + jax.nn.log_sigmoid(score).sum(-1)

    return log_density


def nuts(log_density, n, key):
    kernel = NUTS(potential_fn=lambda z: -log_density(z))
    mcmc = MCMC(
        kernel, num_warmup=1_000, num_samples=n // 4, num_chains=4, chain_method="vectorized", progress_bar=False
    )
    mcmc.run(key, init_params=jnp.zeros((4, COEFFICIENTS)))
    chains = np.asarray(mcmc.get_samples(group_by_chain=True))
    return chains, int(np.asarray(mcmc.get_extra_fields()["diverging"]).sum())


def distances(draws, reference, directions):
    """Mean and largest marginal W1, and sliced W1, in posterior standard deviations; and the mean ratio of spreads."""
    scale = reference.std(axis=0)
    first, second = draws / scale, reference / scale
    marginal = [wasserstein_distance(a, b) for a, b in zip(first.T, second.T, strict=True)]
    sliced = ot.sliced_wasserstein_distance(first, second, projections=directions, p=1)
    return np.mean(marginal), np.max(marginal), float(sliced), float((draws.std(axis=0) / scale).mean())


def logistic():
    log_density = logistic_posterior(*logistic_data())
    model = model_of(log_density, COEFFICIENTS)
    n = 10_000
    (chains, divergent), (again, _) = (nuts(log_density, n, jax.random.PRNGKey(SEED + place)) for place in (3, 4))
    reference = chains.reshape(-1, COEFFICIENTS)
    r_hat = float(np.max(numpyro.diagnostics.gelman_rubin(chains)))
    directions = np.random.default_rng(SEED).normal(size=(COEFFICIENTS, 200))
    directions /= np.linalg.norm(directions, axis=0)
    rows = [("NUTS again", "-", *distances(again.reshape(-1, COEFFICIENTS), reference, directions))]
    for label, full in (("Gaussian", False), ("full-covariance Gaussian", True)):
        q = trained_gaussian(model, COEFFICIENTS, full)
        mean, error = gaussian_kl(q, log_density, jax.random.PRNGKey(SEED + 2))
        z = np.asarray(q.sample(jax.random.PRNGKey(SEED + 6), (n,)))
        rows.append((label, f"{-mean:.3f} ({error:.3f})", *distances(z, reference, directions)))
    lower = q.scale_tril

    def whitened(y):
        return log_density(q.loc + y @ lower.T) + jnp.log(jnp.diag(lower)).sum()

    net, _ = best_of_restarts(
        model_of(whitened, COEFFICIENTS), COEFFICIENTS, 0.5, 0.8, restarts=1, rate=LEARNING_RATE / 4
    )
    low, high = semi_implicit_kl(net, whitened, jax.random.PRNGKey(SEED + 2))
    z = np.asarray(q.loc + draws_of(net, jax.random.PRNGKey(SEED + 6), n)[0] @ lower.T)
    bounds = f"{-high[0]:.3f} ({high[1]:.3f}), from above {-low[0]:.3f}"
    rows.append(("semi-implicit", bounds, *distances(z, reference, directions)))
    columns = [
        "guide",
        "ELBO (standard error)",
        "marginal W1, mean",
        "marginal W1, largest",
        "sliced W1",
        "sd over NUTS sd",
    ]
    return pd.DataFrame(rows, columns=columns), divergent, r_hat


def main():
    out = command_line(__doc__, "semi_implicit").parse_args().out
    start = time.perf_counter()
    known = known_densities()
    print(known.to_string(), f"\n{time.perf_counter() - start:.0f} s", flush=True)
    changed = what_it_takes()
    print(changed.to_string(), flush=True)
    posterior, divergent, r_hat = logistic()
    seconds = time.perf_counter() - start
    print(posterior.to_string(), f"\n{seconds:.0f} s", flush=True)
    known["KL"], known["standard error"] = (
        known["KL"].map("{:.4f}".format),
        known["standard error"].map("{:.4f}".format),
    )
    text = f"""# Semi-implicit guides on classic targets

{made_by(typed())} It took {seconds:.0f} s
({time.process_time():.0f} s of CPU time) on cores shared with other work.

## Densities known exactly

KL(q || p) in nats of the trained guide, from {EVALUATED:,} draws of q. The semi-implicit density is the mean of {FRESH:,} fresh
components: with the draw's own component among them it is too high on average (column KL), without it too low (KL from below), so
the two columns hold the truth between them up to the standard error.

Banana: z2 ~ N(0, 4), z1 | z2 ~ N(z2^2/4, 1). X-shaped: even mixture of two normals with variances 2 and covariance +-1.8. Two
modes: 0.3 N(-2, 0.5^2) + 0.7 N(2, 0.5^2).

{markdown_table(known)}

The semi-implicit guide: {NOISE} standard normal numbers through two tanh layers of {HIDDEN} give the mean of a normal component with a
common diagonal scale; {MIXING_DRAWS} mixing draws (M + 1) and {PARTICLES} particles per step, {STEPS:,} steps of Adam from
{LEARNING_RATE:g} down to 0 (cosine), the components' means spread widely at the start, and the target tempered from power 0.05 to 1
over the first {ANNEALED:.0%} of the steps. Of {RESTARTS} starts the one with the least final loss (NumPyro's `Trace_ELBO`, the surrogate
bound) is kept: nothing but the training objective chooses. The Gaussians are trained with the same steps, untempered.

## What it takes on two modes

Changes to the training of the first table (three starts each, the best by final loss):

{markdown_table(changed)}

The size of the first step decides here; tempering, the width at the start and the number of mixing draws change little.

## Logistic regression in {COEFFICIENTS} dimensions against NUTS

Made data (seed {DATA_SEED}): {PEOPLE} yes-no answers, an intercept and {COEFFICIENTS - 1} features with correlation 0.6^lag, true
coefficients N(0, 1), prior N(0, {PRIOR_SD:g}^2). NUTS: 4 chains, 10,000 draws after 4,000 of warm-up, largest R-hat {r_hat:.4f}, {divergent}
divergent. Wasserstein-1 distances of 10,000 draws to NUTS in posterior standard deviations: the mean and the largest over the
{COEFFICIENTS} marginals, and sliced over 200 directions. The row "NUTS again", an independent run, is what sampling alone leaves.
The ELBO is against the unnormalised posterior: higher is better.

{markdown_table(posterior)}

The semi-implicit guide works in the coordinates in which the full-covariance Gaussian is standard normal, untempered, from one
start with a fourth of the step size. An ELBO difference below two standard errors counts as none: on a posterior so near to a
Gaussian, mixing over {NOISE} numbers need not gain anything over the full covariance.
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "README.md", text)


if __name__ == "__main__":
    sys.exit(main())
