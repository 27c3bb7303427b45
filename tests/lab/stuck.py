"""One partition that waits: its changelog is not sent while there is a file, as if its leader did not answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_app.runtime.producer import BatchProducer, Send
from bridge_app.runtime.state_table import StateTable
from tests.lab.waiting import eventually

LONGEST_SECONDS = 600.0


def install(table: StateTable[Any], stuck: int, file: Path) -> None:
    """Let every send to one partition of the table's changelog wait until the file is gone."""
    produce_once = BatchProducer._produce_once

    async def waiting(self: BatchProducer, topic: str, partition: int, records: Sequence[Send]) -> int:
        if (topic, partition) == (table.changelog_topic_name, stuck):
            await eventually(lambda: not file.exists(), f"{file} is gone", seconds=LONGEST_SECONDS)
        return await produce_once(self, topic, partition, records)

    BatchProducer._produce_once = waiting  # type: ignore[method-assign]
