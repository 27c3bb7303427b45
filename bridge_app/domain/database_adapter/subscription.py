"""Which topics the adapter reads, and as what (database-adapter §1)."""

import re
from collections.abc import Callable, Iterable

from bridge_app.topics import CATALOGUE

_CHANGELOGS = r".*-changelog$"


class Subscription:
    """The catalogue's topics that are stored, extra topics and every dead-letter topic; never changelogs nor the rest.

    `topic` returns the broker's name of a catalogue topic, `suffix` is that of dead-letter topics. `extra` are names as
    they are on the broker, with a `*` at the end for all that start so; what is sent there need not be typed.
    """

    def __init__(self, topic: Callable[[str], str], suffix: str, extra: Iterable[str] = ()) -> None:
        self._suffix = suffix
        self._stored = frozenset(topic(one.name) for one in CATALOGUE if one.stored)
        self._compacted = frozenset(topic(one.name) for one in CATALOGUE if one.compacted)
        unread = sorted(topic(one.name) for one in CATALOGUE if not one.stored)
        letters = sorted(topic(one.name) + suffix for one in CATALOGUE if one.dead_letters)
        names = [re.escape(name[:-1]) + ".*" if name.endswith("*") else re.escape(name) for name in extra]
        with_letters = rf"(?:{'|'.join(names)})(?:{re.escape(suffix)})?|" if names else ""
        self.pattern = (
            rf"(?!{_CHANGELOGS})(?!(?:{_any(unread)})$)"
            rf"(?:{with_letters}{_any(sorted(self._stored))}|{_any(letters)})$"
        )

    def is_dead_letters(self, topic: str) -> bool:
        """Return whether the records of a topic are dead letters."""
        return topic.endswith(self._suffix)

    def is_compacted(self, topic: str) -> bool:
        """Return whether a null value is a tombstone there, and no bad record."""
        return topic in self._compacted

    def is_extra(self, topic: str) -> bool:
        """Return whether a topic is none of the bridge's own."""
        return topic not in self._stored

    def takes_extra(self, topic: str) -> bool:
        """Return whether records of a topic that is none of the bridge's own are stored; its dead letters go apart."""
        is_candidate = self.is_extra(topic) and not self.is_dead_letters(topic)
        return is_candidate and re.fullmatch(self.pattern, topic) is not None


def _any(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))
