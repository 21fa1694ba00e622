"""The theory's checks notice an error in a calculator: every formula is changed in turn, and a check must fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutation import Mutation, equivalent, mutations
from noticing import apply, copy_of_package, outcomes, verify_once

INTERVALS = "inference/intervals/"

#: Which result states the formulas of which functions (of all functions of the file, where none is named).
#: A new theory folder gets a line here.
TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "fay_herriot": {  # the longest first, so that two processes end together
        "inference/fay_herriot/model.py": (),
        "inference/fay_herriot/across_problems.py": ("_cross_fit", "_assemble"),
        "inference/fay_herriot/predictive.py": ("predict_free", "predict_bounded", "_mixed"),
        "inference/fay_herriot/dispersion.py": (
            "value",
            "held",
            "_limits",
            "relative_variance",
            "_design",
            "fit_variance_function",
            "_dispersion",
            "_penalised",
            "loss",
            "_log_shape",
            "_curve_design",
        ),
    },
    "theorem3": {
        "inference/theorem3_safe_decision/excess_test.py": (
            "NEARLY_ALL",
            "MOST",
            "ALIKE",
            "share_alike",
            "rare_answer_p_values",
            "_average",
            "reached_at_best",
            "reached_at_worst",
            "_belief",
            "_ends",
            "_reached",
            "_terms",
            "_needed",
        ),
        "inference/theorem3_safe_interval.py": (
            "published_half_width",
            "safe_interval",
            "_range",
            "reference_share",
            "crowd_noise",
            "safety_margin",
        ),
        "inference/theorem3_safe_decision/decision.py": (
            "safe_decision",
            "_judge",
            "_p_values",
            "_interval_of_delta",
            "_quantile",
            "_adjust",
            "_decide",
        ),
    },
    "small_sample": {
        f"{INTERVALS}small_sample.py": (),
        f"{INTERVALS}ends.py": ("feasible_range", "upper_share", "half_answer_ends"),
        f"{INTERVALS}classical.py": (),
        f"{INTERVALS}ppi.py": (),
        f"{INTERVALS}cross_fitted.py": (),
    },
    "theorem2": {
        "inference/theorem2_risk.py": ("risk_decomposition", "_noise", "_terms"),
        "inference/risk_average.py": ("average_over_problems",),
    },
    "theorem1": {"inference/theorem1_profiles.py": ()},
    "diversity": {"inference/table_distance.py": ("table_parts", "_block", "_sd", "_mean_difference", "_energy")},
    "confidence_sets": {f"{INTERVALS}confidence_sets.py": ()},
    "proportion": {
        f"{INTERVALS}binomial_limits.py": (),
        f"{INTERVALS}proportion.py": ("SCEPTICS", "binomial", "ppi_plus_binomial", "_human_ends", "_assisted"),
        f"{INTERVALS}scale.py": ("declared", "neighbours", "rating", "two_valued"),
    },
    "kappa": {"inference/kappa.py": ()},
    "conformal": {"inference/conformal.py": ()},
    "same_people": {
        "inference/fay_herriot/person_errors.py": ("person_errors", "_of_level", "sum_half_width", "widen"),
    },
    "theorem4": {f"{INTERVALS}theorem4.py": ()},
    "proposition1": {"inference/proposition1_llm_risk.py": ()},
    "theorem5": {f"{INTERVALS}theorem5.py": ()},
}

#: Changes that no check can notice, or that change no number that is returned; each with its reason.
EQUIVALENT = equivalent(Path(__file__).with_name("equivalent.toml"))


def planted_for(result: str) -> list[Mutation]:
    """All changes whose notice is the duty of one result."""
    return [mutation for file, functions in TARGETS[result].items() for mutation in mutations(file, functions)]


@pytest.mark.slow
@pytest.mark.parametrize("result", TARGETS)
def test_every_change_of_a_formula_is_noticed(result: str, tmp_path: Path) -> None:
    planted = [mutation for mutation in planted_for(result) if str(mutation) not in EQUIVALENT]
    for file in TARGETS[result]:
        assert any(mutation.file == file for mutation in planted), f"no change planted in {file}"
    codes = outcomes(result, planted, copy_of_package(tmp_path))
    unnoticed = [
        f"{code}: {mutation}" for mutation, code in zip(planted, codes, strict=True) if code not in ("1", "late")
    ]
    assert not unnoticed, "\n".join(unnoticed)


@pytest.mark.slow
@pytest.mark.parametrize("result", TARGETS)
def test_as_a_process_of_its_own(result: str, tmp_path: Path) -> None:
    """The same through a fresh interpreter: an unchanged copy exits 0, one with the first change exits 1."""
    copy = copy_of_package(tmp_path)
    assert verify_once(copy, result, "--no-simulate") == 0
    first = next(mutation for mutation in planted_for(result) if str(mutation) not in EQUIVALENT)
    apply(copy, first)
    assert verify_once(copy, result) == 1


def test_the_reasons_are_for_changes_that_exist() -> None:
    every = {str(mutation) for result in TARGETS for mutation in planted_for(result)}
    assert not set(EQUIVALENT) - every


def test_the_changes_are_the_announced_ones(tmp_path: Path) -> None:
    folder = tmp_path / "crowdllm_stats"
    folder.mkdir()
    (folder / "made.py").write_text(
        "LIMIT = 2\n\n\ndef f(x: int = 3) -> float:\n    if x > 7:\n        raise ValueError(f'{x + 1}')\n"
        "    y = check_it(x, least=4)\n    return -sqrt(x[0]) + max(y, 1.5) * x.sum(axis=-1)\n",
        encoding="utf-8",
    )
    after = {mutation.after for mutation in mutations("made.py", ("f", "LIMIT"), tmp_path)}
    assert after == {
        "LIMIT = 3",
        "return sqrt(x[0]) + max(y, 1.5) * x.sum(axis=-1)",
        "return -(x[0]) + max(y, 1.5) * x.sum(axis=-1)",
        "return -sqrt(x[0]) - max(y, 1.5) * x.sum(axis=-1)",
        "return -sqrt(x[0]) + min(y, 1.5) * x.sum(axis=-1)",
        "return -sqrt(x[0]) + max(y, 1.6500000000000001) * x.sum(axis=-1)",
        "return -sqrt(x[0]) + max(y, 1.5) / x.sum(axis=-1)",
    }


def test_everywhere_are_more_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "crowdllm_stats"
    folder.mkdir()
    (folder / "made.py").write_text(
        "def f(seed=3, *, on=True):\n    if not (seed == 7) and on:\n        raise ValueError(f'{seed + 1}')\n"
        "    return g(on, seed=seed, more=False)\n",
        encoding="utf-8",
    )
    made = mutations("made.py", (), tmp_path, everywhere=True)
    assert {mutation.after for mutation in made} == {
        "if not (seed == 7) or on:",
        "if (seed == 7) and on:",
        "if not (seed != 7) and on:",
        "if not (seed == 8) and on:",
        "return g(on, more=False)",
        "return g(on, seed=seed, more=True)",
    }
