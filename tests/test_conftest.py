"""The shared fixtures do what they promise: tried on made-up tests in a process of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")


def run(folder, body, **environment):
    """Run one made-up test file under our conftest; give its closing lines."""
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    global_state(reason): x\n")
    (folder / "test_made_up.py").write_text(body)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SKHEP", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", "-q", "-rsf", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_missing_data_skip_or_fail(tmp_path):
    body = "def test_it(data_file):\n    data_file('there.csv')\n    data_file('no/such.csv')\n"
    (tmp_path / "there.csv").touch()
    code, text = run(tmp_path, body, SKHEP_ANOMALY_DATA=str(tmp_path))
    assert code == 0
    assert "no/such.csv is not in the data folder" in text
    code, text = run(
        tmp_path, body, SKHEP_ANOMALY_DATA=str(tmp_path), SKHEP_ANOMALY_REQUIRE_DATA="1"
    )
    assert code == 1
    assert "no/such.csv is not in the data folder" in text


@pytest.mark.parametrize(
    "line, told",
    [
        ("import numpy; numpy.random.rand()", "numpy's global random stream"),
        ("import torch; torch.set_default_dtype(torch.float64)", "torch default dtype"),
    ],
)
def test_trace_is_told(tmp_path, line, told):
    body = f"import torch\nimport pytest\ndef test_it():\n    {line}\n"
    code, text = run(tmp_path, body)
    assert code == 1
    assert f"the test changed {told}" in text
    marked = body.replace("def test", "@pytest.mark.global_state(reason='x')\ndef test")
    assert run(tmp_path, marked)[0] == 0
