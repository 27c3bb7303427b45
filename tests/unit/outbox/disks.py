"""Disks that fail, and one that forgets on power loss whatever was not synced."""

import errno
import os
from pathlib import Path

from bridge_app.effects.outbox.disk import Disk


class FailingDisk(Disk):
    """The real disk, but for the operations named in `failing`: write (half of it is written), sync, create, free."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.synced = 0

    def create(self, path: Path) -> int:
        self._fail("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> None:
        if "write" in self.failing:
            os.write(descriptor, data[: len(data) // 2])
        self._fail("write")
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._fail("sync")
        self.synced += 1
        super().sync(descriptor)

    def truncate(self, path: Path, size: int) -> None:
        self._fail("truncate")
        super().truncate(path, size)

    def free_bytes(self, folder: Path) -> int:
        return 0 if "free" in self.failing else super().free_bytes(folder)

    def _fail(self, operation: str) -> None:
        if operation in self.failing:
            raise OSError(errno.EIO, f"{operation} fails")


class ForgetfulDisk(Disk):
    """A disk that may lose power: then files have what was synced of them, if their name was."""

    def __init__(self) -> None:
        self._paths: dict[int, Path] = {}
        self._durable: dict[Path, bytes] = {}
        self._named: dict[Path, bytes] = {}

    def create(self, path: Path) -> int:
        self._durable.pop(path, None)
        descriptor = super().create(path)
        self._paths[descriptor] = path
        return descriptor

    def sync(self, descriptor: int) -> None:
        path = self._paths[descriptor]
        self._durable[path] = path.read_bytes()
        if path in self._named:
            self._named[path] = self._durable[path]

    def sync_folder(self, folder: Path) -> None:
        elsewhere = {path: content for path, content in self._named.items() if path.parent != folder}
        here = {path: self._durable.get(path, b"") for path in folder.iterdir() if path.is_file()}
        self._named = elsewhere | here

    def replace(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        self._durable[path] = data
        self.sync_folder(path.parent)

    def lose_power(self, folder: Path) -> None:
        """Put the folder into the state in which the next process finds it."""
        for path in [path for path in folder.iterdir() if path.is_file()]:
            path.unlink()
        for path, content in self._named.items():
            if path.parent == folder:
                path.write_bytes(content)
