"""How far a statement is, from the server's progress views; no percentage where the server does not count.

The share is of the phase that the statement is in: phases take times that nobody knows beforehand, so one number for
the whole would be invented. See https://www.postgresql.org/docs/18/progress-reporting.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct


class Progress(Struct, frozen=True, kw_only=True):
    """One look at a progress view."""

    command: str
    phase: str
    # of this phase, 0 to 1
    share: float | None = None
    # what is counted: "blocks 120 of 4,000"
    counted: str = ""


# What is counted in a phase: its word, the column with what is done, the column with the total. The first pair whose
# total is known and not 0 counts; a column that a version does not have is unknown.
_Pair = tuple[str, str, str]
_BLOCKS: Final[_Pair] = ("blocks", "blocks_done", "blocks_total")
_TUPLES: Final[_Pair] = ("rows", "tuples_done", "tuples_total")
_LOCKERS: Final[_Pair] = ("lockers", "lockers_done", "lockers_total")
_SAMPLE: Final[_Pair] = ("blocks", "sample_blks_scanned", "sample_blks_total")
_VACUUMED: Final[dict[str, _Pair]] = {
    "scanning heap": ("blocks", "heap_blks_scanned", "heap_blks_total"),
    "vacuuming indexes": ("indexes", "indexes_processed", "indexes_total"),
    "vacuuming heap": ("blocks", "heap_blks_vacuumed", "heap_blks_total"),
    "cleaning up indexes": ("indexes", "indexes_processed", "indexes_total"),
}
_ANALYZED: Final[dict[str, _Pair]] = {
    "acquiring sample rows": _SAMPLE,
    "acquiring inherited sample rows": _SAMPLE,
    "computing extended statistics": ("statistics", "ext_stats_computed", "ext_stats_total"),
}


def read(view: str, row: Mapping[str, Any]) -> Progress:
    """Return what a row of `pg_stat_progress_<view>` says."""
    match view:
        case "create_index":
            return _index(row)
        case "cluster":
            return _cluster(row)
        case "vacuum":
            return _in_phase("VACUUM", row, _VACUUMED.get(str(row.get("phase"))))
        case "analyze":
            return _in_phase("ANALYZE", row, _ANALYZED.get(str(row.get("phase"))))
        case "copy":
            return _copy(row)
        case _:
            return Progress(command=view, phase=str(row.get("phase") or ""))


def _index(row: Mapping[str, Any]) -> Progress:
    phase = str(row.get("phase") or "")
    if phase.startswith("waiting"):
        pair = _LOCKERS
    elif "loading tuples" in phase or "sorting" in phase:
        pair = _TUPLES
    else:
        pair = _BLOCKS
    found = _in_phase(str(row.get("command") or "CREATE INDEX"), row, pair)
    extra = [found.counted] if found.counted else []
    if phase.startswith("waiting") and row.get("current_locker_pid"):
        extra.append(f"now for pid {row['current_locker_pid']}")
    if row.get("partitions_total"):
        extra.append(f"partitions {row.get('partitions_done') or 0:,} of {row['partitions_total']:,}")
    return Progress(command=found.command, phase=phase, share=found.share, counted=", ".join(extra))


def _cluster(row: Mapping[str, Any]) -> Progress:
    phase, command = str(row.get("phase") or ""), str(row.get("command") or "CLUSTER")
    if phase == "seq scanning heap":
        return _in_phase(command, row, ("blocks", "heap_blks_scanned", "heap_blks_total"))
    counted = ""
    if phase == "rebuilding index" and row.get("index_rebuild_count"):
        counted = f"{row['index_rebuild_count']:,} indexes rebuilt"
    elif row.get("heap_tuples_scanned"):
        counted = f"{row['heap_tuples_scanned']:,} rows read"
    return Progress(command=command, phase=phase, counted=counted)


def _copy(row: Mapping[str, Any]) -> Progress:
    command = str(row.get("command") or "COPY")
    if row.get("bytes_total"):
        return _in_phase(command, row, ("bytes", "bytes_processed", "bytes_total"), phase="copying")
    rows = row.get("tuples_processed") or 0
    return Progress(command=command, phase="copying", counted=f"{rows:,} rows" if rows else "")


def _in_phase(command: str, row: Mapping[str, Any], pair: _Pair | None, *, phase: str | None = None) -> Progress:
    words = str(row.get("phase") or "") if phase is None else phase
    if pair is None:
        return Progress(command=command, phase=words)
    unit, done, total = pair[0], row.get(pair[1]), row.get(pair[2])
    if not total or done is None:
        return Progress(command=command, phase=words)
    # counts are read without a lock, and a table can grow under a scan
    share = min(max(done / total, 0.0), 1.0)
    return Progress(command=command, phase=words, share=share, counted=f"{unit} {done:,} of {total:,}")
