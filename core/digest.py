"""What an approval is for, as one number. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from hashlib import sha256

from .actions import Action, Verb
from .catalog import Catalog
from .history import History
from .items import Item
from .judge import Judged
from .limits import Limits
from .migration import Folder


def digest_of(
    *,
    action: Action,
    folder: Folder,
    history: History,
    catalog: Catalog,
    limits: Limits,
    allowed: Collection[str],
    work: Sequence[tuple[Item, Sequence[Judged]]],
) -> str:
    """Return the SHA-256 of what is approved; nothing that changes by itself (sizes, traffic) is in it."""
    facts = {
        "action": _action(action),
        "database": catalog.server.database,
        "system_identifier": catalog.server.system_identifier,
        "files": [[m.version, m.file, m.checksums.exact] for m in folder.migrations],
        "history": {
            "format": history.format,
            "table": history.table,
            "applied": sorted([r.version, r.checksum, list(r.deferred)] for r in history.applied),
        },
        "decisions": [_decisions(item, statements) for item, statements in work],
        "limits": {
            # 2 and 2.0 are one limit: a number may become the other on its way through JSON
            "lock_timeout": float(limits.lock_timeout),
            "lock_attempts": limits.lock_attempts,
            "lock_pause": [float(seconds) for seconds in limits.lock_pause],
            "statement_timeout": float(limits.statement_timeout),
        },
        "allowed": sorted(allowed),
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def _action(action: Action) -> list[object]:
    """Return the verb and the operator's word; up to which version is in the decisions."""
    if action.verb is not Verb.REPAIR:
        return [action.verb.value]
    return [action.verb.value, [[it.version, it.choice.value, it.reason] for it in action.settlements]]


def _decisions(item: Item, statements: Sequence[Judged]) -> list[object]:
    return [
        item.migration.version,
        item.kind,
        item.record.value,
        # of a revert script: its bytes are not among the folder's migrations
        item.migration.checksums.exact,
        # what placeholders made of them, where there are any
        *([item.migration.script.substituted] if item.migration.script.substituted else []),
        [[j.statement.number, j.decision.value, j.cause] for j in statements],
    ]
