"""Effects x world -> what a statement locks, rewrites, scans and builds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .. import tree
from ..estimate import Estimate, Tally, Toil
from ..touches import Effects
from ..world import World
from . import alter_table, drops, indexes, objects, queries, sequences, tables

_HANDLERS: Final[dict[str, Callable[[Tally, Any], None]]] = {
    "alter_table_stmt": alter_table.alter,
    "create_stmt": tables.create,
    "rename_stmt": tables.rename,
    "alter_object_depends_stmt": tables.depends,
    "alter_object_schema_stmt": tables.set_schema,
    "truncate_stmt": tables.truncate,
    "lock_stmt": tables.lock,
    "create_seq_stmt": tables.create_sequence,
    "alter_seq_stmt": sequences.alter,
    "drop_stmt": drops.drop,
    "drop_owned_stmt": drops.owned,
    "index_stmt": indexes.create,
    "reindex_stmt": indexes.reindex,
    "cluster_stmt": indexes.cluster,
    "vacuum_stmt": indexes.vacuum,
    "refresh_mat_view_stmt": indexes.refresh,
    "select_stmt": queries.run,
    "insert_stmt": queries.run,
    "update_stmt": queries.run,
    "delete_stmt": queries.run,
    "merge_stmt": queries.run,
    "copy_stmt": queries.copy,
    "declare_cursor_stmt": queries.declare,
    "prepare_stmt": queries.prepare,
    "explain_stmt": queries.explain,
    "create_table_as_stmt": queries.table_as,
    "view_stmt": queries.view,
    "create_trig_stmt": objects.trigger,
    "rule_stmt": objects.rule,
    "create_policy_stmt": objects.policy,
    "alter_policy_stmt": objects.policy,
    "create_stats_stmt": objects.statistics,
    "create_publication_stmt": objects.publication,
    "alter_publication_stmt": objects.publication,
    "comment_stmt": objects.comment,
    "sec_label_stmt": objects.comment,
    "grant_stmt": objects.grant,
    "alter_domain_stmt": objects.domain,
    "create_function_stmt": objects.function,
    "reassign_owned_stmt": objects.reassign,
}


def estimate(effects: Effects, world: World) -> tuple[Estimate, tuple[Toil, ...]]:
    """Return what a statement does to relations that are there, and each piece of work; `world` is before it."""
    tally = Tally(world=world)
    loop = 0
    for step in effects.steps:
        # what runs in one loop is done again under the locks that a later step of it takes
        if not step.loop or step.loop != loop:
            tally.settle()
        loop = step.loop
        handler = _HANDLERS.get(tree.kind(step.node))
        if handler is not None and not any(world.holds(test) is False for test in step.tests):
            handler(tally, tree.inner(step.node))
    return tally.done(), tuple(tally.toils)
