"""The results of a study: one row a cell, method and measure, each number with its Monte Carlo standard error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from .design import Design, coordinate, levels_text
from .parameters import Value
from .report_words import table_words

if TYPE_CHECKING:
    import xarray

NUMBERS = ("value", "mcse", "lower", "upper", "replicates", "failed")


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What came out of a study.

    Attributes:
        design: the study.
        frame: one row a cell, method and measure: the factors, ``method``, ``measure``, ``value``, ``mcse``, ``lower``
            and ``upper`` (95% for the value with endless replicates; Wilson for proportions), ``replicates`` that
            count, ``successes`` (proportions only), ``failed`` replicates, ``note`` (why a pair was skipped).
        contrasts: one row a cell, method other than the reference, and measure: ``difference`` from the reference
            method on the same replicates, ``mcse``, ``lower``, ``upper``, ``replicates``; empty without a reference.
        folder: of the finished blocks.
    """

    design: Design
    frame: pd.DataFrame
    contrasts: pd.DataFrame
    folder: Path

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

    def to_arviz(self) -> Any:
        """An ArviZ InferenceData: group ``performance`` as :meth:`to_xarray`, group ``replicates`` every outcome.

        Raises:
            ModuleNotFoundError: without ArviZ (in ``crowdllm-stats[generator]``).
            FileNotFoundError: if the blocks are gone.
        """
        import arviz

        from .store import Store
        from .summarise import replicates_xarray

        single = replicates_xarray(self.design, Store(self.folder, self.design))
        return arviz.InferenceData(performance=self.to_xarray(), replicates=single)

    def __str__(self) -> str:
        return table_words(self)
