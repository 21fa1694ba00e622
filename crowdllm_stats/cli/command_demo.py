"""`crowdllm-stats demo`: the three jobs on the shipped example, no file and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdllm_stats.cli.terminal import screen

if TYPE_CHECKING:
    from crowdllm_stats.data import Example
    from crowdllm_stats.survey.pairing import Pairing

NEXT = """crowdllm-stats interval example:human example:digital --scale 1:5
crowdllm-stats compare example:human example:digital --problem q01
crowdllm-stats safe-interval example:human example:digital --reference example:reference
crowdllm-stats risk example:human example:digital
crowdllm-stats planner example:human example:digital --half-width 0.2
crowdllm-stats interval YOUR_HUMANS.csv YOUR_DIGITAL.csv --scale 1:5"""


def demo() -> None:
    """Three answers from the shipped example: an interval, a safety check, a risk decomposition."""
    from rich.panel import Panel

    from crowdllm_stats.data import load_example
    from crowdllm_stats.survey.pairing import pair

    example = load_example()
    pairing = pair(example.human, example.digital)
    console = screen(pipe_width=100)
    for title, text in (
        ("The example", _the_data(example, pairing)),
        ("1. What do people think, and how sure are we?", _interval(example, pairing)),
        ("2. Is the digital crowd better than simply asking the LLM?", _safe(example, pairing)),
        ("3. Where does the crowd's error come from?", _risk(pairing)),
        ("Next commands", NEXT),
    ):
        console.print(Panel(text, title=title, title_align="left", border_style="cyan"))


def _the_data(example: Example, pairing: Pairing) -> str:
    count = pairing.counts
    return (
        f"A made-up survey: {len(pairing.problems)} statements, answers from 1 (not at all) to 5 (fully agree). "
        f"{int(pairing.n_answers[0])} people answered each statement. {count['digital_people']} simulated people "
        "answered too: a twin of everybody who was asked, and 200 more. The population's true means are known here, so "
        "that the intervals below can be checked."
    )


def _interval(example: Example, pairing: Pairing) -> str:
    from crowdllm_stats.inference.intervals import interval
    from crowdllm_stats.inference.planner import answers_for_width

    block = next(pairing.blocks(paired=True))
    bounds = example.human.scale.bounds
    ours = interval(block.human, block.twin, block.crowd, bounds=bounds)
    alone = interval(block.human, method="classical-small", bounds=bounds)
    truth = example.truth.set_index("problem")["mean"].loc[list(block.problems)].to_numpy()
    held = int(((ours.lower <= truth) & (truth <= ours.upper)).sum())
    ratio = float(alone.half_width.mean() / ours.half_width.mean())
    saved = answers_for_width(ours.n_labeled, 1.0 / ratio, ours.level) - ours.n_labeled
    row = 0
    return (
        f"Statement {block.problems[row]}: the mean is {ours.estimate[row]:.2f}, between {ours.lower[row]:.2f} and "
        f"{ours.upper[row]:.2f} (95% sure). From the {ours.n_labeled} human answers alone: between "
        f"{alone.lower[row]:.2f} and {alone.upper[row]:.2f}. The truth is {truth[row]:.2f}.\n"
        f"Over all {len(truth)} statements the digital population makes intervals {ratio:.2f} times shorter. That is "
        f"worth {saved} more human answers a statement. {held} of {len(truth)} intervals hold the truth."
    )


def _safe(example: Example, pairing: Pairing) -> str:
    import numpy as np

    from crowdllm_stats.inference.theorem3_safe_decision import safe_decision

    block = next(pairing.blocks(paired=True))
    plain = {name: group.to_numpy() for name, group in example.reference.responses.groupby("problem")["response"]}
    reference = np.stack([plain[name] for name in block.problems])
    crowd = _everybody(block)
    beliefs = crowd - reference.mean(axis=1, keepdims=True)
    result = safe_decision(
        beliefs, block.human, reference, n_digital=crowd.shape[1], bounds=example.human.scale.bounds,
        step=example.human.scale.step,
    )  # fmt: skip
    words = {word: int((result.decision == word).sum()) for word in ("safe", "unsafe", "undetermined")}
    return (
        f"The bare LLM is off by {np.abs(result.delta).mean():.2f} on average. The simulated people correct it by "
        f"{np.abs(result.belief_mean).mean():.2f}; a correction helps if it points the right way and is not more than "
        f"twice too large.\nThe human answers say: not worse than asking the LLM once for {words['safe']} of "
        f"{len(beliefs)} statements, worse for {words['unsafe']}, not yet clear for {words['undetermined']}: more "
        "human answers would tell."
    )


def _everybody(block: Any) -> Any:
    import numpy as np

    return np.concatenate([block.twin, block.crowd], axis=1)


def _risk(pairing: Pairing) -> str:
    from crowdllm_stats.inference.theorem2_risk import risk_decomposition

    block = next(pairing.blocks(paired=True))
    twin: Any = block.twin
    average = risk_decomposition(block.human, twin, axis_replicate=None).average()
    mean = average.mean
    return (
        f"The squared error of the twins' mean against the humans' mean is {mean['L']:.3f} on average. The exact sum "
        f"of its parts gives {mean['exact']:.3f}. The sum as published in the paper gives {mean['published']:.3f}: it "
        "leaves out how the twins follow their humans, and adds human noise that it should take off.\n"
        "The answers were given once, so the parts that need repeated answers (L2, L3, L4) are not identifiable here."
    )
