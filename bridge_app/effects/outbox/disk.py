"""What the outbox asks of the file system. Tests hand in one that tears, forgets and fails."""

import os
from pathlib import Path


class Disk:
    """The real one. Everything raises OSError; nothing is durable before `sync` or `sync_folder` returned."""

    def create(self, path: Path) -> int:
        """Return the descriptor of a new file to be appended to; its name is durable."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self.sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def write(self, descriptor: int, data: bytes) -> None:
        """Append all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Return when everything written to the file is durable."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file off at `size`, durably."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, size)
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, path: Path, data: bytes) -> None:
        """Write a whole file, durably and at once: afterwards it has its old content or the new one."""
        beside = path.with_name(path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self.write(descriptor, data)
            self.sync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(path)
        self.sync_folder(path.parent)

    def delete(self, path: Path) -> None:
        """Delete a file; after a crash it may be there again."""
        path.unlink()

    def free_bytes(self, folder: Path) -> int:
        """Return how much may still be written to the file system of a folder."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
