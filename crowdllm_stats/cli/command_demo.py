"""`crowdllm-stats demo`: the three jobs on the shipped example, no file and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdllm_stats.cli.terminal import screen

if TYPE_CHECKING:
    from crowdllm_stats.data import Example

NEXT = """crowdllm-stats interval example:human example:digital --scale 1:5
crowdllm-stats compare example:human example:digital --problem q01
crowdllm-stats safe-interval example:human example:digital --reference example:reference
crowdllm-stats risk example:human example:digital
crowdllm-stats planner example:human example:digital --half-width 0.2
crowdllm-stats interval YOUR_HUMANS.csv YOUR_DIGITAL.csv --scale 1:5"""


def demo() -> None:
    """Show three answers from the shipped example: an interval, a safety check, a risk decomposition."""
    from rich.panel import Panel

    from crowdllm_stats.data import load_example

    example = load_example()
    console = screen(pipe_width=100)
    for title, text in (
        ("The example", _the_data(example)),
        ("1. What do people think, and how sure are we?", _interval(example)),
        ("2. Is the digital crowd better than simply asking the LLM?", _safe(example)),
        ("3. Where does the crowd's error come from?", _risk(example)),
        ("Next commands", NEXT),
    ):
        console.print(Panel(text, title=title, title_align="left", border_style="cyan"))


def _the_data(example: Example) -> str:
    answers, people = example.human.responses, example.digital.responses["participant"].nunique()
    return (
        f"A made-up survey: {answers['problem'].nunique()} statements, answers from 1 (not at all) to 5 (fully agree). "
        f"{answers['problem'].value_counts().iloc[0]} people answered each statement. {people} simulated people "
        "answered too: a twin of everybody who was asked, and 200 more. The population's true means are known here, so "
        "that the intervals below can be checked."
    )


def _interval(example: Example) -> str:
    from crowdllm_stats.survey.intervals import interval_from
    from crowdllm_stats.survey.per_problem import worth

    ours = interval_from(example.human, example.digital).to_frame()
    alone = interval_from(example.human, method="classical-small").to_frame()
    truth = example.truth.set_index("problem")["mean"].loc[ours.index]
    held = int(((ours["lower"] <= truth) & (truth <= ours["upper"])).sum())
    gained = worth(ours["half_width"].to_numpy(), alone["half_width"].to_numpy(), ours["n_labeled"].mean(), 0.95)
    first, human = ours.iloc[0], alone.iloc[0]
    return (
        f"Statement {first.name}: the mean is {first['estimate']:.2f}, between {first['lower']:.2f} and "
        f"{first['upper']:.2f} (95% sure). From the {first['n_labeled']} human answers alone: between "
        f"{human['lower']:.2f} and {human['upper']:.2f}. The truth is {truth.iloc[0]:.2f}.\n"
        f"Over all {len(truth)} statements the digital population makes intervals {1.0 / gained.ratio:.2f} times "
        f"shorter. That is worth {gained.answers} more human answers per statement. {held} of {len(truth)} intervals "
        "hold the truth."
    )


def _safe(example: Example) -> str:
    from crowdllm_stats.survey.decisions import safe_decision_from

    found = safe_decision_from(example.human, example.digital, example.reference).to_frame()
    counts = {word: int((found["decision"] == word).sum()) for word in ("safe", "unsafe", "undetermined")}
    return (
        f"The bare LLM is off by {found['delta'].abs().mean():.2f} on average. The simulated people correct it by "
        f"{found['belief_mean'].abs().mean():.2f}; a correction helps if it points the right way and is not more than "
        f"twice too large.\nThe human answers say: not worse than asking the LLM once for {counts['safe']} of "
        f"{len(found)} statements, worse for {counts['unsafe']}, not yet clear for {counts['undetermined']}: more "
        "human answers would tell."
    )


def _risk(example: Example) -> str:
    from crowdllm_stats.survey.risk import risk_from

    mean = risk_from(example.human, example.digital).overall
    assert mean is not None
    return (
        f"The squared error of the twins' mean against the humans' mean is {mean['L']:.3f} on average. The exact sum "
        f"of its parts gives {mean['exact']:.3f}. The sum as published in the paper gives {mean['published']:.3f}: it "
        "leaves out how the twins follow their humans, and adds human noise that it should take off.\n"
        "The answers were given once, so the parts that need repeated answers (L2, L3, L4) are not identifiable here."
    )
