"""The agents' dead-letter limit (hooks §10): per agent and topic, judged per record from the 21st on."""

from bridge_app.runtime.guard import Guard


def test_a_topic_stops_above_its_share_and_names_agent_and_error() -> None:
    guard = Guard(lambda: 0.5)
    for _ in range(10):
        guard.good("a", "t")
    assert not any(guard.bad("a", "t", "no") for _ in range(10))
    assert guard.bad("a", "t", "no JSON")
    assert guard.problems() == ["a stopped topic t: no JSON"]


def test_agents_and_topics_are_judged_apart() -> None:
    guard = Guard(lambda: 0.5)
    for agent, topic in (("a", "t"), ("b", "t"), ("a", "u")):
        assert not any(guard.bad(agent, topic, "no") for _ in range(20))
    assert guard.bad("a", "t", "no")
    assert set(guard.stopped) == {"t"}


def test_a_resumed_topic_is_counted_anew() -> None:
    guard = Guard(lambda: 0.5)
    assert not guard.resume("t")
    assert [guard.bad("a", "t", "no") for _ in range(21)].index(True) == 20
    assert guard.resume("t")
    assert not guard.bad("a", "t", "no")
    assert guard.problems() == []


def test_the_first_bad_records_of_a_resumed_topic_are_not_judged() -> None:
    guard = Guard(lambda: 0.5)
    assert [guard.bad("a", "t", "no") for _ in range(21)].index(True) == 20
    assert guard.resume("t", 100)
    assert not any(guard.bad("a", "t", "no") for _ in range(100))
    assert guard.bad("a", "t", "no")
    assert guard.resume("t")
    assert [guard.bad("a", "t", "no") for _ in range(21)].index(True) == 20


def test_configuration_1_another_share_counts_from_the_next_dead_letter_on() -> None:
    shares = [0.5]
    guard = Guard(lambda: shares[0])
    guard.good("a", "t", 60)
    assert not any(guard.bad("a", "t", "no") for _ in range(20))
    shares[0] = 0.2
    assert guard.bad("a", "t", "no")


def test_without_dead_letters_the_first_bad_record_stops_its_topic() -> None:
    assert Guard(lambda: None).bad("a", "t", "no")


def test_records_that_another_group_dead_letters_stop_nothing_and_are_among_the_last() -> None:
    guard = Guard(lambda: 0.5)
    assert not any(guard.left("a", "t", "no JSON") for _ in range(200))
    assert not any(guard.bad("a", "t", "no") for _ in range(50))
    assert guard.bad("a", "t", "no")


def test_without_dead_letters_a_record_that_would_be_one_elsewhere_stops_its_topic_too() -> None:
    assert Guard(lambda: None).left("a", "t", "no JSON")


def test_many_good_records_at_once_count_as_one_after_the_other() -> None:
    at_once, one_by_one = Guard(lambda: 0.5), Guard(lambda: 0.5)
    for count in (3, 40, 250):
        at_once.good("a", "t", count)
        for _ in range(count):
            one_by_one.good("a", "t")
        for _ in range(30):
            assert at_once.bad("a", "t", "no") == one_by_one.bad("a", "t", "no")
