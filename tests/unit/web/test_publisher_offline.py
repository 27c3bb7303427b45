"""The publisher while Kafka is away."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge_app.settings import Settings
from tests.lab.publishing import publishing
from tests.unit.events.examples import new_event
