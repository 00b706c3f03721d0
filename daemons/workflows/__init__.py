"""The built-in workflows, a folder each. The registry finds them; nothing else names them."""

from daemons.workflow import Workflow as Workflow
