"""What a plan asks the role for: one right on one object, with the statement that needs it first."""

from __future__ import annotations

from msgspec import Struct

from .errors import Place
from .names import written

# The right of whoever owns an object, or is a member of the role that does.
OWNER = "owner"
# That of whoever owns an object or its schema.
DROP = "owner to drop it"
SUPERUSER = "superuser"


class Right(Struct, frozen=True, kw_only=True):
    """A right that a statement needs.

    `kind` is relation, schema, database, role, type, function, language, extension, parameter or attribute (of the
    role itself). `right` is a privilege as GRANT names it, or owner, superuser, member, CREATEROLE, CREATEDB, install.
    """

    kind: str
    right: str
    # empty for what is in no schema; of an extension, the version that is asked for
    schema: str = ""
    name: str
    place: Place
    version: str
    statement: int
    # why the role may do it all the same where the server says that it has not got this right; empty where it may not
    unless: str = ""

    @property
    def object(self) -> str:
        """The object's name, qualified where it is in a schema."""
        return written((self.schema, self.name)) if self.schema and self.kind != "extension" else written((self.name,))

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two needs one question."""
        return (self.kind, self.schema, self.name, self.right)


class Holding(Struct, frozen=True, kw_only=True):
    """The server's answer: `held` is None where the object is not there (any more)."""

    held: bool | None
    # held for some of the columns, or for some of the functions of that name
    partly: bool = False
    owner: str = ""
