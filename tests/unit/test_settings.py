"""A wrong setting is refused with a line that names the variable."""

from collections.abc import Callable

import pytest

from bridge_app.errors import SettingsError
from bridge_app.settings import Settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POSTGRES_PORT", "abc"),
        ("POSTGRES_PORT", "0"),
        ("BRIDGE_WEB_PORT", "7_000"),
        ("BRIDGE_WEB_PORT", "65536"),
        ("KAFKA_TIMEOUT_SECONDS", "inf"),
        ("KAFKA_TIMEOUT_SECONDS", "nan"),
        ("KAFKA_TIMEOUT_SECONDS", "0"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka://localhost:9092"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost"),
        ("KAFKA_BOOTSTRAP_SERVERS", ","),
        ("KAFKA_TOPIC_PREFIX", "a b"),
        ("LOG_LEVEL", "loud"),
        ("CONSUL_ENABLED", "perhaps"),
        ("BRIDGE_WEB_HOST", "0.0.0.0"),
        ("BRIDGE_ADVERTISED_URL", "notaurl"),
        ("BRIDGE_INSTANCE_ID", "a\nb"),
        ("ENVIRONMENT", "e" * 101),
    ],
)
def test_conventions_17_a_wrong_setting_is_named(
    make_settings: Callable[..., Settings], variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}=") as refused:
        make_settings(**{variable: value})
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_an_empty_variable_counts_as_not_set(make_settings: Callable[..., Settings]) -> None:
    assert make_settings(POSTGRES_PORT="", ENVIRONMENT=" ") == make_settings()


def test_names_on_the_broker_carry_the_prefix(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(KAFKA_TOPIC_PREFIX="t1.")
    assert settings.topic("hooks.service_lifecycle") == "t1.hooks.service_lifecycle"
    assert (settings.app_id, settings.adapter_group) == ("t1.omninode-bridge", "t1.database-adapter-effect-group")
