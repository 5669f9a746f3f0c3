from __future__ import annotations

from changeover.core.inspection import Comments
from changeover.core.schema_browser import browsable, details, whole_size
from tests.core.catalogs import catalog

DDL = """
CREATE TABLE donors (id integer PRIMARY KEY, email text NOT NULL);
CREATE TABLE gifts (id integer, donor integer REFERENCES donors (id), amount numeric DEFAULT 0);
CREATE UNIQUE INDEX gifts_id ON gifts (id);
"""
NO_COMMENTS = Comments(of_columns={}, of_constraints={})


def test_tables_are_listed_by_name_and_indexes_stand_with_their_table() -> None:
    found = browsable(catalog(DDL))
    assert [relation.qualified for relation in found] == ["public.donors", "public.gifts"]


def test_a_table_in_full_has_columns_indexes_and_constraints() -> None:
    at = catalog(DDL)
    donors, gifts = browsable(at)
    oid = donors.oid
    comments = Comments(of_columns={(oid, 0): "who gives", (oid, 2): "as typed"}, of_constraints={})
    found = details(at, comments, donors)
    assert found.comment == "who gives"
    assert [(column.name, column.notes, column.comment) for column in found.columns] == [
        ("id", "not null", ""),
        ("email", "not null", "as typed"),
    ]
    other = details(at, NO_COMMENTS, gifts)
    assert ("gifts_id", "unique btree (id)") in [(each.name, each.what) for each in other.indexes]


def test_an_invalid_index_says_so() -> None:
    at = catalog(DDL, invalid=("gifts_id",))
    gifts = browsable(at)[1]
    assert "INVALID" in next(each.what for each in details(at, NO_COMMENTS, gifts).indexes if each.name == "gifts_id")


def test_the_size_of_a_table_is_that_with_its_indexes() -> None:
    at = catalog(DDL)
    for relation in browsable(at):
        indexes = [at.by_oid[row["oid"]].bytes for row in at.indexes.get(relation.oid, ())]
        assert whole_size(at, relation) == relation.bytes + sum(indexes)
