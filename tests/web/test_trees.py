"""Values as trees: what a reader sees of them, and that hostile ones stay small."""

from typing import Any

import pytest

from daemons.values import JsonValue
from web.trees import DEPTH_MOST, NODES_MOST, TEXT_CHARACTERS, Node, tree_of


def everything(node: Node) -> list[Node]:
    return [node, *(inner for one in node.nodes for inner in everything(one))]


def test_what_is_within_what_stays_so() -> None:
    root = tree_of({"paths": ["a", None], "size": 3, "empty": {}, "deep": {"on": True}})

    assert [(one.name, one.text, one.kind, one.count) for one in everything(root)] == [
        (None, "", "object", 4),
        ("paths", "", "list", 2),
        ("0", '"a"', "text", 0),
        ("1", "null", "plain", 0),
        ("size", "3", "plain", 0),
        ("empty", "{}", "plain", 0),
        ("deep", "", "object", 1),
        ("on", "true", "plain", 0),
    ]
    assert not any(one.is_cut for one in everything(root))


def deep(levels: int) -> JsonValue:
    value: JsonValue = "end"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [deep(900), list(range(100_000)), {"x" * 100_000: "y" * 100_000}, [[[1] * 300] * 300] * 300]
)
def test_what_is_too_much_is_cut_and_says_so(value: Any) -> None:
    nodes = everything(tree_of(value))

    assert len(nodes) <= NODES_MOST
    assert any(one.is_cut for one in nodes)
    assert all(len(one.text) <= TEXT_CHARACTERS and len(one.name or "") <= TEXT_CHARACTERS + 1 for one in nodes)
    assert DEPTH_MOST < 20


def test_large_ones_are_closed_at_first() -> None:
    root = tree_of({"many": list(range(50)), "few": [1]})

    assert [(one.name, one.is_open) for one in root.nodes] == [("many", False), ("few", True)]
