"""The first daemon of the README, as it stands there, is found, started and seen at work."""

import json
import re
from pathlib import Path

from tests.cli.deck_runner import DeckRunner
from tests.forked import PROJECT


def test_the_first_daemon_runs_as_it_is_printed(tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    [(code, name)] = re.findall(r"```python\n(# (\w+)\.py\n.*?)```", readme, re.DOTALL)
    (tmp_path / f"{name}.py").write_text(code)
    assert f"""DAEMONDECK_PLUGINS='["{name}"]'""" in readme
    plugins = {"DAEMONDECK_PLUGINS": json.dumps([name]), "PYTHONPATH": f"{PROJECT}:{tmp_path}"}
    runner = DeckRunner(tmp_path, **plugins)

    with runner.serving():
        started = runner.run("start", name)
        asleep = runner.run("wait", name, "--for", "idle")
        [row] = runner.json("status", name)

    assert (started.returncode, asleep.returncode) == (0, 0), started.stderr + asleep.stderr
    assert re.fullmatch(r"[1-9] files are waiting", row["current_status"])
