"""The registry: built-ins, plug-ins and entry points; a broken one is told and hurts nobody."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemons.base import BaseDaemon, daemon
from daemons.errors import Invalid
from daemons.handlers import JobContext, job
from daemons.options import InvalidOption
from daemons.registry import Registry, UnknownDaemonType
from daemons.workflow import Workflow

PLUGIN = '''
"""A plug-in as people write them."""

from daemons import BaseDaemon, DaemonOptions, JobContext, daemon, job
from pydantic import Field


@job("knock")
async def knock(ctx: JobContext) -> None: ...


@daemon("doorman", title="The doorman")
class Doorman(BaseDaemon):
    """Opens the door
    for everybody.

    At night, too.
    """

    class Options(DaemonOptions):
        polite: bool = Field(True, description="Whether to greet.")

    async def run(self) -> None: ...
'''


@daemon("watch")
class Watch(BaseDaemon):
    """Watches."""

    async def run(self) -> None: ...


@daemon("watch")
class OtherWatch(BaseDaemon):
    """Wants a name that is taken."""

    async def run(self) -> None: ...


@job("knock")
async def knock(ctx: JobContext) -> None: ...


@job("knock")
async def other_knock(ctx: JobContext) -> None: ...


class Unmarked(BaseDaemon):
    """A base for others, or a forgotten decorator."""

    async def run(self) -> None: ...


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder from which modules can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def load(*plugins: str) -> Registry:
    return Registry.load(SimpleNamespace(plugins=list(plugins)))


def test_the_built_in_workflows_are_found() -> None:
    registry = load()

    assert {"demo", "describe_images"} <= set(registry.types)
    assert "demo_count" in registry.jobs
    assert registry.broken == []


def test_a_plugin_module_brings_what_it_decorates(plugin_folder: Path) -> None:
    (plugin_folder / "my_doormen.py").write_text(PLUGIN)

    registry = load("my_doormen")

    doorman = registry.types["doorman"]
    assert (doorman.title, doorman.description) == ("The doorman", "Opens the door for everybody.")
    assert doorman.source == "my_doormen"
    assert "knock" in registry.jobs
    assert registry.options_schema("doorman")["properties"]["polite"]["description"] == "Whether to greet."


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "ERR_MODULE_NOT_FOUND"),
        ("import ghost", "ERR_MODULE_NOT_FOUND"),
        ("1 / 0", "ERR_ZERO_DIVISION"),
        ("this is no Python", "ERR_SYNTAX"),
        ("import sys; sys.exit(3)", "ERR_SYSTEM_EXIT"),
        ("nothing = None", "ERR_EMPTY_PLUGIN"),
        (PLUGIN.replace('"doorman"', '"Door Man"'), "ERR_INVALID_NAME"),
        (PLUGIN.replace("async def run", "def run"), "ERR_DAEMON_SHAPE"),
        (PLUGIN.replace('"doorman"', '"demo"'), "ERR_NAME_TAKEN"),
    ],
)
def test_a_broken_plugin_is_kept_with_its_error_and_the_rest_works(
    text: str | None, code: str, plugin_folder: Path, request: pytest.FixtureRequest
) -> None:
    name = f"broken_{abs(hash(request.node.name))}"
    if text is not None:
        (plugin_folder / f"{name}.py").write_text(text)

    registry = load(name)

    (broken,) = registry.broken
    assert (broken.module, broken.error.code) == (name, code)
    assert broken.row_name == f"plugin-{name}"
    assert "demo" in registry.types
    assert "doorman" not in registry.types
    assert "knock" not in registry.jobs
    assert [declared.type for declared in registry.declared()][-1] == broken.row_name


def test_a_source_with_a_taken_name_is_refused_whole() -> None:
    registry = Registry()
    registry.take("first", lambda: [Watch, knock])

    registry.take("second", lambda: [OtherWatch])
    registry.take("third", lambda: Workflow("third", jobs=[other_knock]))

    assert registry.types["watch"].cls is Watch
    assert registry.workflows == []
    assert [plugin.error.message for plugin in registry.broken] == [
        "There is a daemon type named watch already, from first.",
        "There is a job type named knock already.",
    ]


def test_the_same_class_may_come_by_two_ways() -> None:
    registry = Registry()
    registry.take("setting", lambda: [Watch, knock])
    registry.take("entry point", lambda: Workflow("watching", daemons=[Watch], jobs=[knock]))

    assert registry.broken == []
    assert [workflow.name for workflow in registry.workflows] == ["watching"]


@pytest.mark.parametrize("brought", [[Unmarked], [object()], Workflow("odd", jobs=[len])])
def test_what_is_neither_daemon_nor_job_is_refused(brought: object) -> None:
    registry = Registry()

    registry.take("odd", lambda: brought)

    assert [plugin.error.code for plugin in registry.broken] == ["ERR_DAEMON_SHAPE"]


def test_options_of_unknown_types_and_unknown_options_are_refused_by_name() -> None:
    registry = Registry()
    registry.take("tests", lambda: Watch)

    with pytest.raises(InvalidOption, match="volume: there is no such option"):
        registry.validate_options("watch", {"volume": 11})
    with pytest.raises(UnknownDaemonType, match="no daemon type named ghost"):
        registry.validate_options("ghost", {})
    assert issubclass(UnknownDaemonType, Invalid)


def test_importing_the_package_costs_no_database() -> None:
    program = (
        "import sys, daemons; daemons.BaseDaemon; sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_exported_name_is_there() -> None:
    import daemons

    assert all(getattr(daemons, name) is not None for name in dir(daemons))
    with pytest.raises(AttributeError, match="no attribute 'Ghost'"):
        daemons.Ghost  # noqa: B018 - asking is the act
