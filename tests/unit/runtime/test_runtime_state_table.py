"""A table and its changelog belong together: one without the other is no assignment."""

from collections.abc import Callable
from typing import Any

import pytest
from faust.types import TP

from bridge_app.errors import Fenced
from bridge_app.events.envelope import Identity
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.state_table import StateTable
from bridge_app.settings import Settings


@pytest.fixture
def table(make_settings: Callable[..., Settings]) -> StateTable[Any]:
    app = BridgeApp(make_settings(), Identity("s", "0", "i", "n", "test"))
    return app.state_table("t", state_type=int, sources=["in"], help="x")


def test_a_source_partition_without_its_changelog_is_found(table: StateTable[Any]) -> None:
    changelog = table.changelog_topic_name
    assert table.without_changelog({TP("in", 0), TP(changelog, 0), TP("other", 1)}) == []
    assert table.without_changelog({TP("in", 0), TP("in", 1), TP(changelog, 0)}) == [TP("in", 1)]


async def test_a_worker_that_is_given_one_ends_before_it_makes_a_state_of_its_own(
    table: StateTable[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons: list[BaseException] = []

    async def crash(reason: BaseException) -> None:
        reasons.append(reason)
        raise reason

    monkeypatch.setattr(table.app, "crash", crash)
    with pytest.raises(Fenced, match="assigned without the changelog of table t"):
        await table.on_rebalance({TP("in", 0)}, set(), set(), 1)
    assert len(reasons) == 1
