"""The agents' dead-letter limit: a topic with too many bad records stops, and nothing of it is lost (hooks §10).

The agents of a worker are one consumer group, so a topic stops for all of them: its partitions are fetched no more,
what waits of it in lanes is dropped, and neither it nor the record at which the limit was reached is acknowledged. It
comes again when the topic is resumed or the worker restarts.
"""

from bridge_app.domain.dead_letter_limit import DeadLetterLimit, MaxShare


class Guard:
    """Judges every record that an agent handled, by agent and topic.

    `max_share` is that of `DeadLetterLimit`. Topics are named as on the broker. `stopped` gives agent and last error of
    each topic over its limit.
    """

    def __init__(self, max_share: MaxShare) -> None:
        self.stopped: dict[str, tuple[str, str]] = {}
        self._max_share = max_share
        self._limits: dict[tuple[str, str], DeadLetterLimit] = {}
        self._free: dict[str, int] = {}

    def good(self, agent: str, topic: str, count: int = 1) -> None:
        """Count records that were handled."""
        self._limit(agent, topic).good(count)

    def bad(self, agent: str, topic: str, error: str) -> bool:
        """Count a record that cannot be handled.

        Returns:
            Whether it stops its topic: then it must be left alone.
        """
        if self._limit(agent, topic).bad():
            self.stopped[topic] = (agent, error)
            return True
        return False

    def left(self, agent: str, topic: str, error: str) -> bool:
        """Count a record that cannot be handled, and that another consumer group dead-letters.

        It counts against that group, here as one that is done with; but where no dead letters are allowed at all, it
        stops its topic like any other.

        Returns:
            As `bad`.
        """
        if self._max_share() is None:
            return self.bad(agent, topic, error)
        self.good(agent, topic)
        return False

    def problems(self) -> list[str]:
        """Return one line for each topic that stopped."""
        return [f"{agent} stopped topic {topic}: {error}" for topic, (agent, error) in self.stopped.items()]

    def resume(self, topic: str, free: int = 0) -> bool:
        """Let a topic be read again, its counting started anew; return whether it had stopped.

        The first `free` bad records of each agent are not judged.
        """
        self._limits = {key: limit for key, limit in self._limits.items() if key[1] != topic}
        self._free[topic] = free
        return self.stopped.pop(topic, None) is not None

    def _limit(self, agent: str, topic: str) -> DeadLetterLimit:
        limit = self._limits.get((agent, topic))
        if limit is None:
            limit = self._limits[agent, topic] = DeadLetterLimit(self._max_share, free=self._free.get(topic, 0))
        return limit
