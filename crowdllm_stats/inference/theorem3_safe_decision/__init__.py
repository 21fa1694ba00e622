"""Theorem 3 as a test: is the crowd no worse than the bare LLM?

``decision`` is the door; ``human_mean`` and ``reference_noise`` read the two kinds of answers, ``excess_test`` tests
the sign of ``L - L'`` with the errors of both, ``words`` says what the decision rests on.
"""

from crowdllm_stats.inference.theorem3_safe_decision.decision import SafeDecision, safe_decision

__all__ = ["SafeDecision", "safe_decision"]
