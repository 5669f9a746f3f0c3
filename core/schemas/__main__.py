"""Write the JSON Schemas anew from the classes of the documents: `python -m changeover.core.schemas`."""

from __future__ import annotations

from pathlib import Path

from ..document_types import DOCUMENTS, schema_text

for name in DOCUMENTS:
    (Path(__file__).parent / f"{name}.json").write_text(schema_text(name), encoding="utf-8")
