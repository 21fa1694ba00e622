"""The table over the paper: outcomes are found in the reports they are quoted from, and links lead somewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Texts that people read, with links to each other.
TEXTS = sorted(
    file for pattern in ("*.md", "reports/**/*.md", "theory/**/*.md", "simulations/*.md") for file in ROOT.glob(pattern)
)


@pytest.fixture(scope="module")
def paper():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
        import paper

        yield paper


def test_every_outcome_is_quoted_from_a_report(paper):
    listed = paper.items()
    page = paper.page(listed, ROOT / "reports")
    for one in listed:
        assert len(paper.outcome(one, ROOT / "reports")) > 20, one.item
        assert page.count(f"\n| {one.item} |") == 1


def test_all_numbered_tables_figures_and_theorems_are_there(paper):
    names = ", ".join(one.item for one in paper.items())
    found = {
        (kind.rstrip("s"), number)
        for kind, first, last in re.findall(r"(Tables?|Figures?|Theorem|Eq\.) (\d+)(?: to (\d+))?", names)
        for number in range(int(first), int(last or first) + 1)
    } | {("Figure", int(number)) for number in re.findall(r"Figures? \d+, (\d+)", names)}
    wanted = {"Table": 5, "Figure": 26, "Theorem": 5, "Eq.": 4}
    assert {(kind, number) for kind, last in wanted.items() for number in range(1, last + 1)} <= found


def test_a_report_without_the_quote_is_refused(paper, tmp_path):
    (tmp_path / "one.md").write_text("# One\n\nMAE 0.5 here.\n", encoding="utf-8")
    one = paper.Item(
        "tables", "Table 9", "it is best", "nowhere", "one.md", r"MAE (?P<mae>[\d.]+)", "It came to {mae}."
    )
    assert paper.outcome(one, tmp_path) == "It came to 0.5."
    with pytest.raises(ValueError, match=r"one.md holds nothing like 'WD', which Table 9"):
        paper.outcome(paper.Item("tables", "Table 9", "it is best", "nowhere", "one.md", "WD"), tmp_path)


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_to_files(file):
    text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http", "#", "mailto")):
            assert (file.parent / target.split("#")[0]).exists(), target
