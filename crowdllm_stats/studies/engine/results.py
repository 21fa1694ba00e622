"""The results of a study: one row per cell, method and measure, each number with its Monte Carlo standard error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from crowdllm_stats.studies.engine.design import Claim, Design, Picture, coordinate, levels_text
from crowdllm_stats.studies.engine.parameters import Value

if TYPE_CHECKING:
    import xarray

NUMBERS = ("value", "mcse", "lower", "upper", "replicates", "failed")


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What came out of a study.

    Attributes:
        design: the study.
        frame: one row per cell, method and measure: factors, ``method``, ``measure``, ``value``, ``mcse``, ``lower``
            and ``upper`` (95% for the value with endless replicates; Wilson for proportions), ``replicates`` that
            count, ``successes`` (proportions only), ``failed`` replicates, ``note`` (why a pair was skipped).
        contrasts: one row per cell, method other than the reference, and measure: ``difference`` from the reference
            method on the same replicates, ``mcse``, ``lower``, ``upper``, ``replicates``; empty without a reference.
        folder: of the finished blocks.
        differences: one row per cell of a claim on differences: ``claim`` (its place in the study file), and the
            columns of ``frame`` for the measure less that in the cell compared with, on the same replicates.
    """

    design: Design
    frame: pd.DataFrame
    contrasts: pd.DataFrame
    folder: Path
    differences: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)

    @property
    def failures(self) -> pd.DataFrame:
        """Replicates that failed, by method and cell; only pairs where some did.

        Returns:
            Columns: the factors, ``method``, ``failed``.
        """
        rows = self.frame[self.frame["failed"] > 0].drop_duplicates([*self.design.factors, "method"])
        return rows[[*self.design.factors, "method", "failed"]].reset_index(drop=True)

    @property
    def skipped(self) -> pd.DataFrame:
        """Pairs that were not run, with the reason.

        Returns:
            Columns: the factors, ``method``, ``note``.
        """
        rows = self.frame[self.frame["note"] != ""].drop_duplicates([*self.design.factors, "method"])
        return rows[[*self.design.factors, "method", "note"]].reset_index(drop=True)

    def part(
        self, measure: str, method: str | None = None, where: Mapping[str, tuple[Value, ...]] | None = None
    ) -> pd.DataFrame:
        """The rows of a measure, on request of one method and of some levels; skipped pairs left out.

        Args:
            measure: name of a measure.
            method: all methods by default.
            where: factor -> the levels wanted.

        Returns:
            Rows of :attr:`frame`, its columns and index.
        """
        keep = (self.frame["measure"] == measure) & (self.frame["note"] == "")
        if method is not None:
            keep &= self.frame["method"] == method
        for name, levels in (where or {}).items():
            keep &= self.frame[name].isin(list(levels))
        return self.frame[keep]

    def compared(self, claim: Claim) -> pd.DataFrame:
        """The rows of :attr:`differences` that a claim on differences speaks of; none where its cells are not there."""
        if self.differences.empty:
            return self.frame[:0]
        return self.differences[self.differences["claim"] == self.design.claims.index(claim)]

    def simultaneous(self, rows: pd.DataFrame, level: float = 0.95) -> tuple[pd.Series, pd.Series]:
        """Lower and upper ends that hold for all these rows together, by Bonferroni's inequality.

        Clopper-Pearson for proportions, else Student's t over the replicates that count; unlimited where fewer than
        two replicates leave no standard error.

        Args:
            rows: of :attr:`frame`.
            level: for all of them together.

        Returns:
            Lower and upper ends, with the index of ``rows``.
        """
        from statsmodels.stats.proportion import proportion_confint

        miss = (1.0 - level) / max(len(rows), 1)
        freedom = np.maximum(rows["replicates"].to_numpy(float) - 1.0, 1.0)
        reach = (rows["mcse"] * stdtrit(freedom, 1.0 - 0.5 * miss)).fillna(float("inf"))
        lower, upper = rows["value"] - reach, rows["value"] + reach
        share = rows["successes"].notna()
        if share.any():
            part = rows[share]
            low, high = proportion_confint(
                part["successes"].to_numpy(float), part["replicates"].to_numpy(float), alpha=miss, method="beta"
            )
            lower[share], upper[share] = low, high
        return lower, upper

    def place(self, row: Any) -> str:
        """The cell of a row, for people: "n = 5, family = normal"."""
        return ", ".join(f"{name} = {levels_text([row[name]])}" for name in self.design.factors)

    def to_xarray(self) -> xarray.Dataset:
        """The numbers over the factors, method and measure; NaN where skipped. Choose with ``sel({"method": ...})``.

        Raises:
            ModuleNotFoundError: without xarray (in ``crowdllm-stats[generator]``).
        """
        import xarray  # noqa: F401 - pandas needs it below

        axes = [*self.design.factors, "method", "measure"]
        frame = self.frame.copy()
        for name in self.design.factors:
            frame[name] = [coordinate(level) for level in frame[name]]
        cube = frame.set_index(axes)[list(NUMBERS)].to_xarray()
        order: dict[str, list[Any]] = {
            **{name: list(dict.fromkeys(frame[name])) for name in self.design.factors},
            "method": list(self.design.methods),
            "measure": [spec.name for spec in self.design.measures],
        }
        cube = cube.sel(order)
        cube.attrs = {"study": self.design.name, "title": self.design.title, "seed": self.design.seed}
        return cube  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return table_words(self)


@dataclasses.dataclass(frozen=True)
class Facets:
    """A picture of a study as numbers: panels by rows and columns, lines by colour.

    Attributes:
        title: of the picture.
        measure: what is drawn upwards.
        x: what is drawn along.
        nominal: value that the measure should have, or None.
        points: ``x``, ``row``, ``column`` and ``color`` as text (empty where the picture has no such axis), ``value``,
            and its ends ``lower`` and ``upper`` (None for a line of reference).
    """

    title: str
    measure: str
    x: str
    nominal: float | None
    points: Sequence[Mapping[str, Any]]


def facets_of(results: Results, picture: Picture) -> Facets:
    """A picture of lines or dots as numbers.

    Args:
        results: of a study.
        picture: of kind "lines" or "coverage", with a factor on its horizontal axis.
    """
    rows = results.part(picture.measure, where=picture.where)
    rows = rows[rows["value"].notna()]

    def texts(name: str | None, word: str = "") -> list[str]:
        return [""] * len(rows) if name is None else [f"{word}{levels_text([level])}" for level in rows[name]]

    axes = (
        texts(picture.x),
        texts(picture.row, f"{picture.row} "),
        texts(picture.column, f"{picture.column} "),
        texts(picture.color),
    )
    numbers = (rows[name].tolist() for name in ("value", "lower", "upper"))
    names = ("x", "row", "column", "color", "value", "lower", "upper")
    points = [dict(zip(names, point, strict=True)) for point in zip(*axes, *numbers, strict=True)]
    nominal = next(spec.nominal for spec in results.design.measures if spec.name == picture.measure)
    return Facets(picture.title or picture.measure, picture.measure, str(picture.x), nominal, points)


def overview(results: Results) -> pd.DataFrame:
    """One row per method and measure: its values over the cells that were run.

    Returns:
        Columns ``method``, ``measure``, ``cells``, ``mean``, ``smallest``, ``largest``, ``largest_mcse`` (Monte Carlo
        standard error), ``failed`` (replicates, over all cells); in the order of the study's measures and methods.
    """
    part = results.frame[results.frame["note"] == ""]
    grouped = part.groupby(["method", "measure"], sort=False)
    table = grouped.agg(
        cells=("value", "size"),
        mean=("value", "mean"),
        smallest=("value", "min"),
        largest=("value", "max"),
        largest_mcse=("mcse", "max"),
        failed=("failed", "sum"),
    ).reset_index()
    for name, order in (("method", results.design.methods), ("measure", [s.name for s in results.design.measures])):
        table[name] = pd.Categorical(table[name], list(order), ordered=True)
    return table.sort_values(["measure", "method"]).astype({"method": str, "measure": str}).reset_index(drop=True)


def wide(results: Results, measure: str) -> pd.DataFrame:
    """One row per cell, one column per method: the value and its standard error as text, a dash where skipped.

    Args:
        results: of a study.
        measure: name of one of its measures.

    Returns:
        The factors' columns, then the methods' in the study's order.
    """
    rows = results.frame[results.frame["measure"] == measure]
    words = [
        "-" if note else f"{_number(value)} ({_number(error, 2)})"
        for value, error, note in zip(rows["value"], rows["mcse"], rows["note"], strict=True)
    ]
    table = rows.assign(words=words)
    axes = list(results.design.factors)
    order = {method: place for place, method in enumerate(results.design.methods)}
    pivot = table.pivot_table(index=axes, columns="method", values="words", aggfunc="first", sort=False)
    return pivot[sorted(pivot.columns, key=order.__getitem__)].reset_index()


def drawn(results: Results, picture: Picture) -> pd.DataFrame:
    """What a picture of lines or dots shows, over its panels: mean value, and in brackets the smallest to largest.

    Args:
        results: of a study.
        picture: of kind "lines" or "coverage", with a factor on its horizontal axis.

    Returns:
        One row per line of the picture, one column per level on its axis, all cells text; a dash where nothing was run.
    """
    rows = results.part(picture.measure, where=picture.where)
    rows = rows[rows["value"].notna()]
    columns = [level for level in results.design.factors[str(picture.x)] if level in set(rows[str(picture.x)])]
    every = results.design.methods if picture.color == "method" else results.design.factors[picture.color]
    made = []
    for level in every:
        part = rows[[value == level for value in rows[picture.color]]]
        if part.empty:
            continue
        line: dict[str, str] = {picture.color: levels_text([level])}
        for column in columns:
            values = part.loc[[value == column for value in part[str(picture.x)]], "value"]
            words = f"{_number(values.mean())} ({_number(values.min())} to {_number(values.max())})"
            line[f"{picture.x} {levels_text([column])}"] = "-" if values.empty else words
        made.append(line)
    return pd.DataFrame(made)


def _number(value: float, digits: int = 4) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.{digits}g}"


def table_words(results: Results) -> str:
    """The overview as text, the study's title above.

    Returns:
        Lines without a newline at the end; numbers with four digits.

    Example:
        >>> from pathlib import Path
        >>> from crowdllm_stats.studies.engine.design_file import make_design
        >>> from crowdllm_stats.studies.engine.results import Results
        >>> content = {"title": "Mine", "simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"],
        ...            "measures": ["coverage"], "replicates": 100, "seed": 1}
        >>> frame = pd.DataFrame({"n": [5, 10], "method": "classical", "measure": "coverage", "value": [0.72, 0.95],
        ...                       "mcse": [0.045, 0.022], "successes": [72.0, 95.0], "replicates": 100, "failed": 0,
        ...                       "note": ""})
        >>> results = Results(make_design(content, "mine"), frame, pd.DataFrame(), Path("out/mine"))
        >>> print(table_words(results))
        Mine
           method  measure  cells  mean  smallest  largest  largest_mcse  failed
        classical coverage      2 0.835      0.72     0.95         0.045       0
    """
    return f"{results.design.title}\n{overview(results).to_string(index=False, float_format=lambda v: f'{v:.4g}')}"
