"""Write the page of the hazards anew from the rules: `python -m changeover.core.hazards`."""

from __future__ import annotations

from pathlib import Path

from .catalogue import page

(Path(__file__).parent / "README.md").write_text(page(), encoding="utf-8")
