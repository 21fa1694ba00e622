"""The script that measures on a GPU, without one: its steps at tiny sizes, and what it says if nothing was measured."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the hf extra: torch")
pytest.importorskip("transformers", reason="needs the hf extra: transformers")

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("gpu_script", FOLDER / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")
def test_the_model_is_read_in_both_precisions_and_every_batch_size(gpu):
    made, *speeds = gpu.model_part(gpu.TINY)
    assert made["weights"] > 4096 * 48
    assert [(one["numbers"], one["batch size"]) for one in speeds] == [
        ("float32", 1), ("float32", 8), ("bfloat16", 1), ("bfloat16", 4),
    ]  # fmt: skip
    assert all(one["prompts per second"] > 0 for one in speeds)
    assert speeds[1]["change"] <= gpu.EXACT
    assert all(1e-6 < one["change"] <= gpu.ROUGH for one in speeds[2:])  # rounding shows, and stays within bounds
    text = "\n".join(gpu.model_text([made, *speeds]))
    assert text.count("| yes |") == 4
    assert "| NO |" in "\n".join(gpu.model_text([made, {**speeds[0], "change": 2 * gpu.EXACT}]))


@pytest.mark.slow
def test_fits_and_the_grid_run_twice_and_find_the_same(gpu):
    records = list(gpu.learning_part(gpu.TINY))
    assert [one["what"].split(" of ")[0].split(":")[0] for one in records] == ["fit", "Figure 9"]
    assert all(one["again"] < one["first"] for one in records)  # the second run compiles nothing
    assert all(np.isfinite(one["values"]).all() for one in records)


def test_without_a_gpu_the_report_says_so_and_how_to_measure(gpu):
    text = gpu.report(None, [], [])
    assert "**Not measured: this machine has no GPU that PyTorch can use.**" in text
    assert "`bash benchmarks/gpu.sh`" in text
    assert "prompts per second |" not in text
    rows = {
        line.split(" | ")[0][2:]: line.strip("| ").split(" | ")[1:]
        for line in text.splitlines()
        if "B |" in line or "B-v" in line
    }
    assert rows["Gemma3-12B"] == ["11.8", "43.8", "21.9", "11.9", "7.5"]
    assert [rows[name][0] for name in ("Qwen3-8B", "Llama-3.1-8B", "Mistral-7B-v0.3")] == ["8.2", "8.0", "7.2"]


def test_two_devices_stand_side_by_side_and_what_is_missing_is_not_made_up(gpu):
    one = {"table": "learning", "what": "fit", "device": "x", "on": "x", "first": 9.0, "values": [1.0, 2.0]}
    both = [{**one, "part": "cpu", "again": 6.0}, {**one, "part": "gpu", "again": 2.0, "values": [1.0, 2.5]}]
    alone = {**one, "what": "grid", "part": "cpu", "again": 4.0}
    text = gpu.report("made up", [*both, alone], ["Part 'gpu' was stopped after 140 s."])
    assert "Not measured" not in text
    assert "Part 'gpu' was stopped after 140 s." in text
    assert "| fit | 6.00 | 9.00 | 2.00 | 9.00 | 3.00 | 5.0e-01 |" in text
    assert "| grid | 4.00 | 9.00 | not measured | not measured | not measured | not measured |" in text


def test_a_part_that_takes_too_long_or_fails_costs_its_own_numbers_alone(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "PARTS", {"model": 0.05})
    assert gpu.measure(tiny=True) == ([], ["Part 'model' was stopped after 0.05 s; what it had measured is below."])
    monkeypatch.setattr(gpu, "PARTS", {"nothing": 60})
    monkeypatch.setattr(sys, "executable", "false")
    assert gpu.measure(tiny=True) == ([], ["Part 'nothing' failed: it said nothing; what it had measured is below."])


def test_the_shell_script_runs_it_from_the_checkout_within_eight_minutes(gpu, tmp_path):
    assert sum(gpu.PARTS.values()) < 470
    stub = tmp_path / "python"
    stub.write_text('#!/bin/sh\necho "$@"\necho "$PYTHONPATH"\n', encoding="utf-8")
    stub.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "WHEELS")}
    done = subprocess.run(["bash", str(FOLDER / "gpu.sh"), "elsewhere"], env=environment | {"PYTHON": str(stub)},
                          cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines() == ["benchmarks/gpu.py --out elsewhere", str(FOLDER.parent)]
