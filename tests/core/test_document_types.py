"""The documents of --json: their schemas are committed, and made from the classes."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest

from changeover.core.document_types import DOCUMENTS, error_document, schema_text, text_of
from changeover.core.errors import ExitCode, Fault


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_committed_schema_is_the_one_of_the_class(name: str) -> None:
    committed = (files("changeover.core") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    assert committed == schema_text(name), "stale: run `python -m changeover.core.schemas`"


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_schema_is_one_and_wants_every_key(name: str) -> None:
    schema = json.loads(schema_text(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    root = schema["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    assert root["required"] == list(root["properties"])
    assert root["required"][0] == "changeover"


def test_there_is_no_schema_without_a_class() -> None:
    names = {entry.name for entry in (files("changeover.core") / "schemas").iterdir() if entry.name.endswith(".json")}
    assert names == {f"{name}.json" for name in DOCUMENTS}


def test_no_value_of_a_document_can_act_on_a_terminal() -> None:
    text = text_of(error_document(Fault(id="x", summary="\x1b[2J\u202e\x9b"), ExitCode.USAGE))
    assert text.isascii()
    assert all(letter == "\n" or letter.isprintable() for letter in text)
    assert json.loads(text)["error"]["summary"] == "\x1b[2J\u202e\x9b"
