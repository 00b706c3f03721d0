"""A daemon that does nothing useful, and shows all a daemon can show."""

from daemons.workflow import Workflow
from daemons.workflows.demo.demo import Demo, ask, count_slowly, fetch

workflow = Workflow("demo", daemons=[Demo], jobs=[count_slowly, fetch, ask])
