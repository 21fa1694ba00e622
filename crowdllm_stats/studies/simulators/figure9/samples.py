"""What one fit of Figure 9 learns from and is examined with, from the study's seed, its cell and its replicate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.engine.parameters import InputFile, Value
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.simulators.figure9.assessment import Examination
from crowdllm_stats.studies.simulators.figure9.questions import Questions, Responses, ask, questions
from crowdllm_stats.studies.simulators.fits import PAPER, FitSample
from crowdllm_stats.studies.simulators.population import RealPopulation, real_population
from crowdllm_stats.studies.simulators.readings import reading


def population_of(job: Job) -> RealPopulation:
    """The real population that the job's cell names, as its reading has it; one object for all jobs of a process.

    Raises:
        ValueError: if it is not a population that :meth:`RealPopulation.of` takes.
        FileNotFoundError: if its file is not there.
    """
    source = job.cell["population"]
    fitted = real_population(source if isinstance(source, InputFile) else str(source))
    return reading(str(job.cell["reading"])).population(fitted)


def belief_sd_of(job: Job) -> float:
    """Realised standard deviation over real people of their beliefs about the replicate's held-out questions."""
    asked, meant = questions_of(job), reading(str(job.cell["reading"]))
    return meant.belief_sd(population_of(job), number(job.cell, "diversity"), asked.between, asked.within)


def profile_noise_of(job: Job) -> float:
    """Scale of the noise of the profile generator, of real and of virtual workers."""
    return reading(str(job.cell["reading"])).profile_noise(number(job.cell, "diversity"))


def model_diversity_of(job: Job) -> float:
    """Factor on the generator's own belief randomness."""
    return reading(str(job.cell["reading"])).model_diversity(number(job.cell, "diversity"))


def questions_of(job: Job) -> Questions:
    """The replicate's questions, from (study seed, replicate) and the profile noise alone; see :func:`questions`.

    Raises:
        ValueError: if the pool is larger than the population's problems.
    """
    pool, held_out = sizes(job.cell)
    draws = whole(job.cell, "truth_draws")
    return questions(population_of(job), job.seed, job.replicate, profile_noise_of(job), pool, held_out, draws)


def responses_of(jobs: Sequence[Job]) -> list[Responses]:
    """What the workers of each job's cell answered in its replicate."""
    rngs = [job.own_rng("responses") for job in jobs]
    found = []
    drawn = _profiles(jobs, rngs, [whole(job.cell, "workers") for job in jobs])
    for job, profiles, rng in zip(jobs, drawn, rngs, strict=True):
        cell = job.cell
        found.append(
            ask(
                population_of(job),
                questions_of(job),
                reading(str(cell["reading"])),
                number(cell, "diversity"),
                number(cell, "noise"),
                profiles,
                whole(cell, "questions"),
                rng,
            )
        )
    return found


def _profiles(jobs: Sequence[Job], rngs: Sequence[np.random.Generator], people: Sequence[int]) -> list[FloatArray]:
    """Coded profiles of new people of every job; those of one law are drawn together, in the time that one takes."""
    laws = [(population_of(job), profile_noise_of(job)) for job in jobs]
    uniforms = [rng.random((n, law.n_uniforms)) for rng, n, (law, _) in zip(rngs, people, laws, strict=True)]
    found: list[FloatArray] = [np.empty(0)] * len(jobs)
    for law, noise in dict.fromkeys(laws):
        places = [place for place, other in enumerate(laws) if other == (law, noise)]
        drawn = law.profiles(np.concatenate([uniforms[place] for place in places]), noise)
        ends = np.cumsum([people[place] for place in places])[:-1]
        for place, own in zip(places, np.split(drawn, ends), strict=True):
            found[place] = own
    return found


def centre_of(job: Job, got: Responses) -> float:
    """Mean y_ref of the problems that were answered."""
    return float(population_of(job).reference[np.unique(got.problem)].mean())


def learned(job: Job, got: Responses) -> FitSample:
    """The answers of one fit, and its random numbers; ``got`` from :func:`responses_of`."""
    population = population_of(job)
    reference = population.reference[got.problem]
    return FitSample(
        x=population.given[got.problem],
        v=got.profiles[got.worker],
        reference=reference,
        centred=reference - centre_of(job, got),
        answer=got.answer,
        diversity=model_diversity_of(job),
        start=int(job.own_rng("start").integers(2**32)),
        order=job.own_rng("batches"),
        draws=job.own_rng("draws"),
    )


def examinations(jobs: Sequence[Job], got: Sequence[Responses]) -> list[Examination]:
    """The virtual workers of each job's fit; ``got`` from :func:`responses_of`."""
    rngs = [job.own_rng("virtual workers") for job in jobs]
    shapes = [(len(questions_of(job).test), whole(job.cell, "virtual")) for job in jobs]
    profiles = _profiles(jobs, rngs, [tests * virtual for tests, virtual in shapes])
    return [
        Examination(
            asked=questions_of(job),
            profiles=own.reshape(*shape, -1),
            psi=rng.standard_normal((*shape, PAPER.mixing_dim)),
            noise=rng.standard_normal(shape),
            centre=centre_of(job, answers),
            diversity=model_diversity_of(job),
        )
        for job, answers, own, shape, rng in zip(jobs, got, profiles, shapes, rngs, strict=True)
    ]


def number(cell: Mapping[str, Value], name: str) -> float:
    """A parameter of a cell as a float.

    Args:
        cell: value of every parameter.
        name: of a parameter that is a number.

    Raises:
        KeyError: if the cell has no such parameter.

    Example:
        >>> number({"noise": 2}, "noise")
        2.0
    """
    value: Any = cell[name]
    return float(value)


def whole(cell: Mapping[str, Value], name: str) -> int:
    """A parameter of a cell as an int; arguments and errors as :func:`number`.

    Example:
        >>> whole({"workers": 40.0}, "workers")
        40
    """
    return int(number(cell, name))


def sizes(cell: Mapping[str, Value]) -> tuple[int, int]:
    """Questions of the pool, and those held out.

    Example:
        >>> sizes({"pool": 200, "held_out": 0.2})
        (200, 40)
    """
    pool = whole(cell, "pool")
    return pool, round(number(cell, "held_out") * pool)


def steps_wanted(cell: Mapping[str, Value]) -> int:
    """Gradient steps of the cell's fits: so many epochs of ``ceil(W Q / batch)`` steps, or the number given.

    Example:
        >>> steps_wanted({"workers": 2, "questions": 20, "length": "epochs", "epochs": 100, "batch": 32})
        200
    """
    n = whole(cell, "workers") * whole(cell, "questions")
    if cell["length"] == "steps":
        return whole(cell, "steps")
    return whole(cell, "epochs") * -(-n // whole(cell, "batch"))
