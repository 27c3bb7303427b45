"""A token bucket per caller."""

import math
from collections import OrderedDict

#: Callers remembered; the one that was silent longest is forgotten first, and begins anew with a full bucket.
MOST_BUCKETS = 10_000


class RateLimit:
    """`per_minute` requests per caller: so many at once from a full bucket, which fills up again within a minute."""

    def __init__(self, per_minute: int, *, most_buckets: int = MOST_BUCKETS) -> None:
        self.per_minute = per_minute
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._most = most_buckets
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float) -> int:
        """Take one token at the monotonic time `now`.

        Returns:
            0 when there was one, else in how many whole seconds there will be one, at least 1.
        """
        tokens, since = self._buckets.pop(caller, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - tokens) / self._per_second))
