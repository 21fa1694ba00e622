"""`--plot FILE` of every command that has a picture: the kind of file that its ending says, and refusals beforehand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from command_line import BOTH, run

from crowdllm_stats.data import load_example
from crowdllm_stats.data.answer_picture import answer_picture

BEGINS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}

COMMANDS = {
    "interval": ("interval", *BOTH, "--alternative", "larger"),
    "across": ("across", *BOTH),
    "safe-interval": ("safe-interval", *BOTH, "--reference", "example:reference"),
    "risk": ("risk", *BOTH, "--reference", "example:reference"),
    "compare": ("compare", *BOTH),
    "distribution": ("distribution", *BOTH),
    "planner": ("planner", *BOTH, "--half-width", "0.3"),
    "theory": ("theory", "show", "kappa"),
}


@pytest.mark.parametrize(
    ("name", "kind"), [*zip(COMMANDS, ["png", "svg", "pdf", "png", "svg", "pdf", "png", "png"], strict=True)]
)
def test_every_result_is_drawn(name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"picture.{kind}"
    assert f"Plot: {file}\n" in run(capsys, *COMMANDS[name], "--plot", str(file)) or name == "theory"
    assert file.read_bytes().startswith(BEGINS[kind])


def test_simulated_answers_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jax", reason="needs the generator extra: jax")
    file, out = tmp_path / "a.svg", tmp_path / "a.csv"
    words = ("simulate", "offensiveness", "--problem", "12", "--n", "20", "--out", str(out), "--plot", str(file))
    assert run(capsys, *words).endswith(f"\nPlot: {file}\n")
    assert file.read_bytes().startswith(BEGINS["svg"])


@pytest.mark.parametrize(
    ("file", "words"), [("a.gif", "must end in .png, .svg or .pdf"), ("no/a.png", "does not exist")]
)
def test_a_picture_that_cannot_be_written_is_refused(
    file: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in run(capsys, *COMMANDS["interval"], "--plot", str(tmp_path / file), code=2)


def test_the_picture_of_answers_shows_shares_or_quartiles() -> None:
    answers = load_example().human.responses
    shares = answer_picture(answers).axes[0]
    lengths = [bar.get_width() for bar in shares.patches]
    assert sum(lengths) == pytest.approx(answers["problem"].nunique())
    many = pd.DataFrame({"problem": ["a"] * 101 + ["b"] * 101, "response": [*range(101), *range(100, 201)]})
    (dots,) = answer_picture(many).axes[0].lines
    assert dots.get_xdata().tolist() == [50.0, 150.0]
