"""Pieces and pages as HTML. Templates escape every value."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from balancer.dashboard.board import Board, Piece
from balancer.dashboard.cells import MEANINGS
from balancer.dashboard.display_text import seconds
from balancer.dashboard.snapshot import Fragment
from balancer.dashboard.trend import Point

FLEET = Piece("html", "fleet")


class Rendering:
    """The templates, with the prefix that a proxy adds to the balancer's paths, or an empty one."""

    def __init__(self, root_path: str) -> None:
        self.base = f"{root_path.rstrip('/')}/dashboard"
        self._templates = Environment(
            loader=PackageLoader("balancer.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            base=self.base,
            docs=f"{root_path.rstrip('/')}/docs",
            cell_states=MEANINGS,
            worker_page=self.worker_page,
            duration=lambda ms: seconds(None if ms is None else ms / 1000),
        )

    def worker_page(self, name: str) -> str:
        """The address of the page about a worker."""
        return f"{self.base}/workers/{quote(name, safe='')}"

    def page(self, template: str, **facts: object) -> str:
        """A static page."""
        return self._templates.get_template(template).render(**facts)

    def live_page(self, template: str, board: Board, **facts: object) -> str:
        """A page with the current pieces of the board, and its version."""
        shown = board.shown
        return self.page(template, version=board.version, **self._showing(shown), **facts)

    def message(self, board: Board, changed: Mapping[Piece, object], points: list[Point]) -> bytes:
        """The changed pieces and the new points for a page, as JSON."""
        shown = board.shown
        parts: dict[str, dict[str, Any]] = {"html": {}, "text": {}, "cells": {}}
        for piece, value in changed.items():
            if isinstance(value, Fragment):
                if FLEET in changed and piece.target.startswith("tile."):
                    continue  # the fleet's fragment contains all tiles
                parts["html"][piece.target] = self._fragment(piece.target, value, shown)
            else:
                parts[piece.verb][piece.target] = value
        sent: dict[str, Any] = {verb: part for verb, part in parts.items() if part}
        return orjson.dumps(sent | {"points": [tuple(point) for point in points]})

    def _showing(self, shown: Mapping[Piece, object]) -> dict[str, Callable[[str], Markup]]:
        """For each verb, a function for templates: renders a piece so that the page can find it."""

        def text(target: str) -> Markup:
            value = shown[Piece("text", target)]
            return Markup('<span data-text="{}">{}</span>').format(target, value)

        def cells(target: str) -> Markup:
            counts = shown[Piece("cells", target)]
            assert isinstance(counts, Mapping)
            each = Markup("").join(
                Markup('<i data-state="{}"></i>').format(state) * count
                for state, count in counts.items()
            )
            said = ", ".join(f"{count} {state}" for state, count in counts.items())
            return Markup(
                '<span class="cells" role="img" data-cells="{}" aria-label="{}">{}</span>'
            ).format(target, said, each)

        def html(target: str) -> Markup:
            fragment = shown[Piece("html", target)]
            assert isinstance(fragment, Fragment)
            return Markup(self._fragment(target, fragment, shown))  # noqa: S704  already escaped

        return {"text": text, "cells": cells, "html": html}

    def _fragment(self, target: str, fragment: Fragment, shown: Mapping[Piece, object]) -> str:
        template = self._templates.get_template(fragment.template)
        return template.render(**fragment.facts, target=target, **self._showing(shown))
