"""What the adapter counts and says about itself (database-adapter §8)."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bridge_app.domain.database_adapter.fold import Rows


class Status(StrEnum):
    """RECOVERING has no partitions yet, WAITING waits for Postgres, STOPPED needs an operator."""

    RECOVERING = "recovering"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPED = "stopped"


class Tally:
    """Counters since the start of the worker."""

    def __init__(self) -> None:
        self.total_events = 0
        self.duplicates_skipped = 0
        self.rows_by_table: Counter[str] = Counter()
        self.dead_letters_by_error_type: Counter[str] = Counter()
        self.batches = 0
        self.last_batch_size = 0
        self.transactions = 0
        self.bisections = 0
        self.retries = 0
        self.transient_errors = 0
        self.permanent_errors = 0
        self.last_error: str | None = None

    def stored(self, events: int, inserted: Mapping[str, int], rows: Rows) -> None:
        """Count one transaction: events in it, rows that are new by table; `rows` is what it was given."""
        self.transactions += 1
        self.total_events += events
        self.duplicates_skipped += events - inserted.get("event_logs", 0)
        self.rows_by_table.update(inserted)

    def batch_done(self, size: int, seconds: float) -> None:
        """Count a batch that is committed; `size` in records, `seconds` since it was taken."""
        self.batches += 1
        self.last_batch_size = size

    def bisected(self, times: int) -> None:
        """Count how often a batch was split to find a refused row."""
        self.bisections += times

    def retried(self) -> None:
        """Count a transaction that is going to be tried again, or dead letters that are sent again."""
        self.retries += 1

    def failed(self, message: str, *, transient: bool) -> None:
        """Count an error of Postgres."""
        if transient:
            self.transient_errors += 1
        else:
            self.permanent_errors += 1
        self.last_error = message

    def dead_lettered(self, error_type: str) -> None:
        """Count a dead letter that was acknowledged."""
        self.dead_letters_by_error_type[error_type] += 1

    def snapshot(self) -> dict[str, Any]:
        """Return the counters under the names of §8."""
        return {
            "total_events": self.total_events,
            "duplicates_skipped": self.duplicates_skipped,
            "rows_by_table": dict(self.rows_by_table),
            "dead_letters_by_error_type": dict(self.dead_letters_by_error_type),
            "batches": {
                "count": self.batches,
                "last_size": self.last_batch_size,
                "average_size": round(self.total_events / self.batches, 1) if self.batches else 0,
                "bisections": self.bisections,
            },
            "transactions": self.transactions,
            "errors": {
                "transient": self.transient_errors,
                "permanent": self.permanent_errors,
                "last": self.last_error,
            },
        }
