"""Read-only inspection: the overview on connections that the server itself holds read-only, and what else is there."""

from __future__ import annotations

from typing import ClassVar

from ..widgets.banner import Standing
from .absent import WHY_ABSENT
from .overview import OverviewScreen


class InspectScreen(OverviewScreen):
    """The overview without anything that writes: those actions do not exist here."""

    ABSENT: ClassVar[dict[str, str]] = {"overview, to change": WHY_ABSENT, "pre-check, to change": WHY_ABSENT}

    def __init__(self, standing: Standing) -> None:
        super().__init__(standing, reading=True)
