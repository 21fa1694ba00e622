"""The paper's Figure 9: a fitted CrowdLLM as the real population, and CrowdLLMs fitted to small samples of it."""
