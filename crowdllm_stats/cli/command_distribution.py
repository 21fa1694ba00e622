"""`crowdllm-stats distribution`: is the digital population too uniform, and what does it cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats.cli.options import Level, Seed, Tables
from crowdllm_stats.cli.output import Report, Row

if TYPE_CHECKING:
    import numpy as np

    from crowdllm_stats.cli.inputs import Loaded
    from crowdllm_stats.inference.diversity import DistributionError

SHOW = (
    "problem",
    "total",
    "location",
    "spread",
    "rest",
    "shape",
    "energy",
    "sd_ratio",
    "cost_of_uniformity",
    "n_human",
    "n_digital",
)

Boot = Annotated[int, typer.Option("--n-boot", metavar="B", help="Bootstrap samples for bounds a problem; 0: none.")]


def distribution(tables: Tables, level: Level = 0.95, n_boot: Boot = 0, seed: Seed = None) -> Report:
    """How far the digital answers' distribution is from the humans': location, spread, shape and few answers.

    Each problem, and over all of them. "sd_ratio" below 1 says that the digital answers are too uniform,
    "cost_of_uniformity" what that adds to the squared distance. Who is whose twin plays no part here.
    """
    from crowdllm_stats._base.checks import check_count, check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.inference.diversity import LEAST, distribution_error
    from crowdllm_stats.survey.one_law import survey_law
    from crowdllm_stats.survey.pairing import pair
    from crowdllm_stats.survey.tables import two_scales

    check_level(level)
    check_count("--n-boot", n_boot, least=0)
    if tables.match is not None:
        raise ValueError("--match builds twins, and twins play no part in the distribution of answers: leave it out")
    loaded = load(tables)
    answers, excluded, notes = _answers(loaded)
    if not answers:
        raise ValueError(f"no problem has {LEAST} human and {LEAST} digital answers, the least that show a spread")
    results, everything = _problems(answers, level, n_boot, seed)
    law = survey_law(pair(loaded.human, loaded.digital))
    law.mark(results)
    if len(results) > 1:
        overall = everything.average(level)
    else:
        overall = distribution_error(*next(iter(answers.values())), level=level, n_boot=n_boot, seed=seed)
    notes.append(_in_words(overall, len(results)))
    return Report(
        command="distribution",
        title="Distance of the digital answers' distribution from the humans' (squared Wasserstein-2), and its parts",
        results=results,
        summary=_summary(overall, level) if len(results) > 1 else [],
        excluded=excluded,
        notes=[*loaded.notes, *notes],
        counts={"problems": len(results), "excluded": len(excluded)},
        why=overall.why,
        show=SHOW,
        inputs=loaded.inputs,
        seed=seed,
        notices=[
            *loaded.notices,
            *two_scales(loaded.human, loaded.digital),
            *law.notices("The distribution here is that of both together."),
        ],
    )


def _answers(loaded: Loaded) -> tuple[dict[str, tuple[Any, Any]], list[Row], list[str]]:
    """Both sides' answers of every problem, the problems left out, and a remark on repeated answers."""
    from crowdllm_stats.inference.diversity import LEAST

    sides, notes = [], []
    for name, data in (("human", loaded.human), ("digital", loaded.digital)):
        if not data.scale.numeric:
            raise ValueError(f"answers must be numbers here, but the {name} scale is {data.scale}")
        table = data.responses
        sides.append(
            {str(key): rows.to_numpy(dtype=float) for key, rows in table.groupby("problem", sort=False)["response"]}
        )
        repeated = int(table.duplicated(["problem", "participant"]).sum())
        if repeated:
            notes.append(f"{repeated} repeated answers of the same {name} people count like answers of others")
    answers: dict[str, tuple[Any, Any]] = {}
    excluded: list[Row] = []
    problems = list(sides[0])
    for problem in sorted(problems, key=int) if all(name.isdecimal() for name in problems) else problems:
        both = sides[0][problem], sides[1].get(problem, ())
        short = [
            f"{len(side)} {name}" for side, name in zip(both, ("human", "digital"), strict=True) if len(side) < LEAST
        ]
        if short:
            excluded.append({"problem": problem, "reason": f"fewer than {LEAST} answers: {' and '.join(short)}"})
        else:
            answers[problem] = both
    return answers, excluded, notes


def _problems(
    answers: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]], level: float, n_boot: int, seed: int | None
) -> tuple[list[Row], DistributionError]:
    """A row a problem in the table's order, and one result over all of them: one call a shape."""
    import numpy as np

    from crowdllm_stats.inference.diversity import SOME, distribution_error, share_with_few_levels

    few = bool(np.mean([share_with_few_levels(human, digital) for human, digital in answers.values()]) > SOME)
    shapes: dict[tuple[int, int], list[str]] = {}
    for problem, (human, digital) in answers.items():
        shapes.setdefault((len(human), len(digital)), []).append(problem)
    rows: dict[str, Row] = {}
    parts: list[DistributionError] = []
    for (n, m), names in shapes.items():
        human, digital = (np.stack([answers[name][side] for name in names]) for side in (0, 1))
        part = distribution_error(human, digital, level=level, n_boot=n_boot, seed=seed, few_levels=few)
        parts.append(part)
        frame = part.to_frame(index=names)
        if part.lower is not None and part.upper is not None:
            for name in part.lower:
                frame[f"{name}_lower"], frame[f"{name}_upper"] = part.lower[name], part.upper[name]
        for row in frame.reset_index().to_dict("records"):
            rows[row["problem"]] = {**row, "n_human": n, "n_digital": m}
    return [rows[problem] for problem in answers], _joined(parts)


def _joined(parts: list[DistributionError]) -> DistributionError:
    """The results of all shapes as one, its numbers of answers those of a typical problem."""
    import dataclasses

    import numpy as np

    values: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in parts[0].columns
        if getattr(parts[0], name) is not None
    }
    sizes = [len(part.total) for part in parts]
    n, m = (
        int(np.median(np.repeat([getattr(part, name) for part in parts], sizes))) for name in ("n_human", "n_digital")
    )
    why = parts[0].why.replace(
        f"{parts[0].n_human} human and {parts[0].n_digital} digital", f"About {n} human and {m} digital"
    )
    return dataclasses.replace(parts[0], **values, n_human=n, n_digital=m, why=why, flags={}, lower=None, upper=None)


def _summary(overall: DistributionError, level: float) -> list[Row]:
    rows: list[Row] = [
        {"problem": "mean", **{name: getattr(overall, name) for name in overall.columns}, "note": "over problems"}
    ]
    for name, ends in (("lower", overall.lower), ("upper", overall.upper)):
        rows.append({"problem": name, **(ends or {}), "note": f"level {level:g}"})
    return rows


def _in_words(overall: DistributionError, problems: int) -> str:
    where = f"Over {problems} problems the" if problems > 1 else "The"
    text = (
        f"{where} digital answers have a standard deviation of {overall.digital_sd:.3g}, the human ones "
        f"{overall.human_sd:.3g} (ratio {overall.sd_ratio:.2f})"
    )
    if overall.lower is None or overall.upper is None:
        return f"{text}."
    low, high = overall.lower["sd_ratio"], overall.upper["sd_ratio"]
    text += f", {low:.2f} to {high:.2f} at level {overall.level:g}: "
    if high < 1.0:
        return f"{text}too uniform, at a cost of {overall.cost_of_uniformity:.3g} squared units."
    return f"{text}{'too spread out.' if low > 1.0 else 'no evidence that they are too uniform.'}"
