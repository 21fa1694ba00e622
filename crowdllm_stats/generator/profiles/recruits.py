"""The people that a profile generator made: their profiles, who was redrawn, and how close they come to a target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.profiles.columns import ID, Kinds
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder
from crowdllm_stats.inference.theorem1_profiles import ProfileBound, ProfileDistance, profile_bound, profile_distance


@dataclass(frozen=True, eq=False)
class Profiles:
    """Generated people.

    Attributes:
        table: column ``participant`` ("v000001", "v000002", ...) and the profile columns.
        exclusions: draws that were redrawn, by reason.
        why: what the profiles rest on.
    """

    table: pd.DataFrame
    exclusions: dict[str, int]
    why: str

    @property
    def acceptance(self) -> float:
        """Share of all draws that became a person."""
        return len(self.table) / (len(self.table) + sum(self.exclusions.values()))

    def to_frame(self) -> pd.DataFrame:
        """The table, a copy."""
        return self.table.copy()

    def __len__(self) -> int:
        return len(self.table)

    def __str__(self) -> str:
        lines = [f"Profiles of {len(self.table)} people ({self.acceptance:.3g} of the draws accepted)"]
        lines += [f"  redrawn, {reason}: {count}" for reason, count in self.exclusions.items()]
        for name in self.table.columns.drop(ID):
            values = self.table[name]
            if values.nunique() > 12 and pd.api.types.is_numeric_dtype(values.dtype):
                lines.append(f"  {name}: from {values.min():g} to {values.max():g}, median {values.median():g}")
                continue
            shares = values.value_counts(normalize=True)
            shown = ", ".join(f"{level} {share:.0%}" for level, share in shares.head(8).items())
            lines.append(f"  {name}: {shown}{', ...' if len(shares) > 8 else ''}")
        return "\n".join([*lines, f"  {self.why}"])


@dataclass(frozen=True, eq=False)
class ProfileFit:
    """Measured distance between generated and target profiles, and Theorem 1's bound beside it.

    Attributes:
        measured: W1 on the coded profiles, with what sampling alone gives.
        bound: Theorem 1 for the epsilon asked for.
        columns: the profile columns compared, d of them.
        left_out: columns of the target that the generated profiles do not have, not compared.
        why: the coding.
    """

    measured: ProfileDistance
    bound: ProfileBound
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    why: str

    def to_frame(self) -> pd.DataFrame:
        """One row: the measured distance's columns, then ``bound_published`` and ``bound_sharper``."""
        frame = self.measured.to_frame()
        return frame.assign(bound_published=self.bound.published, bound_sharper=self.bound.sharper)

    def __str__(self) -> str:
        note = f"\n  not compared: {', '.join(self.left_out)}" if self.left_out else ""
        return f"{self.measured}\n{self.bound}\n  {self.why}{note}"


def profile_fit(
    generated: pd.DataFrame,
    target: pd.DataFrame,
    kinds: Kinds | None = None,
    *,
    smoothing: float = 1.0,
    epsilon: float = 0.05,
    n_boot: int = 0,
    seed: int,
) -> ProfileFit:
    """Wasserstein-1 distance between two tables of profiles, and Theorem 1's bound.

    Coding: a categorical column one-hot divided by sqrt(2), so that two levels lie 1 apart; an ordered one its score
    in [0, 1]; a continuous one ``(x - min) / (max - min)`` of the target. Then no column weighs more than another, and
    profiles are bounded, as the theorem asks.

    Args:
        generated: one row per person.
        target: one row per person, with all columns of ``generated``.
        kinds: as :func:`crowdllm_stats.generator.profiles.columns.read_columns`.
        smoothing: eta of Theorem 1, for the bound.
        epsilon: accuracy of Theorem 1, for the bound.
        n_boot: bootstrap samples, see :func:`crowdllm_stats.inference.theorem1_profiles.profile_distance`.
        seed: of splits, directions and bootstrap.

    Returns:
        ProfileFit.

    Raises:
        ValueError: if the target lacks a column, or there is none; on values outside given levels; as both functions.

    Source: CrowdLLM, Theorem 1 (4.1).

    Example:
        >>> ours = pd.DataFrame({"gender": ["Man"] * 8})
        >>> theirs = pd.DataFrame({"gender": ["Woman"] * 6})
        >>> round(profile_fit(ours, theirs, seed=1).measured.distance, 6)
        1.0
    """
    names = [name for name in generated.columns if name != ID]
    if not names:
        raise ValueError("there is no profile column to compare; give profiles with at least one")
    lacking = [name for name in names if name not in target.columns]
    if lacking:
        raise ValueError(f"target lacks the column(s) {', '.join(map(repr, lacking))} of the generated profiles; "
                         "add them to the target")  # fmt: skip
    both = pd.concat([generated[names], target[names]], ignore_index=True)
    encoder = ProfileEncoder.fit(both, kinds)
    centres, spreads = list(encoder.centres), list(encoder.spreads)
    for place, column in enumerate(encoder.columns):
        if column.kind == "continuous":
            numbers = column.numbers(target[column.name], "target")
            centres[place], spreads[place] = float(numbers.min()), float(np.ptp(numbers)) or 1.0
    encoder = replace(encoder, centres=tuple(centres), spreads=tuple(spreads))
    scale = _scale(encoder)
    discrete = sum(column.kind != "continuous" for column in encoder.columns)
    return ProfileFit(
        measured=profile_distance(
            encoder.transform(generated) * scale, encoder.transform(target) * scale, n_boot=n_boot, seed=seed
        ),
        bound=profile_bound(discrete, len(names), smoothing, epsilon),
        columns=tuple(map(str, names)),
        left_out=tuple(str(name) for name in target.columns if name != ID and name not in names),
        why="Coding: categories one-hot over sqrt(2), ordered scores in [0, 1], numbers over the target's range.",
    )


def _scale(encoder: ProfileEncoder) -> FloatArray:
    """1 / sqrt(2) for one-hot coordinates, 1 for the others, shape (P,)."""
    parts = [
        np.full(len(column.levels), np.sqrt(0.5)) if column.kind == "categorical" else np.ones(1)
        for column in encoder.columns
    ]
    return np.concatenate(parts)
