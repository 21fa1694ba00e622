"""A small made survey with texts: two words raise the answers, and a backbone that half knows it."""

import numpy as np
import pandas as pd

from crowdllm_stats.data.crowd import CrowdData, ordinal

WORDS = ("tea", "rain", "cat", "old", "blue", "fast", "loud", "kind")
LEVELS = (1.0, 2.0, 3.0, 4.0)


def survey(n_problems=25, n_people=19, per_problem=7, seed=0):
    """Answers on 4 levels; columns text, gender; and a table of the backbone's probabilities."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 5)) for _ in range(n_problems)]
    lift = np.array([sum(word in ("loud", "fast") for word in text.split()) for text in texts])
    gender = rng.choice(["Woman", "Man"], n_people)
    rows = []
    for problem in range(n_problems):
        for who in rng.permutation(n_people)[:per_problem]:
            answer = int(np.clip(np.round(1.4 + 0.7 * lift[problem] + rng.normal()), 1, 4))
            rows.append((f"q{problem:02}", f"w{who:02}", answer, texts[problem], gender[who]))
    frame = pd.DataFrame(rows, columns=["problem", "participant", "response", "text", "gender"])
    human = CrowdData.from_frame(frame, scale=ordinal(LEVELS), profile_columns=["gender"], problem_columns=["text"])
    raw = np.exp(-0.5 * (np.array(LEVELS) - 2.0 - 0.4 * lift[:, None] + rng.normal(0, 0.4, (n_problems, 1))) ** 2)
    table = pd.DataFrame(raw / raw.sum(axis=1, keepdims=True), columns=[f"p_{level:g}" for level in LEVELS])
    table.insert(0, "problem", [f"q{problem:02}" for problem in range(n_problems)])
    return frame, human, table
