"""Which topics the adapter reads, and as what (database-adapter §1)."""

import re
from collections.abc import Iterable

from bridge_app.topics import INTERNAL, PUBLIC

_CHANGELOGS = r".*-changelog$"


class Subscription:
    """Public topics, extra topics and every dead-letter topic; never changelogs nor internal topics.

    `prefix` is the deployment's, `suffix` that of dead-letter topics. `extra` are names as they are on the broker,
    with a `*` at the end for all that start so; what is sent there need not be typed.
    """

    def __init__(self, prefix: str, suffix: str, extra: Iterable[str] = ()) -> None:
        self._suffix = suffix
        self._public = frozenset(topic.name_in(prefix) for topic in PUBLIC)
        names = [re.escape(name) for name in sorted(self._public)]
        names += [re.escape(name[:-1]) + ".*" if name.endswith("*") else re.escape(name) for name in extra]
        internal = [re.escape(topic.name_in(prefix)) for topic in INTERNAL]
        letters = [name for topic, name in zip(INTERNAL, internal, strict=True) if topic.dead_letters]
        dlq = re.escape(suffix)
        self.pattern = (
            rf"(?!{_CHANGELOGS})(?!(?:{'|'.join(internal)})$)"
            rf"(?:(?:{'|'.join(names)})(?:{dlq})?|(?:{'|'.join(letters)}){dlq})$"
        )

    def is_dead_letters(self, topic: str) -> bool:
        """Return whether the records of a topic are dead letters."""
        return topic.endswith(self._suffix)

    def is_extra(self, topic: str) -> bool:
        """Return whether a topic is none of the bridge's own."""
        return topic not in self._public
