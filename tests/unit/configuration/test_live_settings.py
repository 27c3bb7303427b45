"""The settings in force."""

from collections.abc import Callable

from bridge_app.domain.configuration.live import LiveSettings
from bridge_app.settings import Settings


def test_what_is_overridden_is_in_force_until_it_is_not(make_settings: Callable[..., Settings]) -> None:
    live = LiveSettings(make_settings(HOOK_WORKERS=3))
    heard: list[int] = []
    live.on_change(lambda settings: heard.append(settings.hook_workers))
    live.override({"hook_workers": 2})
    live.override({"hook_workers": 2})
    assert (live.now.hook_workers, live.now.kafka_topic_partitions) == (2, 8)
    live.override({})
    assert (live.now.hook_workers, heard) == (3, [2, 3])


def test_the_share_of_dead_letters_is_none_when_there_must_be_none(make_settings: Callable[..., Settings]) -> None:
    assert LiveSettings(make_settings(KAFKA_ENABLE_DLQ="false")).max_share() is None
    live = LiveSettings(make_settings())
    live.override({"kafka_dlq_max_share": 0.25})
    assert live.max_share() == 0.25
