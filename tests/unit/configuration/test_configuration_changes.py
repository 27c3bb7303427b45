"""Which source counts, what another reading changes, and what is published of it (configuration §3, §5)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge_app import ids
from bridge_app.domain.configuration import events
from bridge_app.domain.configuration.changes import Change, changes, first_changes, rejections
from bridge_app.domain.configuration.keys import BY_DOTTED
from bridge_app.domain.configuration.notes import Author, author_of, note_path, write_note
from bridge_app.domain.configuration.precedence import Trees, effective, overrides, ranked
from bridge_app.domain.configuration.tree import Entry, Tree, lost_all, read_tree
from tests.unit.configuration.consul_kv import ENVIRONMENT, IDENTITY, SHARED, base, read, unread

TTL = BY_DOTTED["tool-capture-proxy.cache_ttl"]
OWN, COMMON = f"{ENVIRONMENT}tool-capture-proxy/cache_ttl", f"{SHARED}tool-capture-proxy/cache_ttl"
AUTHOR = Author("shop", "slow", "c-1", "4bf92f3577b34da6a3ce929d0e0e4736", 1_705_314_600_500_000)


def held(
    own: tuple[str, int] | None = None, common: tuple[str, int] | None = None, before: Trees | None = None
) -> Trees:
    """Return the trees after a reading with these values of `cache_ttl`."""
    known = before or unread()

    def tree(which: Tree, value: tuple[str, int] | None) -> Tree:
        return read(which, tool_capture_proxy__cache_ttl=value) if value else read(which)

    return Trees(tree(known.environment, own), tree(known.shared, common))


def only(found: Any) -> Any:
    (one,) = found
    return one


def test_configuration_3_the_first_source_that_has_a_value_counts() -> None:
    environ = base(PROXY_CACHE_TTL_SECONDS="30")
    assert effective(TTL, held(("10", 5), ("20", 6)), environ) == (10, "consul", OWN, 5)
    assert effective(TTL, held(None, ("20", 6)), environ) == (20, "consul_shared", COMMON, 6)
    assert effective(TTL, unread(), environ) == (30, "env", None, None)
    assert effective(TTL, unread(), base()) == (300, "default", None, None)
    assert effective(TTL, held(("", 5), (" ", 6)), base()) == (300, "default", None, None)
    assert overrides(held(("10", 5)), environ) == {"proxy_cache_ttl_seconds": 10}


@given(*[st.none() | st.integers(1, 7200)] * 3)
def test_the_ranks_are_in_order_whatever_has_a_value(own: int | None, common: int | None, env: int | None) -> None:
    trees = held((str(own), 1) if own else None, (str(common), 2) if common else None)
    environ = base(**({} if env is None else {"PROXY_CACHE_TTL_SECONDS": str(env)}))
    expected = [("consul", own), ("consul_shared", common), ("env" if env else "default", env or 300)]
    assert [(one.source, one.value) for one in ranked(TTL, trees, environ)] == [one for one in expected if one[1]]


def test_configuration_5_a_bad_value_leaves_the_one_in_force() -> None:
    before = held(("120", 5))
    for raw in ("abc", "0", "99999"):
        after = held((raw, 6), before=before)
        assert effective(TTL, after, base()) == (120, "consul", OWN, 5)
        assert list(changes(before, after, base())) == []
        found = only(rejections(before, after, base()))
        assert (found.path, found.rejected.raw, found.rejected.modify_index) == (OWN, raw.encode(), 6)
        assert list(rejections(after, after, base())) == []
        good = held(("60", 7), before=after)
        change = only(changes(after, good, base()))
        assert (change.previous.value, change.new.value, good.environment.rejected) == (120, 60, {})
    assert effective(TTL, held(("abc", 6)), base()).source == "default"


def test_a_change_names_the_path_that_was_changed() -> None:
    before, environ = held(("300", 4)), base(PROXY_CACHE_TTL_SECONDS="30")
    change = only(changes(before, held(("120", 5), before=before), environ))
    assert (change.path, change.modify_index, change.is_deletion) == (OWN, 5, False)
    assert (change.previous.value, change.new.value) == (300, 120)
    deletion = only(changes(before, held(before=before), environ))
    assert (deletion.path, deletion.modify_index, deletion.is_deletion, deletion.new.value) == (OWN, 4, True, 30)
    revealed = only(changes(held(("300", 4), ("20", 3)), held(None, ("20", 3)), environ))
    assert (revealed.path, revealed.new.value, revealed.new.source) == (OWN, 20, "consul_shared")


def test_what_leaves_the_value_as_it_was_changes_nothing() -> None:
    before = held(("120", 5))
    assert list(changes(before, held(('"120"', 6), before=before), base())) == []
    assert list(changes(before, held(("120", 5), ("20", 6), before=before), base())) == []
    assert list(changes(unread(), held(("300", 5)), base())) == []


def test_a_bad_value_that_is_deleted_brings_the_next_source_under_its_own_index() -> None:
    before = held(("120", 5))
    bad = held(("abc", 6), before=before)
    deletion = only(changes(bad, held(before=bad), base()))
    assert (deletion.modify_index, deletion.is_deletion, deletion.new.value) == (6, True, 300)


def test_what_is_found_at_first_is_told_if_it_differs_from_the_next_source() -> None:
    def told(own: tuple[str, int] | None, common: tuple[str, int] | None) -> list[tuple[Any, ...]]:
        found = first_changes(held(own, common), base())
        return [(one.path, one.modify_index, one.previous.value, one.new.value) for one in found]

    assert told(("120", 5), None) == [(OWN, 5, 300, 120)]
    assert told(("120", 5), ("20", 6)) == [(OWN, 5, 20, 120)]
    assert told(("120", 5), ("120", 6)) == [(COMMON, 6, 300, 120)]
    assert told(("300", 5), None) == told(None, None) == []


def test_an_answer_without_any_key_is_not_believed_at_once() -> None:
    tree = held(("120", 5)).environment
    assert lost_all(tree, {})
    assert lost_all(tree, {f"{ENVIRONMENT}.changes/x/y": Entry(b"{}", 6), OWN: Entry(b"", 7)})
    assert not lost_all(tree, {f"{ENVIRONMENT}hook-receiver/workers": Entry(b"2", 7)})
    assert not lost_all(unread().environment, {})


def test_configuration_7_what_nobody_reads_is_unknown() -> None:
    paths = ("tool-capture-proxy/nope", "kafka/sasl_password", "workers", ".changes/tool-capture-proxy/cache_ttl",
             "hook-receiver/", "", "hook-receiver/workers")  # fmt: skip
    tree = read_tree(unread().environment, {ENVIRONMENT + path: Entry(b"1", 1) for path in paths})
    assert list(tree.unknown()) == [
        ENVIRONMENT + path for path in ("kafka/sasl_password", "tool-capture-proxy/nope", "workers")
    ]


def change_of(own: tuple[str, int] | None, before: Trees, note: bytes | None = None, index: int = 0) -> Change:
    entries = {OWN: Entry(own[0].encode(), own[1])} if own else {}
    if note is not None:
        entries[note_path(before.environment, TTL)] = Entry(note, index)
    after = before._replace(environment=read_tree(before.environment, entries))
    found: Change = only(changes(before, after, base()))
    return found


def test_an_event_has_the_form_of_the_specification() -> None:
    event = events.updated(change_of(("120", 8), held(("240", 5))), IDENTITY, 7)
    assert event.event_id == ids.name_based("config", OWN, 8, "configuration.updated")
    assert (event.event_type, event.partition_key, event.time_us) == (
        "configuration.updated", "tool-capture-proxy/cache_ttl", 7
    )  # fmt: skip
    assert event.payload == {
        "change_info": {
            "configuration_key": "tool-capture-proxy.cache_ttl",
            "configuration_path": OWN,
            "previous_value": 240,
            "new_value": 120,
            "modify_index": 8,
            "change_source": "consul_kv",
            "changed_by": None,
            "change_reason": None,
        },
        "change_impact": {"services": ["tool-capture-proxy"], "restart_required": False, "effect": TTL.effect},
        "rollback_info": {"previous_value": 240, "path": OWN, "delete": False},
    }
    assert (
        events.updated(change_of(("90", 9), held(("120", 8))), IDENTITY, 7).payload["rollback_info"]["delete"] is False
    )


def test_the_event_of_a_deletion_has_an_id_of_the_deleted_value() -> None:
    event = events.updated(change_of(None, held(("120", 8))), IDENTITY, 7)
    assert event.event_id == ids.name_based("config", OWN, 8, "deleted")
    assert event.payload["rollback_info"] == {"previous_value": 120, "path": OWN, "delete": False}


def test_a_change_over_http_is_told_from_the_note_beside_it() -> None:
    before = held(("240", 5))
    event = events.updated(change_of(("120", 8), before, write_note(AUTHOR, None), 8), IDENTITY, 7)
    info = event.payload["change_info"]
    assert (info["change_source"], info["changed_by"], info["change_reason"]) == ("admin_api", "shop", "slow")
    assert (event.correlation_id, event.trace_id, event.time_us) == (AUTHOR[2], AUTHOR[3], AUTHOR[4])
    gone = events.updated(change_of(None, before, write_note(AUTHOR, 5), 9), IDENTITY, 7)
    assert gone.payload["change_info"]["change_source"] == "admin_api"


def test_a_note_of_another_change_or_of_somebody_else_says_nothing() -> None:
    before = held(("240", 5))
    for note, index in ((write_note(AUTHOR, None), 7), (b"{", 8), (b'{"changed_by": "x"}', 8), (b"\xff", 8),
                        (write_note(AUTHOR._replace(correlation_id=""), None), 8),
                        (write_note(AUTHOR._replace(trace_id="0"), None), 8)):  # fmt: skip
        assert change_of(("120", 8), before, note, index).author is None
    assert change_of(None, before, write_note(AUTHOR, 4), 9).author is None
    assert author_of(before.environment, TTL, 5, is_deletion=False) is None


def test_the_event_of_a_rejected_value_says_what_stays() -> None:
    before = held(("120", 5))
    found = only(rejections(before, held(("postgres://me:pw@db/\0" + "x" * 1000, 9), before=before), base()))
    event = events.rejected(found, IDENTITY, 7)
    assert event.event_id == ids.name_based("config", OWN, 9, "configuration.rejected")
    value = event.payload["rejected_value"]
    assert value.startswith("postgres://***@db/\ufffdx")
    assert len(value) == 201
    assert (event.payload["in_force"], event.payload["change_info"]["new_value"]) == (120, 120)
    assert event.payload["reason"] == "Expected a number of at least 1 and at most 7200"
