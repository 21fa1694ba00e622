"""The people that a profile generator made: their profiles, who was redrawn, and what it all rests on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from crowdllm_stats.generator.profiles.columns import ID


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
