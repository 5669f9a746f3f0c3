"""Names of database objects: reading and writing them as PostgreSQL does.

PostgreSQL's lexer is loaded with the first name that needs it: nearly every module knows names, and the first frame of
the console does not wait for a parser.
"""

from __future__ import annotations

from functools import lru_cache

# Names as parts, outermost first: ("public", "users"). Never empty.
Parts = tuple[str, ...]


@lru_cache(maxsize=65536)
def quote(name: str) -> str:
    """Return an identifier as `quote_ident` writes it: bare where that reads back as the same name.

    See https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS.
    """
    import postgast
    from postgast.pg_query_pb2 import KeywordKind

    bare = name[:1].islower() or name[:1] == "_"
    if bare and name.isascii() and all(c.islower() or c.isdigit() or c == "_" for c in name):
        token = postgast.scan(name).tokens[0]
        if token.keyword_kind in {KeywordKind.NO_KEYWORD, KeywordKind.UNRESERVED_KEYWORD}:
            return name
    return '"' + name.replace('"', '""') + '"'


def written(parts: Parts) -> str:
    """Return a possibly qualified name, each part quoted where it must be."""
    return ".".join(quote(part) for part in parts)


def is_qualified(parts: Parts) -> bool:
    """Whether a name says its schema."""
    return len(parts) > 1


@lru_cache(maxsize=65536)
def read(text: str) -> Parts:
    """Return the parts of a possibly qualified and quoted name, folded as PostgreSQL folds them.

    Raises `ValueError` where `text` is no name.
    """
    import postgast
    from postgast.pg_query_pb2 import KeywordKind, Token

    try:
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError as error:
        raise ValueError(error.message) from error
    data = text.encode()
    parts: list[str] = []
    for number, token in enumerate(tokens):
        word = data[token.start : token.end].decode()
        if number % 2:
            if word != ".":
                raise ValueError(f"{word!r} where a dot was expected")
        elif word.startswith('"'):
            parts.append(word[1:-1].replace('""', '"'))
        elif token.token == Token.IDENT or token.keyword_kind != KeywordKind.NO_KEYWORD:
            parts.append(word.lower())
        else:
            raise ValueError(f"{word!r} is not a name")
    if not parts or len(tokens) % 2 == 0:
        raise ValueError("a name was expected")
    return tuple(parts)
