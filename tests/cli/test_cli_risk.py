"""`crowdllm-stats risk`, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import BOTH, run_json, write

from crowdllm_stats.inference.theorem2_risk import risk_decomposition


def test_risk_identity_and_repeats(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run_json(capsys, "risk", *BOTH, "--reference", "example:reference")
    for row in result["results"]:
        assert row["exact"] == pytest.approx(row["L"])
        assert row["L2"] is None
        assert row["llm_exact"] is not None
    assert result["summary"][0]["L"] == pytest.approx(np.mean([row["L"] for row in result["results"]]))
    rng = np.random.default_rng(5)
    human, digital = rng.normal(size=(2, 4)), rng.normal(size=(3, 4))
    paths = []
    for name, values in (("h", human), ("d", digital)):
        rows = [f"a,p{who},{float(value)!r}" for repeat in values for who, value in enumerate(repeat)]
        extra = ["a,p0,99"] if name == "d" else []
        paths.append(write(tmp_path / f"{name}.csv", "\n".join(["problem,participant,response", *rows, *extra])))
    result = run_json(capsys, "risk", *paths)
    expected = risk_decomposition(human, digital)
    (row,) = result["results"]
    for part in ("L", "L2", "L3", "L4", "alignment", "published"):
        assert row[part] == pytest.approx(getattr(expected, part))
    assert any("repeated answers not used: 1;" in note for note in result["notes"])
