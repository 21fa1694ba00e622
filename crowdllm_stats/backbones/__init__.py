"""Where reference answers come from: a local model, a server, or a table of recorded answers."""

from crowdllm_stats.backbones.reference import Backbone, Reference

__all__ = ["Backbone", "Reference"]
