"""What became of every try of an attack, counted, and the report made of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pandas as pd

from crowdllm_stats._base.markdown import markdown_table

#: Right result; a clear error with the right exit code; a wrong result or a loss without a word; good data destroyed, a
#: traceback, a crash or a hang.
OUTCOMES = ("survived", "refused", "silent", "lost")

#: Outcomes that must not occur.
FAULTS = ("silent", "lost")

#: Attack, outcome, what was before, number of tries.
Taken = tuple[str, str, str, int]


class Campaign:
    """Counts of outcomes by attack, and the seed and size of the campaign.

    Args:
        seed: what every attack seeds its draws with.
        part: share of the tries to make, above 0 and at most 1.
    """

    def __init__(self, seed: int, part: float = 1.0) -> None:
        self.seed = seed
        self.part = part
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def tries(self, full: int) -> int:
        """How many of an attack's ``full`` tries this run makes: all, or a part of them, at least one."""
        return max(1, round(full * self.part))

    def record(self, attack: str, outcome: str, *, before: str = "", times: int = 1) -> None:
        """Count what became of a try (or of several alike).

        Args:
            attack: one plain line, as it stands in the report's table.
            outcome: one of :data:`OUTCOMES`.
            before: what the same attack did before it was mended, for instance "20 of 150 silent".
            times: number of tries with this outcome.

        Raises:
            ValueError: for an outcome that there is not, an attack of no or several lines, or no tries.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}, got {outcome!r}")
        if len(attack.splitlines()) != 1:
            raise ValueError(f"attack must be one line, got {attack!r}")
        if times < 1:
            raise ValueError(f"times must be at least 1, got {times}")
        self._counts[attack, outcome, before] += times

    def take(self) -> list[Taken]:
        """The counts since the last call: attack, outcome, before, number of tries."""
        taken = [(*key, number) for key, number in self._counts.items()]
        self._counts.clear()
        return taken


def table(taken: Iterable[Taken]) -> pd.DataFrame:
    """One row an attack, in the order of their first try: tries, each outcome, and what was before."""
    counts: dict[str, Counter[str]] = {}
    before: dict[str, str] = {}
    for attack, outcome, former, number in taken:
        counts.setdefault(attack, Counter())[outcome] += number
        before[attack] = former or before.get(attack, "")
    return pd.DataFrame(
        [
            {
                "attack": attack,
                "tries": seen.total(),
                **{name: seen[name] for name in OUTCOMES},
                "before": before[attack],
            }
            for attack, seen in counts.items()
        ],
        columns=["attack", "tries", *OUTCOMES, "before"],
    )


def report(rows: pd.DataFrame, failed: list[str], made: str, minutes: float, workers: int) -> str:
    """The report as Markdown: what made it, the sums, the table, and the tests that failed, if any did."""
    return "\n".join(_lines(rows, failed, made, minutes, workers)) + "\n"


def _lines(rows: pd.DataFrame, failed: list[str], made: str, minutes: float, workers: int) -> Iterator[str]:
    sums = {name: int(rows[name].sum()) for name in ("tries", *OUTCOMES)}
    yield "# The fault campaign"
    yield ""
    yield f"{made} {minutes:.1f} minutes, {workers} worker{'s' if workers != 1 else ''}."
    yield ""
    yield (
        f"{len(rows)} attacks, {sums['tries']:,} tries: {sums['survived']:,} survived, {sums['refused']:,} refused, "
        f"{sums['silent']:,} silent, {sums['lost']:,} lost."
    )
    yield ""
    yield (
        "Survived: the result was right. Refused: a clear error with the documented exit code. "
        "Silent: a wrong result, or something lost without a word. "
        "Lost: good data destroyed, a traceback, a crash or a hang. "
        "Before: what the same attack did to an earlier version, where that was counted."
    )
    yield ""
    yield markdown_table(rows)
    if failed:
        yield ""
        yield "## Tests that failed"
        yield ""
        yield from (f"- `{name}`" for name in failed)
