"""An observation is applied once: positions guard against replays, ids against producers that send twice."""

import msgspec

from bridge_app.events.intelligence import AnyObservation

#: Input event ids that are remembered per key, 16 bytes each.
IDS = 256
_ID_BYTES = 16


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """What a key has applied: the last offset by `<topic>:<partition>` of the cause, and the last ids, oldest first."""

    offsets: dict[str, int] = msgspec.field(default_factory=dict)
    ids: bytes = b""

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

    def with_(self, observation: AnyObservation, partitions: int) -> "Seen":
        """Return what is seen after this observation too.

        Of more than `partitions` source partitions those that were silent longest are forgotten; ids remain for them.
        """
        offsets, origin = self.offsets, observation.origin
        if origin:
            source = f"{origin.topic}:{origin.partition}"
            kept = [item for item in offsets.items() if item[0] != source][1 - partitions :]
            offsets = dict([*kept, (source, origin.offset)])
        return Seen(offsets, (self.ids + observation.cause_id.bytes)[-IDS * _ID_BYTES :])
