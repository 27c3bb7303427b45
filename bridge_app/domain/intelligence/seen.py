"""An observation is applied once: positions guard against replays, ids against producers that send twice."""

import msgspec

from bridge_app.events.intelligence import AnyObservation

#: Input event ids that are remembered per key, 16 bytes each.
IDS = 256
_ID_BYTES = 16


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """What a key has applied: the last offset by `<topic>:<partition>` of the cause, the last ids, oldest first, and
    the latest time of an observation.
    """

    offsets: dict[str, int] = msgspec.field(default_factory=dict)
    ids: bytes = b""
    last_us: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of what the key has applied: the key was dropped, and this is what remains."""
        return not self.ids

    def emptied(self) -> "Seen":
        """Return what remains of it in a key that is dropped: when it was last updated."""
        return Seen(last_us=self.last_us)

    def came_from(self, topic: str) -> bool:
        """Whether an observation of a topic was applied; its name may have a prefix here."""
        return any(source.rpartition(":")[0].endswith(topic) for source in self.offsets)

    def has(self, observation: AnyObservation) -> bool:
        """Whether this observation, or a later one of its source partition, was applied."""
        origin = observation.origin
        if origin and origin.offset <= self.offsets.get(f"{origin.topic}:{origin.partition}", -1):
            return True
        wanted = observation.cause_id.bytes
        found = self.ids.find(wanted)
        while found % _ID_BYTES and found != -1:
            found = self.ids.find(wanted, found + 1)
        return found != -1

    def with_(self, observation: AnyObservation, partitions: int, time_us: int) -> "Seen":
        """Return what is seen after this observation too, which is of that time.

        Of more than `partitions` source partitions those that were silent longest are forgotten; ids remain for them.
        """
        offsets, origin = self.offsets, observation.origin
        if origin:
            source = f"{origin.topic}:{origin.partition}"
            kept = [item for item in offsets.items() if item[0] != source][1 - partitions :]
            offsets = dict([*kept, (source, origin.offset)])
        ids = (self.ids + observation.cause_id.bytes)[-IDS * _ID_BYTES :]
        return Seen(offsets, ids, max(self.last_us, time_us))
