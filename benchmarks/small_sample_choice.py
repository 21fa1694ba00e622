"""Which interval for few answers on a bounded scale? Nine candidates on 33 made margins, scales of 3 to 101 points.

    make reports NAME=inference/small_sample_choice    # the report; a look at it under out/: python benchmarks/small_sample_choice.py

Where a margin has at most 12,000 different samples all are listed with their exact probabilities, else 1,500 are drawn.
What the chosen one reaches on margins that nothing was chosen on, and on real ones: small_sample_levels.py.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from margins import distinct, nearly_unanimous, samples, training
from scipy.special import betaincinv, ndtri, stdtrit

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.inference.intervals.ends import upper_share
from reports import command_line, typed

POINTS, SIZES, LEVELS = (3, 5, 7, 11, 101), (5, 10, 20), (0.8, 0.95, 0.99)
DRAWS, SEED = 1_500, 20261127


def student(n, mean, variance, tail, points):
    return mean + stdtrit(n - 1.0, tail) * np.sqrt(variance / n)


def student_on_the_scale(n, mean, variance, tail, points):
    return np.minimum(student(n, mean, variance, tail, points), 1.0)


def arcsine_with_floor(n, mean, variance, tail, points):
    """t on the arcsine scale; at least 0.016 sqrt(n) squared steps of variance, a step being a tenth at the finest."""
    step2 = max(1.0 / (points - 1), 0.1) ** 2
    raised = np.maximum(variance + step2 / n, 0.016 * np.sqrt(np.clip(n, 10, 50)) * min(1.0, 50.0 / n) * step2)
    half = stdtrit(n - 1.0, tail) * np.sqrt(raised / n)
    slope = 2 * np.sqrt(np.maximum(mean * (1 - mean), np.minimum(raised, 0.25)))
    bent = np.sin(np.minimum(np.arcsin(np.sqrt(mean)) + half / slope, np.pi / 2)) ** 2
    return np.minimum(np.where(variance == 0, mean + half, bent), 1.0)


def answers_added(share, law, reach=np.inf):
    """``share`` answers more at the end, or ``reach`` standard deviations (one at least 0.1) off; then t or a Beta law."""

    def limit(n, mean, variance, tail, points):
        far = np.minimum(1.0 - mean, reach * np.sqrt(variance + 0.01))
        total, centre = n + share, mean + share * far / (n + share)
        squares = (n - 1) * variance + n * (mean - centre) ** 2 + share * (mean + far - centre) ** 2
        if law == "t":
            return np.minimum(centre + stdtrit(total - 1, tail) * np.sqrt(squares / (total - 1) / total), 1.0)
        top = np.maximum(mean + far, 1e-12)
        place, spread = centre / top, squares / (total * (total + 1)) / top**2
        widened = spread * (stdtrit(n - 1.0, tail) / ndtri(tail)) ** 2 if law == "Beta, t" else spread
        own = place * (1 - place)
        size = np.clip(own / np.maximum(widened, 1e-300) - 1, 1e-2, 1e10)
        away = (far > 1e-12) & (own > 0)
        found = betaincinv(np.where(away, place, 0.5) * size, np.where(away, 1 - place, 0.5) * size, tail)
        return np.where(away, top * found, top)

    return limit


def half_answer(n, mean, variance, tail, points):
    return upper_share(mean, variance * (n - 1) / n, np.full(np.shape(mean), float(n)), tail)


CANDIDATES = {
    "Student t": student,
    "t, cut to the scale": student_on_the_scale,
    "arcsine t with a floor": arcsine_with_floor,
    "t, a quarter answer at the end": answers_added(0.25, "t"),
    "Beta, a quarter answer": answers_added(0.25, "Beta"),
    "Beta, half an answer (chosen)": half_answer,
    "Beta, half an answer, 6 sd off at most": answers_added(0.5, "Beta", 6.0),
    "Beta widened by t, a tenth of an answer": answers_added(0.1, "Beta, t"),
    "Beta, one answer": answers_added(1.0, "Beta"),
}


def measured(points, n, level, name, group, law):
    """Coverage and mean width of every candidate under one law."""
    values = np.arange(points) / (points - 1)
    keep = law > 0
    values, law = values[keep], law[keep] / law[keep].sum()
    rng = np.random.default_rng(np.random.SeedSequence([SEED, points, n, *name.encode()]))
    counts, weight = samples(values, law, n, rng, DRAWS)
    answers, place = distinct(values, counts)
    weight = np.bincount(place, weight)
    mean, variance, truth, tail = answers.mean(axis=1), answers.var(axis=1, ddof=1), law @ values, 0.5 + level / 2
    variance = np.where(np.ptp(answers, axis=1) == 0, 0.0, variance)
    for candidate, upper in CANDIDATES.items():
        high, low = upper(n, mean, variance, tail, points), 1 - upper(n, 1 - mean, variance, tail, points)
        hit = (low <= truth + 1e-12) & (truth <= high + 1e-12)
        yield candidate, points, n, level, group, name, weight @ hit, weight @ (high - low)


def table(frame):
    """One row per candidate and n: lowest, 5% quantile and median of the coverages, width over t's."""
    rows = []
    for (level, n, candidate), part in frame.groupby(["level", "n", "candidate"], sort=False):
        made, near = part[part["group"] == "made"], part[part["group"] == "nearly unanimous"]
        rows.append(
            {
                "level": level,
                "n": n,
                "method": candidate,
                "lowest": made["coverage"].min(),
                "5% quantile": made["coverage"].quantile(0.05),
                "median": made["coverage"].median(),
                "width over t": made["width"].sum() / made["t"].sum(),
                "nearly unanimous: lowest": near["coverage"].min(),
                "its width over t": near["width"].sum() / near["t"].sum(),
            }
        )
    return pd.DataFrame(rows)


def main():
    parser = command_line(__doc__, "inference")
    out = parser.parse_args().out
    rows = []
    for points in POINTS:
        laws = [("made", training(points)), ("nearly unanimous", nearly_unanimous(points))]
        for n in SIZES:
            for level in LEVELS:
                for group, some in laws:
                    for name, law in some.items():
                        rows += measured(points, n, level, name, group, law)
    columns = ["candidate", "points", "n", "level", "group", "margin", "coverage", "width"]
    frame = pd.DataFrame(rows, columns=columns)
    keys = ["points", "n", "level", "group", "margin"]
    t = frame[frame["candidate"] == "Student t"].set_index(keys)["width"].rename("t")
    frame = frame.join(t, on=keys)
    text = ["# The interval for few answers on a bounded scale: nine candidates"]
    text += [made_by(typed())]
    text += [
        f"33 made margins on each of the scales of {', '.join(map(str, POINTS))} points: cut Beta laws of four means and "
        "four spreads, 50 to 80% zeros, spikes in the middle, U-shapes, two ends, random ones; beside them 12 nearly "
        "unanimous ones (85 to 95% of the people give one answer). Exact coverage where a margin has at most 12,000 "
        f"different samples, else {DRAWS:,} draws. Width: the mean over the margins, divided by that of Student's t (which "
        "leaves the scale and is 0 wide where all answers are equal).",
        "The chosen one puts half an answer more at the end of the scale that a limit looks to, and takes the quantile "
        "of the Beta law with the moments of the answers and that half one (`classical-small`; the bounded part of "
        "`ppi-small`, `ppi++-small` and `cross-fitted-small`). A quarter is narrower and falls short at n = 5 and 10, "
        "one whole answer (Gaffke's limit by its moments) keeps the level nearly everywhere and is wider. Where 85% and "
        "more give one answer, Student's t is 0 wide for most samples: the last two columns show what covering costs.",
    ]
    for level in LEVELS:
        text += [f"## Level {level:g}", markdown_table(table(frame[frame["level"] == level]).drop(columns="level"))]
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "small_sample_choice.csv", frame.to_csv(index=False, float_format="%.5g"))
    write_whole(out / "small_sample_choice.md", "\n\n".join(text) + "\n")
    print(table(frame[frame["level"] == 0.95]).to_string())


if __name__ == "__main__":
    sys.exit(main())
