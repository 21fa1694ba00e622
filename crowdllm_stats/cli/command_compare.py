"""`crowdllm-stats compare`: every interval method on the same answers, with a picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats._base.messages import Message, said
from crowdllm_stats._base.shown import one_line
from crowdllm_stats.cli.command_interval import Alternative
from crowdllm_stats.cli.options import Level, Seed, Tables, Unpaired
from crowdllm_stats.cli.output import Report, Row, bars

if TYPE_CHECKING:
    from crowdllm_stats.cli.inputs import Loaded
    from crowdllm_stats.inference.intervals import IntervalTable
    from crowdllm_stats.survey.pairing import Pairing

SHOW = ("problem", "method", "estimate", "lower", "upper", "half_width", "lam", "effective_n")

#: Endings of --picture.
PICTURES = (".png", ".pdf", ".svg")


#: Methods with twins that take people who answered several problems.
PAIRED_POOLED = ("ppi", "ppi++", "ppi-small", "ppi++-small")


@dataclasses.dataclass(frozen=True)
class Panel:
    """One problem's place in a table of methods.

    Attributes:
        problem: its id, or "all".
        table: the methods' intervals, of a batch of problems.
        place: the problem's row in that batch.
    """

    problem: str
    table: IntervalTable
    place: int

    def rows(self) -> list[Row]:
        """One row a method."""
        rows = []
        for method, answer in self.table.intervals.items():
            row = answer.to_frame().iloc[[self.place]].to_dict("records")[0]
            rows.append({"problem": self.problem, **row, "chosen": method == self.table.chosen})
        return rows

    def on_humans(self) -> Panel:
        """The same with the star at the method for human answers alone, where twins and crowd are of two laws."""
        names = self.table.intervals
        alone = next(name for name in ("binomial", "classical-small", "classical") if name in names)
        return dataclasses.replace(self, table=dataclasses.replace(self.table, chosen=alone))

    def bars(self) -> str:
        """The intervals drawn with letters."""
        rows = [row | {"label": f"{row['method']}{' *' if row['chosen'] else ''}"} for row in self.rows()]
        return f"\n{one_line(self.problem)}\n{bars(rows, 'label')}"


def compare(
    tables: Tables,
    first: Annotated[
        int | None, typer.Option(metavar="N", help="The first N problems, instead of the mean over all.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw it to a file (needs matplotlib).")
    ] = None,
    level: Level = 0.95,
    alternative: Alternative = "two-sided",
    unpaired: Unpaired = False,
    seed: Seed = None,
) -> Report:
    """Every interval method side by side: for the problems named by --problem, for the first N, or the mean over all.

    Picking the narrowest one afterwards breaks its level; the star marks what "auto" uses.
    """
    from importlib.util import find_spec

    from crowdllm_stats._base.checks import ALTERNATIVES, check_choice, check_count, check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.inference.intervals import HUMAN_ONLY
    from crowdllm_stats.survey.first_look import first_look, refuse_strangers
    from crowdllm_stats.survey.intervals import AUTO_ALONE
    from crowdllm_stats.survey.one_law import survey_law
    from crowdllm_stats.survey.pairing import pair
    from crowdllm_stats.survey.tables import set_apart

    check_level(level)
    check_choice("--alternative", alternative, ALTERNATIVES)
    if first is not None:
        check_count("--first", first)
    if picture is not None and find_spec("matplotlib") is None:
        raise ValueError("--picture needs matplotlib: pip install 'crowdllm-stats[plot]'")
    loaded = load(tables)
    digital = set_apart(loaded.digital) if unpaired else loaded.digital
    pairing = pair(loaded.human, digital, match=loaded.match)
    if not unpaired:
        refuse_strangers(pairing, digital)
    law = survey_law(pairing)
    options = {"level": level, "alternative": alternative, "seed": seed, "check_law": False}
    single = bool(tables.problem) or first is not None or len(pairing.problems) == 1
    if single:
        panels, excluded = _each(pairing, loaded, options, len(pairing.problems) if first is None else first)
        notes = []
    else:
        panel, remark = _all(pairing, options)
        panels, excluded, notes = [panel], [], [remark]
    if law.differs:
        panels = [panel.on_humans() for panel in panels]
    rows = [row for panel in panels for row in panel.rows()]
    law.mark([row for row in rows if row["method"] not in HUMAN_ONLY])
    skipped = {
        Message.filled("not applicable: {} ({})", *one): None for panel in panels for one in panel.table.skipped.items()
    }
    if picture is not None:
        draw(panels, picture)
        notes.append(f"Picture: {picture}")
    return Report(
        command="compare",
        title=f"All interval methods, level {level:g}; * is what auto uses",
        results=rows,
        excluded=excluded,
        notes=[*loaded.notes, *pairing.notes(), *notes, *skipped],
        counts=pairing.counts,
        why=pairing.why,
        show=SHOW,
        inputs=loaded.inputs,
        seed=seed,
        pictures=[panel.bars() for panel in panels[:3]],
        notices=[
            *loaded.notices,
            *first_look(pairing, loaded.human, digital, paired=not unpaired),
            *law.notices(AUTO_ALONE),
            *pairing.notices(),
        ],
    )


def _all(pairing: Pairing, options: dict[str, Any]) -> tuple[Panel, str]:
    """The mean over all problems, by the methods that know people who answered several problems."""
    from crowdllm_stats.inference.intervals import compare_intervals
    from crowdllm_stats.survey.pooled import pool

    pooled = pool(pairing)
    names = ["classical", *(() if pooled.crowd is None else PAIRED_POOLED)]
    table = compare_intervals(pooled.human, pooled.twin, pooled.crowd, clusters=pooled.people, methods=names, **options)
    others = "The bounded methods and Theorem 5 know no people who answered several problems; --problem shows them."
    return Panel("all", table, 0), f"all: {pooled.why} {others}"


def _each(pairing: Pairing, loaded: Loaded, options: dict[str, Any], first: int) -> tuple[list[Panel], list[Row]]:
    """The first problems, each with all methods that two tables are enough for."""
    import numpy as np

    from crowdllm_stats.inference.intervals import METHODS, compare_intervals
    from crowdllm_stats.survey.tables import step_of

    names = [name for name, method in METHODS.items() if not method.folds]
    chosen = np.arange(len(pairing.problems)) < first
    paired = chosen & pairing.fully_paired
    bounds, (step, _) = loaded.human.scale.bounds, step_of(loaded.human, loaded.digital)
    panels: list[Panel] = []
    excluded: list[Row] = []
    whole = pairing.blocks(paired=True, filled=True, chosen=paired)
    for block in [*whole, *pairing.blocks(paired=False, chosen=chosen & ~paired)]:
        try:
            table = compare_intervals(
                block.human, block.twin, block.crowd, bounds=bounds, step=step, methods=names, **options
            )
        except ValueError as reason:
            excluded += [{"problem": problem, "reason": said(reason)} for problem in block.problems]
            continue
        panels += [Panel(problem, table, place) for place, problem in enumerate(block.problems)]
    if not panels:
        raise ValueError(excluded[0]["reason"])
    order = {problem: place for place, problem in enumerate(pairing.problems)}
    return sorted(panels, key=lambda panel: order[panel.problem]), excluded


def draw(panels: list[Panel], picture: Path) -> None:
    """Draw one panel a problem, at most the first six, one bar a method.

    Args:
        panels: in the order shown.
        picture: the file, .png, .pdf or .svg.
    """
    from matplotlib.figure import Figure

    from crowdllm_stats._base.whole_files import whole_file

    shown = panels[:6]
    figure = Figure(figsize=(7.0, 0.6 + 3.2 * len(shown)), layout="constrained")
    for axis, panel in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        panel.table.plot(axis, problem=panel.place)
        axis.set_title(f"{panel.problem}: {axis.get_title()}", fontsize=10, parse_math=False)
    with whole_file(picture) as file:
        figure.savefig(file, dpi=150, format=picture.suffix.lower().removeprefix("."))
