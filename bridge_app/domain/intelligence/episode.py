"""One problem is one pattern, however many observations show it: episodes (intelligence §5).

An episode opens with the first observation that shows the problem, publishes a revision when it gets worse, surer, or
has gone on for a while, and closes when the problem is over. The same problem soon afterwards is the same episode.
"""

from typing import Any, NamedTuple

import msgspec

from bridge_app.events.envelope import Cause

SEVERITY_ORDER = ("low", "medium", "high", "critical")
#: How much surer a problem must have become for a revision.
SURER = 0.05


class Sighting(NamedTuple):
    """One observation of a problem: how sure, how bad, and what there is to say about it."""

    confidence: float
    severity: str
    evidence: dict[str, Any]


class Episode(msgspec.Struct, array_like=True, frozen=True):
    """A problem of a series. `since_us` is when it was opened, the last time; `calm` counts quiet observations in a
    row; `evidence` belongs to its surest observation, but for the `peak` in it, which is that of all; `closed_us` is
    None while it is open; `told` is the confidence of the last revision.
    """

    uuid: str
    opened_us: int
    since_us: int
    last_us: int
    published_us: int
    revision: int
    occurrences: int
    confidence: float
    severity: str
    evidence: dict[str, Any]
    cause: Cause
    calm: int = 0
    closed_us: int | None = None
    told: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.closed_us is None


def opened(uuid: str, sighting: Sighting, cause: Cause) -> Episode:
    """Return the episode that an observation opens; its first revision is to be published."""
    now = cause.time_us
    return Episode(uuid, now, now, now, now, 1, 1, *sighting, cause=cause, told=sighting.confidence)


def further(episode: Episode, sighting: Sighting, cause: Cause, cooldown_us: int) -> tuple[Episode, bool]:
    """Return the open episode with one more observation, and whether a revision is to be published."""
    now = cause.time_us
    worse = _rank(sighting.severity) > _rank(episode.severity)
    surer = round(sighting.confidence - episode.told, 4) >= SURER
    publish = worse or surer or now - episode.published_us >= cooldown_us
    after = _seen(episode, sighting, cause)
    return (_revised(after, now) if publish else after), publish


def reopened(episode: Episode, sighting: Sighting, cause: Cause) -> Episode:
    """Return the closed episode, open again; its next revision is to be published."""
    after = msgspec.structs.replace(_seen(episode, sighting, cause), since_us=cause.time_us, closed_us=None)
    return _revised(after, cause.time_us)


def shown(
    episode: Episode | None, sighting: Sighting, cause: Cause, cooldown_us: int, new_uuid: str
) -> tuple[Episode, bool]:
    """Return the episode after an observation that shows the problem, and whether a revision is to be published.

    Without one, or with one that closed too long ago, `new_uuid` names a new one.
    """
    if episode is not None and episode.is_open:
        return further(episode, sighting, cause, cooldown_us)
    if episode is not None and may_reopen(episode, cause.time_us, cooldown_us):
        return reopened(episode, sighting, cause), True
    return opened(new_uuid, sighting, cause), True


def quiet(episode: Episode, calm: bool) -> Episode:
    """Return the episode after an observation without the problem; one that is not calm starts the count afresh."""
    return msgspec.structs.replace(episode, calm=episode.calm + 1 if calm else 0)


def closed(episode: Episode, at_us: int) -> Episode:
    """Return the episode closed, at the revision that says so."""
    return msgspec.structs.replace(_revised(episode, at_us), closed_us=at_us)


def may_reopen(episode: Episode | None, now_us: int, cooldown_us: int) -> bool:
    """Whether the same problem now would be the same episode."""
    return episode is not None and episode.closed_us is not None and now_us - episode.closed_us <= cooldown_us


def _seen(episode: Episode, sighting: Sighting, cause: Cause) -> Episode:
    worst = sighting.confidence >= episode.confidence
    return msgspec.structs.replace(
        episode,
        last_us=max(episode.last_us, cause.time_us),
        occurrences=episode.occurrences + 1,
        confidence=max(episode.confidence, sighting.confidence),
        severity=max(episode.severity, sighting.severity, key=_rank),
        evidence=_with_peak(sighting.evidence if worst else episode.evidence, episode.evidence, sighting.evidence),
        cause=cause,
        calm=0,
    )


def _revised(episode: Episode, now_us: int) -> Episode:
    return msgspec.structs.replace(episode, revision=episode.revision + 1, published_us=now_us, told=episode.confidence)


def _with_peak(evidence: dict[str, Any], one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return evidence with the highest of the values that either knows as its `peak`, if there are any."""
    peaks: dict[str, float] = {}
    for name, value in (*one.get("peak", {}).items(), *other.get("peak", {}).items()):
        peaks[name] = max(value, peaks.get(name, value))
    return {**evidence, "peak": peaks} if peaks else evidence


def _rank(severity: str) -> int:
    return SEVERITY_ORDER.index(severity)
