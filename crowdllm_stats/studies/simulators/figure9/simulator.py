"""Figure 9 as a simulator of the study engine: one job is one fit, with its errors on held-out questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.shipped import POPULATIONS
from crowdllm_stats.studies.engine.parameters import InputFile, Parameter, Value, cell_text
from crowdllm_stats.studies.engine.simulator import Job, Simulator
from crowdllm_stats.studies.simulators.figure9.samples import belief_sd_of, sizes, steps_wanted, whole
from crowdllm_stats.studies.simulators.readings import LENGTHS, READINGS, reading

if TYPE_CHECKING:
    from crowdllm_stats.studies.engine.results import Facets, Results
    from crowdllm_stats.studies.engine.verdicts import Verdict
    from crowdllm_stats.studies.simulators.figure9.assessment import Grades


class Figure9(Simulator):
    """Fits of the paper's objective to small samples of a known population; ``simulations/figure9.toml`` uses it.

    Random numbers: questions, held-out questions and truth are the replicate's, shared by all cells; workers, answers,
    starting values, batches, draws and virtual workers belong to the cell and the replicate.
    """

    parameters: Mapping[str, Parameter] = {
        "reading": Parameter("what belief diversity means", "choice", choices=tuple(READINGS)),
        "length": Parameter("what sets the length of training", "choice", choices=LENGTHS),
        "noise": Parameter("sd of the response noise sigma_e, rating units", least=0.0),
        "diversity": Parameter("belief diversity epsilon", least=0.0),
        "workers": Parameter("real workers W", "whole", least=1),
        "questions": Parameter("questions a real worker answers, Q", "whole", least=1),
        "population": Parameter(
            "the real population: 'offensiveness', which is shipped, or an .npz file of CrowdLLM.save (its content "
            "counts, not its name)",
            "file",
            "offensiveness",
            choices=POPULATIONS,
        ),
        "epochs": Parameter("epochs over the cell's answers, length 'epochs'", "whole", 100, least=1),
        "steps": Parameter("gradient steps, length 'steps'", "whole", 500, least=1),
        "batch": Parameter("most answers of a gradient step", "whole", 32, least=1),
        "pool": Parameter("questions of a replicate", "whole", 200, least=2, most=1500),
        "held_out": Parameter("share of them held out for the test", default=0.2, least=0.001, most=0.999),
        "virtual": Parameter("virtual workers a held-out question", "whole", 20, least=1),
        "truth_draws": Parameter("people behind the true mean answers", "whole", 10_000, least=1),
    }
    methods: Sequence[str] = ("crowdllm",)
    outcomes: Sequence[str] = (
        "error", "error_untrained", "error_reference", "spread", "spread_untrained", "belief_sd"
    )  # fmt: skip
    block = 10
    results = 2
    environment: Mapping[str, str] = {
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "JAX_PLATFORMS": "cpu",
    }

    def check(self, cell: Mapping[str, Value]) -> None:
        """Refuse cells without enough questions, and a population of another kind of file.

        Raises:
            ValueError: if a worker is to answer more questions than the pool has for training, or population is
                neither shipped nor an .npz file.
        """
        population = cell["population"]
        if isinstance(population, InputFile) and not population.path.endswith(".npz"):
            raise ValueError(f"population must be an .npz file of CrowdLLM.save; got {population.path!r}")
        pool, held_out = sizes(cell)
        if not 0 < held_out < pool:
            raise ValueError(f"pool {pool} with held_out {cell['held_out']} leaves {held_out} questions for the test")
        if whole(cell, "questions") > pool - held_out:
            raise ValueError(
                f"questions {cell['questions']} is more than the {pool - held_out} that a pool of {pool} has for "
                "training; raise pool, or lower questions or held_out"
            )

    def shape(self, cell: Mapping[str, Value]) -> str:
        """Cells of equally many answers and steps, and of one population, run side by side."""
        n = whole(cell, "workers") * whole(cell, "questions")
        size = f"{n} answers, {steps_wanted(cell)} steps, batch {min(n, whole(cell, 'batch'))}"
        own = cell_text({"population": cell["population"]}, self.parameters)
        return f"{size}, {own}" if own else size

    def prepare(self, jobs: Sequence[Job], methods: Sequence[str]) -> None:
        """Read the population and compile: a few steps on the block's own sizes, without results."""
        from crowdllm_stats.studies.simulators.fits import PIECE

        key = (len(jobs), min(whole(jobs[0].cell, "batch"), _size(jobs[0])), min(PIECE, steps_wanted(jobs[0].cell)))
        if key not in _COMPILED:
            self._fit(jobs, steps=key[2])
            _COMPILED.add(key)

    def run(self, jobs: Sequence[Job], methods: Sequence[str]) -> Mapping[str, FloatArray]:
        """Fit and examine; every outcome has shape (jobs, 1)."""
        grades = self._fit(jobs, steps=steps_wanted(jobs[0].cell))
        found = (
            grades.trained,
            grades.untrained,
            grades.reference,
            grades.spread,
            grades.spread_untrained,
            np.array([belief_sd_of(job) for job in jobs]),
        )
        return {name: values[:, None] for name, values in zip(self.outcomes, found, strict=True)}

    def draw(self, results: Results, folder: Path) -> Mapping[str, Path]:
        """The figure in the paper's layout, one for every reading and length."""
        from crowdllm_stats.studies.engine.store import Store
        from crowdllm_stats.studies.simulators.figure9.overview import fitted_errors
        from crowdllm_stats.studies.simulators.figure9.picture import draw_figure9

        table = fitted_errors(results.design, Store(results.folder, results.design))
        found = {}
        for (name, length), part in table.groupby(["reading", "length"], sort=False):
            title = f"Reading '{name}': {reading(name).meaning}; training length: {length}"
            found[title] = folder / f"figure9_{name}_{length}.png"
            draw_figure9(part, title.replace("; ", "\n")).savefig(found[title], dpi=110, metadata={"Software": None})
        return found

    def facets(self, results: Results) -> Sequence[Facets]:
        """The figure in the paper's layout as numbers, one for every reading and length."""
        from crowdllm_stats.studies.engine.results import Facets
        from crowdllm_stats.studies.simulators.figure9.picture import points_of

        names = ("reading", "length", "noise", "diversity", "workers", "questions")
        same = results.design.full_cell({})  # what does not vary stands in no column
        frame = results.frame.assign(**{name: same[name] for name in names if name not in results.frame})
        return [
            Facets(
                f"Figure 9, reading '{name}' ({reading(name).meaning}), {length}",
                "error",
                "workers",
                None,
                points_of(part),
            )
            for (name, length), part in frame.groupby(["reading", "length"], sort=False)
        ]

    def conclude(self, results: Results) -> Sequence[Verdict]:
        """The paper's five insights, a verdict each for every reading and length; nothing where none can be judged."""
        from crowdllm_stats.studies.engine.store import Store
        from crowdllm_stats.studies.engine.verdicts import Verdict
        from crowdllm_stats.studies.simulators.figure9.overview import fitted_errors
        from crowdllm_stats.studies.simulators.figure9.verdicts import NOT_JUDGED, judge, panels_of

        table = fitted_errors(results.design, Store(results.folder, results.design))
        found = []
        for (name, length), part in table.groupby(["reading", "length"], sort=False):
            insights = judge(panels_of(part)).insights
            if all(verdict.verdict == NOT_JUDGED for verdict in insights):
                continue
            for verdict in insights:
                said = f"{name}, {length}: insight {verdict.insight}, {verdict.text}"
                found.append(Verdict(said, verdict.verdict, verdict.evidence))
        return found

    def _fit(self, jobs: Sequence[Job], steps: int) -> Grades:
        from crowdllm_stats.studies.simulators.figure9.assessment import examine
        from crowdllm_stats.studies.simulators.figure9.samples import examinations, learned, population_of, responses_of
        from crowdllm_stats.studies.simulators.fits import fit

        batch, got = whole(jobs[0].cell, "batch"), responses_of(jobs)
        fits = fit([learned(*pair) for pair in zip(jobs, got, strict=True)], batch=batch, steps=steps)
        return examine(population_of(jobs[0]), fits, examinations(jobs, got))


#: Sizes that this process has compiled already.
_COMPILED: set[tuple[int, int, int]] = set()


def _size(job: Job) -> int:
    return whole(job.cell, "workers") * whole(job.cell, "questions")


FIGURE9 = Figure9()
