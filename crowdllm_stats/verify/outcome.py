"""What a verification found: one outcome per result, and all of them together."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdllm_stats.verify.check import KINDS, LIMIT, Check, Skipped, Statement

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Outcome:
    """All checks of one result.

    Attributes:
        statement: what was published and what is true.
        checks: the checks in the order they were made.
        folder: where the result was found.
        seconds: time taken.
        skipped: checks that could not be made here, with the reason; they count neither for nor against the result.
    """

    statement: Statement
    checks: tuple[Check, ...]
    folder: Path
    seconds: float
    skipped: tuple[Skipped, ...] = ()

    @property
    def left_out(self) -> int:
        """How many checks were skipped."""
        return sum(len(each.names) for each in self.skipped)

    @property
    def passed(self) -> bool:
        """True when there are checks and every one came out as it should."""
        return not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """The names of the checks that did not pass, and what speaks against the verdict."""
        failed = [check.name for check in self.checks if not check.passed]
        shown = any(check.about == "published" and not check.expected for check in self.checks)
        if not self.checks:
            failed.append("no check was made")
        elif self.statement.verdict.startswith("fails") and not shown:
            failed.append("verdict 'fails', but no check shows it")
        elif self.statement.verdict == "holds" and shown:
            failed.append("verdict 'holds', but a check shows the published claim to fail")
        return tuple(failed)

    @property
    def largest_z(self) -> float | None:
        """The largest absolute z-score of the simulations of formulas that should hold.

        A check that holds with a score beyond LIMIT is of a one-sided claim: its score measures no formula.
        """
        scored = [(abs(check.z), check) for check in self.checks if check.z is not None and check.expected]
        return max((score for score, check in scored if score <= LIMIT or not check.holds), default=None)

    @property
    def evidence(self) -> str:
        """How many checks of each kind passed or were skipped, the largest z-score, and the first counterexample."""
        parts = []
        for kind in (kind for kind in KINDS if kind != "counterexample"):
            made = [check for check in self.checks if check.kind == kind]
            if made:
                parts.append(f"{kind} {sum(check.passed for check in made)}/{len(made)}")
        if self.largest_z is not None:
            parts.append(f"largest |z| {self.largest_z:.1f}")
        shown = [check for check in self.checks if check.kind == "counterexample"]
        if shown:
            more = f" (and {len(shown) - 1} more)" if len(shown) > 1 else ""
            parts.append(f"counterexample: {shown[0].evidence}{more}")
        parts += [f"{each.kind} {len(each.names)} SKIPPED ({each.reason})" for each in self.skipped]
        return "; ".join(parts)


@dataclass(frozen=True)
class Verification:
    """The outcomes of all results that were verified.

    Attributes:
        outcomes: one per result, in the paper's order.
        seed: of the simulations; None where none was made.
    """

    outcomes: tuple[Outcome, ...]
    seed: int | None

    @property
    def passed(self) -> bool:
        """True when every check of every result came out as it should."""
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[str, ...]:
        """``result: check`` for all that did not pass."""
        return tuple(f"{outcome.statement.name}: {name}" for outcome in self.outcomes for name in outcome.failures)

    @property
    def left_out(self) -> int:
        """How many checks were skipped, over all results."""
        return sum(outcome.left_out for outcome in self.outcomes)

    def to_frame(self) -> pd.DataFrame:
        """One row per result: published claim, verdict, exact statement, evidence, and whether all checks passed."""
        import pandas as pd

        return pd.DataFrame([
            {
                "result": outcome.statement.name,
                "title": outcome.statement.title,
                "published": outcome.statement.published,
                "verdict": outcome.statement.verdict,
                "exact": outcome.statement.exact,
                "evidence": outcome.evidence,
                "passed": outcome.passed,
            }
            for outcome in self.outcomes
        ])  # fmt: skip

    def checks_frame(self) -> pd.DataFrame:
        """One row per check: the fields of :class:`Check`, whether it passed, and its result's name first."""
        import pandas as pd

        return pd.DataFrame([
            {"result": outcome.statement.name, **asdict(check), "passed": check.passed}
            for outcome in self.outcomes
            for check in outcome.checks
        ])  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python values, ready for JSON."""
        return {
            "passed": self.passed,
            "failures": list(self.failures),
            "seed": self.seed,
            "skipped": self.left_out,
            "results": [
                {
                    **asdict(outcome.statement),
                    "passed": outcome.passed,
                    "evidence": outcome.evidence,
                    "largest_z": outcome.largest_z,
                    "checks": [{**asdict(check), "passed": check.passed} for check in outcome.checks],
                    "skipped": [{**asdict(each), "names": list(each.names)} for each in outcome.skipped],
                }
                for outcome in self.outcomes
            ],
        }

    def __str__(self) -> str:
        lines = []
        for outcome in self.outcomes:
            word = "passed" if outcome.passed else "NOT passed"
            lines.append(f"{outcome.statement.name} ({outcome.statement.verdict}): {word}")
            lines += textwrap.wrap(outcome.evidence, 100, initial_indent="  ", subsequent_indent="  ")
            lines += [f"  not passed: {name}" for name in outcome.failures]
        return "\n".join(lines)
