"""The mark of the long variants: not selected by default, minutes each."""

import pytest

LONG = (pytest.mark.chaos_long, pytest.mark.timeout(900))
