"""A JSON value as a page shows it: what is within what, as far as a page stays readable."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from daemons.values import JsonValue

DEPTH_MOST = 8
NODES_MOST = 500
TEXT_CHARACTERS = 2_000
OPEN_MOST = 20
"""What holds more than that is shown closed, at first."""


@dataclass(slots=True)
class Node:
    """One value: a text, or what it holds. `name` is its key or place, None for the whole."""

    name: str | None
    text: str = ""
    kind: str = ""
    count: int = 0
    nodes: list["Node"] = field(default_factory=list)
    is_cut: bool = False
    """Whether there is more than is shown; the whole value is in the API."""
    is_open: bool = False


def tree_of(value: JsonValue) -> Node:
    """Return `value` as a tree, cut in depth, number and length: hostile values cost no more than harmless ones."""
    return _Grower().grow(None, value, 0)


class _Grower:
    def __init__(self) -> None:
        self._left = NODES_MOST

    def grow(self, name: str | None, value: JsonValue, depth: int) -> Node:
        self._left -= 1
        if not isinstance(value, dict | list) or not value:
            return _leaf(name, value)
        kind = "object" if isinstance(value, dict) else "list"
        node = Node(_cut(name), kind=kind, count=len(value), is_open=depth < 2 and len(value) <= OPEN_MOST)
        inner: Iterable[tuple[str, JsonValue]] = (
            value.items() if isinstance(value, dict) else ((str(place), one) for place, one in enumerate(value))
        )
        for key, one in inner:
            if depth == DEPTH_MOST or self._left <= 0:
                node.is_cut = True
                break
            node.nodes.append(self.grow(key, one, depth + 1))
        return node


def _leaf(name: str | None, value: JsonValue) -> Node:
    if isinstance(value, str):
        kind, text = "text", json.dumps(value[: TEXT_CHARACTERS + 1], ensure_ascii=False)
        is_cut = len(value) > TEXT_CHARACTERS
    else:
        kind, text, is_cut = "plain", json.dumps(value, default=str), False
    return Node(_cut(name), text[:TEXT_CHARACTERS], kind, is_cut=is_cut)


def _cut(name: str | None) -> str | None:
    return name if name is None or len(name) <= TEXT_CHARACTERS else name[:TEXT_CHARACTERS] + "…"
