"""A model file for a folder that is not there: the folder is named, not our temporary file."""

from __future__ import annotations

import pytest

from skhep_anomaly._atomic import write_atomically


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such folder to write into") as caught:
        write_atomically(tmp_path / "models" / "ae.skhep", b"x")
    assert caught.value.filename == str((tmp_path / "models").resolve())
    assert len(list(tmp_path.iterdir())) == 0
