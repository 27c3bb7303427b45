"""What an operator orders to be stored once more (database-adapter §7)."""

import pytest

from bridge_app.errors import ValidationError
from bridge_app.web.admin import rebuild_order


@pytest.mark.parametrize(
    ("start", "from_ms"),
    [
        (None, None),
        ("earliest", None),
        ("2024-01-15T10:30:00Z", 1_705_314_600_000),
        ("1969-12-31T23:59:59.999Z", 0),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_a_rebuild_begins_at_a_time_that_kafka_knows(start: str | None, from_ms: int | None) -> None:
    assert rebuild_order({"from": start}).from_ms == from_ms


@pytest.mark.parametrize("start", ["2024-02-30T10:30:00Z", "0001-01-01T00:00:00+10:00"])
def test_a_time_that_does_not_exist_is_refused(start: str) -> None:
    with pytest.raises(ValidationError) as refused:
        rebuild_order({"from": start})
    assert refused.value.errors[0].path == "$.from"
