"""All RocksDB databases of a process share one block cache and one write-buffer manager.

There is one database per table partition. With options of their own, 40 of them hold 912 MB after some writing; sharing
holds them at 335 MB (measured). Databases are closed by garbage collection only: keep no reference to one.
"""

import gc
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import rocksdict
import structlog
from faust.stores import rocksdb
from faust.types import TP

from bridge_app.errors import SettingsError, StateDamaged
from bridge_app.runtime import damage
from bridge_app.runtime.alarms import Alarm

if TYPE_CHECKING:
    from bridge_app.runtime.app import BridgeApp

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
BLOCK_CACHE_BYTES = 64 * MIB
WRITE_BUFFERS_BYTES = 48 * MIB
WRITE_BUFFER_BYTES = 8 * MIB
OPEN_FILES_PER_DATABASE = 32
BLOOM_BITS_PER_KEY = 10


@cache
def _shared() -> tuple[Any, Any]:
    blocks = rocksdict.Cache(BLOCK_CACHE_BYTES)
    return blocks, rocksdict.WriteBufferManager(WRITE_BUFFERS_BYTES, False)


class SharedOptions(rocksdb.RocksDBOptions):
    """RocksDB options that draw on the process's shared memory."""

    def as_options(self) -> Any:
        blocks, buffers = _shared()
        tables = rocksdict.BlockBasedOptions()
        tables.set_bloom_filter(BLOOM_BITS_PER_KEY, block_based=False)
        tables.set_block_cache(blocks)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_max_open_files(OPEN_FILES_PER_DATABASE)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_write_buffer_manager(buffers)
        options.set_block_based_table_factory(tables)
        options.set_keep_log_file_num(2)
        return options

    def open(self, path: Path, *, read_only: bool = False) -> Any:
        return rocksdict.Rdict(str(path), options=self.as_options())


class SharedStore(rocksdb.Store):
    """Faust's RocksDB store with `SharedOptions`. What is damaged is set aside and made anew (`damage`)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rocksdb_options = SharedOptions()

    def set_aside(self, partition: int, reason: str) -> None:
        """Close a partition's database and put it out of the way; the next access makes an empty one."""
        self._dbs.pop(partition, None)
        gc.collect()
        aside = damage.set_aside(self.partition_path(partition))
        log.critical("state_set_aside", table=self.table_name, partition=partition, folder=str(aside), reason=reason)
        message = f"table {self.table_name}: partition {partition} is read again from its changelog: {reason}"
        context = {"table": self.table_name, "partition": partition, "folder": str(aside)}
        cast("BridgeApp", self.app).alarm(Alarm("STATE_SET_ASIDE", message, context))

    def damaged(self, partition: int, error: Exception) -> Exception:
        """Return what to raise for an error of an open database; damage is marked for the next start."""
        if not damage.is_damage(error):
            return error
        damage.mark(self.partition_path(partition), str(error))
        return StateDamaged(f"table {self.table_name}: partition {partition} is damaged: {error}")

    def persisted_offset(self, tp: TP) -> int | None:
        """Return up to where the changelog is in the database; one that cannot say is set aside."""
        try:
            return super().persisted_offset(tp)
        except Exception as error:  # RocksDB's have no type of their own
            if not damage.is_damage(error):
                raise
            self.set_aside(tp.partition, str(error))
        return super().persisted_offset(tp)

    def _open_for_partition(self, partition: int) -> Any:
        if reason := damage.marked(self.partition_path(partition)):
            self.set_aside(partition, reason)
        try:
            return super()._open_for_partition(partition)
        except Exception as error:  # RocksDB's have no type of their own
            if damage.is_unusable(error):
                refused = SettingsError(f"BRIDGE_DATA_DIR={self.app.conf.datadir}: cannot be used: {error}")
                cast("BridgeApp", self.app).halt(refused)
            if not damage.is_damage(error):
                raise
            self.set_aside(partition, str(error))
        return super()._open_for_partition(partition)
