# SPDX-License-Identifier: BSD-3-Clause
"""Bug reports about feature lists, control codes and PIN pads, each set up by a script of fixtures/readers, and what programs
do with it. docs/READERS.md has the table of the reports."""

import json

import pytest

from home import home_with
from programs import PYTHON, SOURCE
from rig import Rig
from tables import rows

READERS = SOURCE / "fixtures/readers"
LOGIN = "pkcs11-tool", "--login", "--test"
VERIFY = 0x42330006
FEATURES = """
import json
from smartcard.System import readers
from smartcard.pcsc.PCSCPart10 import getFeatureRequest, getPinProperties, getTlvProperties
connection = readers()[0].createConnection()
connection.connect()
print(json.dumps([getFeatureRequest(connection), getPinProperties(connection), getTlvProperties(connection)]))
"""


def path(name):
    return READERS / f"{name}.lua"


@pytest.fixture
def home(request, temporary):
    """A home and a rig with the reader, and with the card piv, or the one that the name has behind a slash."""
    name, _, card = request.param.partition("/")
    with home_with(card or "piv", temporary, options=("--reader", path(name))) as home:
        yield home


def with_reader(*names):
    return pytest.mark.parametrize("home", names, indirect=True)


def test_every_script_is_in_the_table():
    assert sorted(row[0].split("]")[0].strip("[") for row in rows("docs/READERS.md", "script")) == \
        sorted(file.name for file in READERS.iterdir())


@with_reader("no-list", "empty-list", "short-list")
def test_opensc_survives_wrong_lists(home):
    assert "PIN pad" not in home.do("opensc-tool", "--list-readers")
    assert "No errors" in home.do(*LOGIN, "--pin", "123456")


@with_reader("no-list", "short-list")
def test_pyscard_does_not_survive_them(home):
    done = home.run(PYTHON, "-c", FEATURES)
    assert done.returncode != 0 and ("Feature not supported" in done.stderr or "IndexError" in done.stderr), done


@with_reader("empty-list")
def test_pyscard_with_an_empty_list(home):
    assert json.loads(home.do(PYTHON, "-c", FEATURES))[0] == []


@with_reader("tall-display")
def test_a_display_with_lines_and_characters_exchanged(home):
    _, pin, properties = json.loads(home.do(PYTHON, "-c", FEATURES))
    assert (pin["LcdLayoutX"], pin["LcdLayoutY"]) == (2, 16)
    assert properties["PCSCv2_PART10_PROPERTY_wLcdLayout"] == 0x1002


@with_reader("fixed-length", "keeps-lc/openpgp", "impatient")
def test_logins_that_fail(home):
    if "impatient" not in home.rig.reader:
        home.rig.press("123456 ok")
    done = home.run(*LOGIN)
    assert done.returncode != 0 and "C_Login failed" in done.stderr, done


@with_reader("keeps-lc", "fifteen-digits", "other-codes", "firewall")
def test_logins_that_do_not_fail(home):
    home.rig.press("123456 ok")
    assert "No errors" in home.do(*LOGIN)


@with_reader("firewall")
def test_a_pin_from_the_program_is_refused(home):
    assert "SW1=0x64, SW2=0x04" in home.do("opensc-tool", "-s", "00 20 00 80 08 31 32 33 34 35 36 FF FF")


# the structures of OpenSC issue 1051: what OpenSC sent, and what the maker of the reader sends
SIXTEEN = "1e1e0210001004020000" "00000000001500000000" "20000110" + 16 * "00"
EIGHT = "00008947040804020000" "00000000000d00000000" "20008008" "20ffffffffffffff"


def test_sixteen_digits():
    with Rig("--reader", path("fifteen-digits"), "--card", "piv") as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(VERIFY, SIXTEEN) == ["SCARD_E_NOT_TRANSACTED", ""]
        rig.press("123456 ok")
        assert client.control(VERIFY, EIGHT)[0] == "ok"


def test_features_by_commands():
    with Rig("--reader", path("by-commands"), "--card", "piv") as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(0x42000000 + 3400) == ["ok", ""]
        assert client.transmit("FFC2010000") == ["ok", "0607" "9000"]
        rig.press("123456 ok")
        structure = "1E1E820800080402FF0000000000000D00000000" "20008008" "FFFFFFFFFFFFFFFF"
        assert client.transmit(f"FFC20106{len(structure) // 2:02X}{structure}")[0] == "ok"
