"""`hazards`: the catalogue, or one rule in full; needs no database."""

from __future__ import annotations

import sys

from ...core.document_types import text_of
from ...core.hazards.catalogue import chosen, document
from ..folding import room_on
from ..hazard_lines import catalogue_lines, rule_lines
from ..options import Options
from ..output import show


def hazards(options: Options, hazard: str | None) -> int:
    """Print all rules as a table, or one with its examples. Raises UsageError where there is no such rule."""
    rules = chosen(hazard)
    if options.json:
        show([text_of(document(rules))])
    elif hazard is None:
        show(catalogue_lines())
    else:
        show(rule_lines(rules[0], room=room_on(sys.stdout)))
    return 0
