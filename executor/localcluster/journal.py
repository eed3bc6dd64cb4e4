"""Objects on disk: one file that starts with everything there was, followed by every change since.

A change is handed to the operating system before its request is answered, so killing the server loses nothing; it is
forced onto the disk (fsync) within about a second and at a clean end, so a power cut loses that second at most. A last
record that was cut short is dropped when the file is read. Versions go on where they were, and so do watches, as far
back as the file has changes. When it has grown, the file is written anew beside itself and moved into place.

Format: records of a header (length and CRC-32 of what follows) and a MessagePack array of :class:`Record`'s fields.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from executor.localcluster.resources import Resource, find_resource
from executor.localcluster.store import Change, Store

log = logging.getLogger(__name__)

FILE = "objects.log"
SYNC_SECONDS = 1.0
REWRITE_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct(">II")
_FORMAT = "localcluster objects 1"
_BEGIN, _OBJECT = "BEGIN", "OBJECT"


class JournalError(OSError):
    """The file cannot be used; the message says why and what to do."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """``BEGIN`` (``plural`` is the format, ``version`` the newest), ``OBJECT``, or a change: ``ADDED`` and so on."""

    type: str
    group: str
    plural: str
    version: int
    raw: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def _framed(record: Record) -> bytes:
    payload = _encode(record)
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def _read(path: Path, content: bytes) -> Iterator[tuple[int, Record]]:
    """(end, record) of each whole record. A damaged one ends it where it is the last; raises otherwise."""
    position = 0
    while len(content) - position >= _HEADER.size:
        length, checksum = _HEADER.unpack_from(content, position)
        end = position + _HEADER.size + length
        payload = content[position + _HEADER.size : end]
        if end > len(content) or (zlib.crc32(payload) != checksum and end == len(content)):
            return
        if zlib.crc32(payload) != checksum:
            raise JournalError(f"{path} is damaged at byte {position}; start from another --data folder or delete it")
        position = end
        yield end, _decode(payload)


class Journal:
    """Keeps a store on disk. :meth:`open` reads what is there into it; from then on each change is appended."""

    def __init__(self, folder: Path, store: Store, rewrite_bytes: int = REWRITE_BYTES) -> None:
        self._path = folder / FILE
        self._store = store
        self._rewrite_bytes = rewrite_bytes
        self._file = -1
        self._size = self._least = 0
        self._unsynced = False

    def open(self) -> None:
        """Read the file into the (empty) store and follow the store. Raises :class:`JournalError`."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock()
        self._restore()
        self._store.listeners.append(self._append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Force changes onto the disk from time to time while the context is open, and at its end."""
        task = asyncio.create_task(self._sync_often(), name="journal")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.close()

    def close(self) -> None:
        """Force everything onto the disk and let go of the file."""
        os.fsync(self._file)
        os.close(self._file)
        self._store.listeners.remove(self._append)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self._path} is used by another local cluster") from None

    def _restore(self) -> None:
        content = self._path.read_bytes()
        good = 0
        for end, record in _read(self._path, content):
            self._replay(record)
            good = end
        if good < len(content):
            log.warning("%s: the last record was cut short and is dropped (%d bytes)", self._path, len(content) - good)
            os.truncate(self._file, good)
        os.lseek(self._file, 0, os.SEEK_END)
        self._size = self._least = good
        if not good:
            self._write(Record(_BEGIN, "", _FORMAT, self._store.version, b""))

    def _replay(self, record: Record) -> None:
        if record.type == _BEGIN:
            if record.plural != _FORMAT:
                raise JournalError(f"{self._path} has the format {record.plural!r}; this version reads {_FORMAT!r}")
            self._store.begin(record.version)
            return
        resource = _resource_of(record)
        if resource is None:
            log.warning("%s: %s is no resource of this version and is left out", self._path, record.plural)
        elif record.type == _OBJECT:
            self._store.restore(resource, record.version, record.raw)
        else:
            self._store.replay(resource, record.type, record.version, record.raw)

    def _append(self, resource: Resource, change: Change) -> None:
        stored = change.stored
        self._write(Record(change.type, resource.group, resource.plural, stored.version, stored.raw))
        if self._size > max(self._rewrite_bytes, 2 * self._least):
            self.rewrite()

    def _write(self, record: Record) -> None:
        data = _framed(record)
        self._size += len(data)
        while data:
            data = data[os.write(self._file, data) :]
        self._unsynced = True

    def rewrite(self) -> None:
        """Write what there is now into a new file and put it in the place of the old one."""
        beside = self._path.with_suffix(".new")
        new = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
        old, self._file, self._size = self._file, new, 0
        self._write(Record(_BEGIN, "", _FORMAT, self._store.version, b""))
        for resource, collection in self._store.collections.items():
            for one in collection.objects.values():
                self._write(Record(_OBJECT, resource.group, resource.plural, one.version, one.raw))
        os.fsync(new)
        os.replace(beside, self._path)
        _sync_folder(self._path.parent)
        os.close(old)
        self._least, self._unsynced = self._size, False

    async def _sync_often(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            if self._unsynced:
                self._unsynced = False
                # a copy: a rewrite may close the descriptor meanwhile
                copy = os.dup(self._file)
                try:
                    await asyncio.to_thread(os.fsync, copy)
                finally:
                    os.close(copy)


def _resource_of(record: Record) -> Resource | None:
    return find_resource(record.group, "v1", record.plural)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
