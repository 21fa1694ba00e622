"""Reports for people: results kept in a folder, and one self-contained HTML file made of such folders."""

from crowdllm_stats.report.keep import keep_results as keep_results
from crowdllm_stats.report.write import WrittenReport as WrittenReport
from crowdllm_stats.report.write import write_report as write_report
