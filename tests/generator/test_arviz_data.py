"""Groups for ArviZ: the class that each of its major versions works with, with the same dimensions and coordinates."""

from __future__ import annotations

import numpy as np
import pytest

arviz = pytest.importorskip("arviz")
import xarray

from crowdllm_stats.generator.arviz_data import arviz_data


@pytest.mark.parametrize("version", ["0.19.0", "0.23.4", "1.0.0", "1.3.0"])
def test_the_class_follows_the_installed_arviz(version, monkeypatch):
    if version.startswith("0.") and not arviz.__version__.startswith("0."):
        pytest.skip("the installed ArviZ has no InferenceData")
    if version.startswith("1.") and not hasattr(xarray, "DataTree"):
        pytest.skip("the installed xarray has no DataTree")
    monkeypatch.setattr(arviz, "__version__", version)
    answers = np.arange(6.0).reshape(1, 3, 2)
    coords = {"problem": ["a", "b"], "participant": ("draw", ["v1", "v2", "v3"])}
    found = arviz_data(
        {
            "posterior_predictive": ({"response": (("chain", "draw", "problem"), answers)}, coords),
            "sample_stats": ({"loss": (("chain", "draw"), np.zeros((1, 2)))}, {}),
        }
    )
    assert isinstance(found, xarray.DataTree if version.startswith("1.") else arviz.InferenceData)
    response = found["posterior_predictive"]["response"]
    assert response.dims == ("chain", "draw", "problem")
    assert response.sel(problem="b", draw=2).item() == 5.0
    assert response["participant"].to_numpy().tolist() == ["v1", "v2", "v3"]
    assert found["sample_stats"]["loss"]["draw"].to_numpy().tolist() == [0, 1]
