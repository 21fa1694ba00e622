"""Case studies: every row of the table on real answers, CrowdLLM among them, fitted and scored by one protocol."""
