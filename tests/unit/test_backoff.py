"""The pauses between tries."""

import pytest

from bridge_app.backoff import CONNECT, SEND, Backoff


@pytest.mark.parametrize(
    ("limits", "pauses"),
    [
        (SEND, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]),
        (CONNECT, [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]),
        ((7.0, 5.0), [7.0, 5.0]),
    ],
)
def test_pauses_double_up_to_the_longest(limits: tuple[float, float], pauses: list[float]) -> None:
    backoff = Backoff(*limits)
    assert [backoff.next() for _ in pauses] == pytest.approx(pauses)


def test_a_reset_begins_anew() -> None:
    backoff = Backoff(*CONNECT)
    assert backoff.is_fresh
    assert (backoff.next(), backoff.next(), backoff.is_fresh) == (0.5, 1.0, False)
    backoff.reset()
    assert backoff.is_fresh
    assert backoff.next() == 0.5
