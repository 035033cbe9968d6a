"""Circles of threads that wait for each other, drawn."""

from collections.abc import Sequence
from math import cos, pi, sin
from typing import Final, NamedTuple

from uniobs.cli.report.html.markup import Html, el, join
from uniobs.cli.report.model import Edge

WIDTH: Final = 640.0
BOX: Final = 38.0
NAME_MAX: Final = 20
LARGEST: Final = 8  # threads of a circle that is drawn: a larger one is only listed


class _Node(NamedTuple):
    x: float
    y: float
    width: float
    name: str
    thread: bool


def circle(ring: Sequence[Edge], number: int) -> Html | None:
    """``ring``: the edges of one circle in its order. None when it's too large to be drawn."""
    if not 1 <= len(ring) <= LARGEST:
        return None
    names: list[tuple[str, bool]] = []
    for edge in ring:
        names.append((f"{edge.thread} ({edge.tid})", True))
        if edge.kind != "join":
            names.append((edge.what, False))
    height = 110.0 if len(names) < 3 else 210.0 if len(names) < 5 else 320.0 if len(names) < 9 else 460.0
    nodes = [_node(n, len(names), name, thread, height) for n, (name, thread) in enumerate(names)]
    arrow = f"arrow{number}"
    lines = [_arrow(nodes, n, arrow) for n in range(len(nodes))]
    tip = el("path", d="M0 0 8 4 0 8z")
    marker = el(
        "marker",
        tip,
        id=arrow,
        viewBox="0 0 8 8",
        refX=7,
        refY=4,
        markerWidth=8,
        markerHeight=8,
        orient="auto",
    )
    told = "; ".join(
        f"{e.thread} waits for {'the end of' if e.kind == 'join' else e.what + ', held by'} {e.owner_name}"
        for e in ring
    )
    return el(
        "svg",
        *(el("title", f"A circle: {told}"), el("defs", marker), *lines, *(_box(node) for node in nodes)),
        class_="graph",
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}",
        role="img",
    )


def _node(n: int, count: int, name: str, thread: bool, height: float) -> _Node:
    """On an ellipse, the first at its left end, clockwise."""
    shown = name if len(name) <= NAME_MAX else name[: NAME_MAX - 1] + "…"
    width = max(96.0, 8.2 * len(shown) + 30)
    angle = pi - 2 * pi * n / count
    x = WIDTH / 2 + (WIDTH / 2 - 108) * cos(angle)
    y = height / 2 - (height / 2 - BOX / 2 - 8) * sin(angle)
    return _Node(x, y, width, name, thread)


def _box(node: _Node) -> Html:
    shown = node.name if len(node.name) <= NAME_MAX else node.name[: NAME_MAX - 1] + "…"
    left, top = node.x - node.width / 2, node.y - BOX / 2
    round_ = 7.0 if node.thread else BOX / 2
    return el(
        "g",
        el("title", node.name),
        el("rect", x=left, y=top, width=node.width, height=BOX, rx=round_),
        el("text", shown, x=node.x, y=node.y + 4.5),
        class_="thread" if node.thread else "lock",
    )


def _edge_of(node: _Node, x: float, y: float) -> tuple[float, float]:
    """Where the line from a node's middle to (x, y) leaves its box."""
    dx, dy = x - node.x, y - node.y
    reach = max(abs(dx) / (node.width / 2 + 3), abs(dy) / (BOX / 2 + 3), 1e-6)
    return node.x + dx / reach, node.y + dy / reach


def _arrow(nodes: list[_Node], n: int, marker: str) -> Html:
    one, other = nodes[n], nodes[(n + 1) % len(nodes)]
    bend = 34.0 if len(nodes) < 3 else 0.0  # there and back are two lines
    side = -1 if n % 2 == 0 else 1
    mid_x, mid_y = (one.x + other.x) / 2, (one.y + other.y) / 2 + bend * side
    x1, y1 = _edge_of(one, mid_x, mid_y)
    x2, y2 = _edge_of(other, mid_x, mid_y)
    words = "held by" if not one.thread else "waits for" if not other.thread else "waits for the end of"
    path = f"M{x1:.1f} {y1:.1f}Q{mid_x:.1f} {mid_y:.1f} {x2:.1f} {y2:.1f}"
    label_y = (y1 + y2) / 4 + mid_y / 2
    return join(
        el("path", d=path, class_="edge", marker_end=f"url(#{marker})"),
        el("text", words, x=(x1 + x2) / 4 + mid_x / 2, y=label_y + 4, class_="label"),
    )
