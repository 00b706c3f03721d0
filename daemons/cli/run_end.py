"""What a run of `describe` came to: in words for people, whole for programs, and as its exit code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from daemons.cli import item_lines
from daemons.cli.exits import Exit
from daemons.cli.options import Options
from daemons.cli.printing import note, one_line, say, show_one

Item = dict[str, Any]
FAILURES_TOLD = 10


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended: `complete`, `stopped` by the user, `detached` from a deck that goes on, or `failed`."""

    state: str
    daemon: Item
    items: Item | None
    groups: list[Item]
    """What failed, by code, as the deck's failures tell it."""

    @property
    def failed(self) -> int:
        return self.items["failed"] if self.items else 0

    @property
    def exit_code(self) -> Exit:
        if self.state in ("stopped", "detached"):
            return Exit.INTERRUPTED
        return Exit.FAILED if self.state == "failed" or self.failed else Exit.DONE

    def tell(self, options: Options) -> Exit:
        """Print it and return the exit code."""
        if options.is_table:
            for line in self._lines():
                say(one_line(line))
        else:
            show_one(options, self._as_dict(), {})
        if self.state == "detached":
            name = self.daemon["name"]
            note(options, f"The work goes on in the deck: `daemondeck progress {name} --watch 10` follows it,")
            note(options, f"`daemondeck stop {name}` ends it.")
        return self.exit_code

    def _counts(self) -> Item:
        items = self.items or {"done": 0, "failed": 0, "total": None}
        found = (self.daemon["progress"] or {}).get("total") or items["total"]
        total = None if found is None else int(found)
        left = None if total is None else max(0, total - items["done"] - items["failed"])
        return {"done": items["done"], "failed": items["failed"], "total": total, "left": left}

    def _as_dict(self) -> Item:
        folder = self.daemon["configuration"].get("directory")
        failures = [
            {"path": one["name"], "code": group["code"], "message": one["message"]}
            for group in self.groups
            for one in group["items"]
        ]
        return {
            "name": self.daemon["name"],
            "directory": folder,
            "state": self.state,
            **self._counts(),
            "failures": failures,
        }

    def _lines(self) -> Iterator[str]:
        counts = self._counts()
        name, told = self.daemon["name"], f"{counts['done']:,} described, {counts['failed']:,} failed"
        if self.state == "complete":
            left = f", {counts['left']:,} left out for now: they are still written to" if counts["left"] else ""
            yield f"Complete: {told}{left}."
        elif self.state == "failed":
            error = self.daemon["last_error"] or {}
            why = error.get("message") or self.daemon["state_reason"] or "no reason is known"
            yield f"{name} ended: {why} {error.get('remedy') or ''}".rstrip()
        else:
            left = "" if counts["left"] is None else f", {counts['left']:,} left"
            yield f"{'Stopped' if self.state == 'stopped' else 'Left'}: {told}{left}."
        if self.state == "stopped":
            yield "The same command goes on where it stopped."
        yield from self._failures(name)

    def _failures(self, name: str) -> Iterator[str]:
        if not self.failed or self.items is None or self.state in ("stopped", "detached"):
            return
        yield f"Failed {item_lines.codes(self.items)}"
        shown = [(group["code"], one) for group in self.groups for one in group["items"]]
        for code, one in shown[:FAILURES_TOLD]:
            yield f"  {one['name']}: {code}: {one['message']}"
        if self.failed > FAILURES_TOLD:
            yield f"  and {self.failed - min(FAILURES_TOLD, len(shown)):,} more: `-o json` lists them."
        yield f"`daemondeck stats {name}` tells more; with a running deck `daemondeck failures {name}` retries them."
