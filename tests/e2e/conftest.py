# SPDX-License-Identifier: BSD-3-Clause
"""What pytest does around each end-to-end test: a folder in which nothing may be left, a look for data races."""

import os
import pathlib
import sys
import tempfile

import pytest

SUPPORT = pathlib.Path(__file__).resolve().parents[1] / "support"
sys.path.insert(0, str(SUPPORT))
pytest.register_assert_rewrite(*(path.stem for path in SUPPORT.glob("*.py")))

from managed_rig import WAYS  # noqa: E402
from processes import lead_a_group  # noqa: E402
from rig import Rig  # noqa: E402

lead_a_group()
tempfile.gettempdir()  # which is remembered: pytest's own folders are not to be in a test's TMPDIR


def pytest_addoption(parser):
    parser.addoption("--part", metavar="K/N", help="every Nth case, beginning with the Kth")


def pytest_collection_modifyitems(config, items):
    if config.option.part:
        first, step = map(int, config.option.part.split("/"))
        items[:] = items[first - 1::step]


@pytest.fixture(autouse=True)
def temporary(monkeypatch):
    """A TMPDIR of the test's own, in which no rig may leave anything."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        os.chmod(folder, 0o1777)  # as /tmp
        monkeypatch.setenv("TMPDIR", folder)
        for name in ("CARDRIG_SOCKET", "CARDRIG_RIG", "CARDRIG_READER", "PCSCLITE_CSOCK_NAME", "CARDRIG_DRIVER"):
            monkeypatch.delenv(name, raising=False)
        yield pathlib.Path(folder)
        assert os.listdir(folder) == []


@pytest.fixture(autouse=True)
def no_data_races(monkeypatch):
    """A cardrig built for ThreadSanitizer reports none."""
    with tempfile.TemporaryDirectory(prefix="races", dir="/tmp") as folder:
        os.chmod(folder, 0o1777)
        monkeypatch.setenv("TSAN_OPTIONS", f"log_path={folder}/report")
        yield
        reports = "".join(report.read_text() for report in pathlib.Path(folder).iterdir())
        assert not reports, reports


@pytest.fixture
def rig():
    with Rig() as one:
        yield one
    assert one.process.returncode == 0, one.errors


@pytest.fixture(params=WAYS)
def way(request):
    """How libscardmanage is attached: by reader, by handle."""
    return request.param
