"""A worker has its data folder for itself."""

from pathlib import Path

import pytest

from bridge_app.errors import SettingsError
from bridge_app.runtime.folder import claim


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "on the way"
    owner = claim(folder)
    with pytest.raises(SettingsError, match=r"BRIDGE_DATA_DIR=.*another worker"):
        claim(folder)
    owner.close()
    claim(folder).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"BRIDGE_DATA_DIR=.*file"):
        claim(tmp_path / "file")
