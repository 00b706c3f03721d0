"""The floors of the house, and the rules that a reader may rely on in every room."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINES = 400
A_WHILE = 30
"""Seconds. Whoever sleeps longer in a test stands there to be found asleep, and is never waited for."""

FLOORS = {
    "0": "clock errors states values describers items kept events findings ids killpoints pace tasks text json_values "
    "timetable",
    "1": "settings logs log_level bus keep_awake",
    "2": "models database schema",
    "3": "common_passwords passwords access leases journal readings roster status jobs failure_marks tallies "
    "statistics activity questions schedules views notices incidents",
    "4": "clients options worker_process subprocess_work folders pictures handlers base workflow __init__ registry",
    "5a": "log_rate dispatch orders operations item_work failures scheduler executor alone supervisor health "
    "diagnostics sending notifier",
    "5b": "workflows",
    "6": "service",
    "roof": "cli __main__",
}
"""From the cellar up; on one floor a module sees what stands to its left."""

ORDER = [*FLOORS]
PLACES = {name: (floor, at) for floor, line in FLOORS.items() for at, name in enumerate(line.split())}

WEB_SEES = {*FLOORS["0"].split(), *FLOORS["1"].split(), *FLOORS["3"].split(), "registry", "service"}
BROAD_EXCEPTIONS = {
    "database.writer": "the thread that writes answers every caller, and outlives them",
    "database.postgres": "a unit's failure is its caller's",
    "database.write_behind": "all who wait for a flush hear how it ended",
    "notifier": "one thing that cannot be told must not silence the rest",
    "executor": "one job must not end the others",
    "executor.settling": "one job must not end the others",
    "executor.run": "whatever a handler raises is its job's outcome",
    "supervisor.run": "whatever a daemon raises ends only itself",
    "supervisor.lifecycle": "one daemon must not end the others",
    "supervisor": "leases are kept whatever happens",
    "supervisor.calls": "a daemon's own __str__ may raise",
    "health": "what plug-ins bring may raise anything, and looking must go on",
    "worker_process": "the worker's loop",
    "workflows.describe.worker": "the worker's loop",
    "workflows.describe.local_loading": "whatever a library raises is why a model cannot be loaded",
    "workflows.polling.runs": "whatever a step raises is its record's, and ends nothing else",
    "web.live": "a change that cannot be told must not silence those after it",
    "web.pages.live": "a change that cannot be drawn becomes a resync",
    "web.problems": "the one place where an unforeseen error becomes an answer",
}
"""Where nobody knows what may come, and why that must not go further."""

SLEEPERS = {
    "tests/test_base.py": "holds the loop of somebody's own daemon, word for word",
    "tests/dispatch/conformance_storms.py": "holds a handler that blocks the event loop",
    "tests/browser/chorus.py": "paces changes, in a process of its own",
    "tests/browser/puppets.py": "holds daemons and jobs of a deck in a process of its own, which no event reaches",
    "tests/chaos/load.py": "paces a load, in a process of its own",
}


@cache
def trees() -> dict[str, ast.Module]:
    """Return the syntax of every module of the product by its name; `daemons.` is left out."""
    found = {}
    for package in ("daemons", "web"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = [*file.relative_to(ROOT).parent.parts, file.stem]
            name = ".".join(parts if parts[-1] != "__init__" or len(parts) == 2 else parts[:-1])
            found[name.removeprefix("daemons.")] = ast.parse(file.read_text("utf-8"))
    return found


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the names of our own modules that `tree` imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix("daemons.") in trees() else node.module for name in inner]
        else:
            continue
        for name in names:
            if name.split(".")[0] in ("daemons", "web"):
                yield "__init__" if name == "daemons" else name.removeprefix("daemons.")


def complaint(importer: str, imported: str) -> str | None:
    """Return what is wrong with `importer` importing `imported`."""
    sentence = f"{importer} imports {imported} upstairs"
    top, inner = importer.split(".")[0], imported.split(".")[0]
    if top == inner:
        same_folder = top != "workflows" or importer.split(".")[1:2] == imported.split(".")[1:2]
        return None if same_folder else sentence
    if top == "web":
        pages = importer.startswith(("web.pages.", "web.api."))
        keeper = inner == "workflows" and imported.endswith(".keeper")
        return None if inner in WEB_SEES or (pages and keeper) else sentence
    if inner == "web":
        return None if PLACES[top][0] == "roof" else sentence
    (floor, at), (other, beside) = PLACES[top], PLACES[inner]
    if top == "clients" or {floor, other} == {"5a", "5b"}:
        return None if ORDER.index(other) <= 1 else sentence
    return None if (ORDER.index(other), beside) < (ORDER.index(floor), at) else sentence


def test_every_module_has_its_place() -> None:
    modules = {name.split(".")[0] for name in trees()} - {"web"}

    assert modules == set(PLACES)


def test_nobody_imports_upstairs() -> None:
    complaints = [complaint(importer, name) for importer, tree in trees().items() for name in imports(tree)]

    assert sorted({sentence for sentence in complaints if sentence}) == []


def test_the_plan_refuses_what_it_should() -> None:
    assert complaint("bus", "database") == "bus imports database upstairs"
    assert complaint("status", "roster") is None
    assert complaint("roster", "status") is not None
    assert complaint("executor", "workflows.describe") is not None
    assert complaint("workflows.describe", "executor") is not None
    assert complaint("workflows.demo", "workflows.describe") is not None
    assert complaint("clients.stash", "roster") is not None
    assert complaint("web.live", "supervisor") is not None
    assert complaint("web.live", "models") is not None
    assert complaint("web.api.describe", "workflows.describe.keeper") is None
    assert complaint("web.live", "workflows.describe.keeper") is not None
    assert complaint("service", "web.app") is not None


def test_only_the_clock_reads_a_clock() -> None:
    moments = {("time", name) for name in ("time", "monotonic", "perf_counter", "sleep", "time_ns", "monotonic_ns")}
    moments |= {(kind, name) for kind in ("datetime", "date") for name in ("now", "utcnow", "today")}

    readers = [
        f"{name}: {ast.unparse(node)}"
        for name, tree in trees().items()
        if name != "clock"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and (ast.unparse(node.value).split(".")[-1], node.attr) in moments)
        or (isinstance(node, ast.ImportFrom) and node.module == "time")
    ]

    assert readers == []


def test_no_write_is_begun_or_committed_by_hand() -> None:
    by_hand = [
        f"{name}: {ast.unparse(node)}"
        for name, tree in trees().items()
        if name not in ("database.writer", "database.postgres")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("begin", "begin_nested", "commit")
        and not node.args
    ]

    assert by_hand == []


def test_exceptions_are_caught_by_name() -> None:
    broad = {
        name
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and not ends_by_raising(node)
    }

    assert broad == set(BROAD_EXCEPTIONS)


def is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")


def ends_by_raising(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def test_no_file_is_too_long_to_read() -> None:
    files = [file for folder in ("daemons", "web", "migrations") for file in (ROOT / folder).rglob("*.py")]

    assert [f"{file.relative_to(ROOT)}: {length(file)} lines" for file in files if length(file) > LINES] == []


def length(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def test_no_test_sleeps_to_wait_for_something() -> None:
    sleepers = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for file in (ROOT / "tests").rglob("*.py")
        if str(file.relative_to(ROOT)) not in SLEEPERS
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("asyncio.sleep", "time.sleep", "sleep")
        if not (isinstance(node.args[0], ast.Constant) and is_no_wait(node.args[0].value))
    ]

    assert sleepers == []


def is_no_wait(seconds: object) -> bool:
    return isinstance(seconds, int | float) and (seconds == 0 or seconds >= A_WHILE)
