"""``python -m crowdllm_stats`` is ``crowdllm-stats``."""

import sys

from crowdllm_stats.cli import main

if __name__ == "__main__":
    sys.exit(main())
