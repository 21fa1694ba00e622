"""The paper, item by item: what it says, where that runs here, and what came out, quoted from the reports themselves.

    make reports NAME=paper    # the table; a look at it under out/: python benchmarks/paper.py

`paper.toml` beside this file lists the items. An outcome is never typed in: it is the sentence that the named report holds
(the group of `quote`, a regular expression), or the theory's verdict, so a report made again changes it.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import ROOT, command_line, typed

TABLE = Path(__file__).with_name("paper.toml")
#: Headings of the table, by part of the paper, in the order in which they are shown.
PARTS = {
    "model": "The model",
    "theory": "Numbered statements",
    "tables": "Tables",
    "figures": "Figures",
    "appendix": "Figures of the appendix",
}


@dataclass(frozen=True)
class Item:
    """One entry of the table: an item of the paper.

    Attributes:
        part: key of :data:`PARTS`.
        item: as the paper numbers it.
        says: what the paper says or shows, in a clause.
        runs: where it runs: modules, commands, study files.
        report: file under reports/ that holds the outcome; "" where there is none, and then `reason` says why.
        quote: regular expression whose groups are the outcome in the report; of theory.json, the name of the result.
        shown: how the named groups are put into a sentence, with {name} for each; "" where group 1 is one already.
        reason: why the item does not run, or runs in part.
    """

    part: str
    item: str
    says: str
    runs: str
    report: str = ""
    quote: str = ""
    shown: str = ""
    reason: str = ""


def items() -> list[Item]:
    """All entries, in the order of the file.

    Raises:
        ValueError: where an entry has neither a report nor a reason, or names a part that is not in :data:`PARTS`.
    """
    listed = [Item(**one) for one in tomllib.loads(TABLE.read_text(encoding="utf-8"))["item"]]
    for one in listed:
        if one.part not in PARTS or not (one.report or one.reason):
            raise ValueError(f"{one.item} in {TABLE.name} needs a part of {sorted(PARTS)}, and a report or a reason.")
    return listed


def outcome(one: Item, reports: Path) -> str:
    """What came out: the report's own words, or the reason why there are none.

    Raises:
        ValueError: where the report does not hold what is to be quoted.
    """
    if not one.report:
        return one.reason
    text = (reports / one.report).read_text(encoding="utf-8")
    if one.report.endswith(".json"):
        result = {result["name"]: result for result in json.loads(text)["results"]}[one.quote]
        words = f"The published claim {result['verdict']}. Exact: {result['exact']}"
    else:
        found = re.search(one.quote, text, re.DOTALL)
        if not found:
            raise ValueError(f"reports/{one.report} holds nothing like {one.quote!r}, which {one.item} is to quote.")
        words = one.shown.format(**found.groupdict()) if one.shown else found[1]
        words = " ".join(words.replace("**", "").split())
    return f"{words} {one.reason}".strip()


def page(listed: list[Item], reports: Path) -> str:
    """The report as Markdown."""
    lines = [
        "# The paper, item by item",
        "",
        made_by(typed()),
        "",
        "What came out is quoted from the report that the row names. *CrowdLLM* numbers its theorems 1 to 5 in the text and",
        "4.1 to 4.6 in its HTML form; the numbers of the text are used here.",
    ]
    for part, title in PARTS.items():
        rows = [
            {
                "item": one.item,
                "the paper": one.says,
                "where it runs": one.runs,
                "what came out": outcome(one, reports),
                "report": f"[{one.report}]({one.report})" if one.report else "",
            }
            for one in listed
            if one.part == part
        ]
        if rows:
            lines += ["", f"## {title}", "", markdown_table(pd.DataFrame(rows))]
    return "\n".join(lines) + "\n"


def main() -> None:
    options = command_line(__doc__.splitlines()[0], "out/paper").parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "paper.md", page(items(), ROOT / "reports"))
    print(f"{out / 'paper.md'}: {len(items())} items")


if __name__ == "__main__":
    main()
