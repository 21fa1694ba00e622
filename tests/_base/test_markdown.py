"""Markdown: whatever stands in a cell stays in it."""

import pandas as pd
import pytest

from crowdllm_stats._base.markdown import in_table, markdown_table


@pytest.mark.parametrize("text", ["a|b", "a\nb", "a\r\nb|c", "a\\|b", "|", "\\\\|", "a\x1b[31m|", "a\u2028b", "\n|\n"])
def test_a_cell_breaks_neither_its_row_nor_the_table(text):
    lines = markdown_table(pd.DataFrame({"claim": [text, "next"], text: [1, 2]})).split("\n")
    assert len(lines) == 4
    assert all(len(_cells(line)) == 2 for line in lines)
    assert all(line.isprintable() for line in lines)


def _cells(line):
    """The cells of a row as GitHub cuts them: at every bar without a backslash before it, which itself counts."""
    cells, escaped = [""], False
    for letter in line[1:-1]:
        if letter == "|" and not escaped:
            cells.append("")
        else:
            cells[-1] += letter
        escaped = letter == "\\" and not escaped
    return cells


def test_a_bar_is_shown_as_it_was():
    assert in_table("|z| < 4") == "\\|z\\| < 4"
    assert in_table("C:\\new") == "C:\\new"
