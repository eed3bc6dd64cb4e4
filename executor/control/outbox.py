"""The hand-off from the loop to the scheduler's thread: messages of plain values, nobody waits for anybody."""

from __future__ import annotations

from collections import deque

from executor.model import LogEntry, Message

LOG_ENTRIES_PER_DRAIN = 100  # each becomes an ORM object on the scheduler's thread


class Outbox:
    """A queue with one writer (the loop) and one reader (the scheduler's thread); deque operations are atomic."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._entries: deque[LogEntry] = deque()
        self.drains = 0  # how often the scheduler came: an event put at n was taken once drains > n

    def put(self, message: Message) -> None:
        """Called by the loop."""
        if isinstance(message, LogEntry):
            self._entries.append(message)
        else:
            self._messages.append(message)

    def drain(self) -> list[Message]:
        """Everything so far, in order; log entries after it, at most LOG_ENTRIES_PER_DRAIN. Called by the scheduler."""
        self.drains += 1  # first: an event that is put meanwhile may stay for the next drain
        taken: list[Message] = [self._messages.popleft() for _ in range(len(self._messages))]
        taken += [self._entries.popleft() for _ in range(min(len(self._entries), LOG_ENTRIES_PER_DRAIN))]
        return taken
