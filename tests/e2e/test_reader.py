# SPDX-License-Identifier: BSD-3-Clause
"""What a reader tells and carries, through real pcscd: attributes, control codes, and commands of every size."""

import re
import struct

import pytest
from smartcard import scard

from programs import SOURCE, run
from rig import Rig
from tables import prefixed, rows

FEATURES, PROPERTIES = 0x42000000 + 3400, 0x42330012
UNSUPPORTED = ["SCARD_E_UNSUPPORTED_FEATURE", ""]
ATRS = {"0": "3B 00", "1": "3B 80 01 81"}
CONNECTIONS = {"0": 1, "1": 2, "raw": 4}
DIRECT, SHARED = scard.SCARD_SHARE_DIRECT, scard.SCARD_SHARE_SHARED
OF_PCSCD = {"DEVICE_FRIENDLY_NAME", "DEVICE_FRIENDLY_NAME_A", "DEVICE_SYSTEM_NAME", "DEVICE_SYSTEM_NAME_A"}
ATTRIBUTES = {name.removeprefix("SCARD_ATTR_") for name in dir(scard) if name.startswith("SCARD_ATTR_")} - OF_PCSCD
PAGE = (SOURCE / "simulator/cli/man/cardrig-reader.5").read_text()


def number(value):
    return struct.pack("=I", value).hex()


def text(value):
    return value.encode().hex() + "00"


def properties(client):
    code, output = client.control(PROPERTIES)
    assert code == "ok"
    found, output = {}, bytes.fromhex(output)
    while output:
        tag, length = output[:2]
        assert tag not in found and len(output) >= 2 + length
        found[tag], output = output[2:2 + length], output[2 + length:]
    return found


@pytest.fixture
def script(temporary):
    """Writes a card: to 80 it gives an answer, to 00 00 how often it has done so."""
    path = temporary / "card.lua"
    yield lambda atr, answer="cmd.data": path.write_text(
        f'local count = 0 return {{ atr = "{atr}", commands = {{ '
        f'{{ "80", function(cmd) count = count + 1 return {answer}, 0x9000 end }}, '
        '{ "00 00", function(cmd) return string.char(count), 0x9000 end } } }') and path
    path.unlink(missing_ok=True)


def test_the_manual_names_every_attribute_that_there_is(script):
    found = set()
    for atr in ATRS.values():
        with Rig("--reader", "r,serial=1", "--card", script(atr)) as rig, rig.client() as client:
            client.establish()
            client.connect()
            found |= {name for name in ATTRIBUTES if client.attribute(name) != UNSUPPORTED}
    named = {name for line in re.findall(r"^\.It Dv (.*)$", PAGE, re.MULTILINE) for name in line.split(" , ")}
    assert found == named


def test_one_that_looks_like_a_product(script):
    reader = "Model 17,vendor=Fine Readers,type=M17,version=2.5.700,serial=0042,attribute=0x7FFF0001:07000000,attribute=0x30122:"
    with Rig("--reader", reader, "--reader", "plain", "--card", script("3B 00")) as rig, rig.client() as client:
        client.establish()
        assert client.connect() == ["ok", 1]
        assert client.attribute("VENDOR_NAME") == ["ok", text("Fine Readers")]
        assert client.attribute("VENDOR_IFD_TYPE") == ["ok", text("M17")]
        assert client.attribute("VENDOR_IFD_SERIAL_NO") == ["ok", text("0042")]
        assert client.attribute("VENDOR_IFD_VERSION") == ["ok", number(0x020502BC)]
        assert client.attribute("DEVICE_UNIT") == ["ok", number(7)]
        assert client.attribute("MAX_CLK") == UNSUPPORTED
        assert client.attribute("DEFAULT_CLK") == ["ok", number(4000)]
        assert client.attribute("DEVICE_FRIENDLY_NAME") == ["ok", text("Model 17 00 00")]
        assert client.attribute("DEVICE_SYSTEM_NAME") == ["ok", text("Model 17 00 00")]
        assert properties(client)[8] == b"2.5.700"
    with Rig("--reader", "r,attribute=0x7FFF0003:414200", "--empty") as rig, rig.client() as client:
        client.establish()
        client.connect(0, DIRECT)
        assert client.attribute("DEVICE_FRIENDLY_NAME") == ["ok", "414200"]  # pcscd asks the driver first


def test_attributes_follow_the_card(script):
    with Rig("--card", script("3B 90 96 80 01 87")) as rig, rig.client() as client:
        client.establish()
        client.change()
        assert client.connect(0, DIRECT) == ["ok", 0]
        assert client.attribute("ATR_STRING") == ["ok", "3b9096800187"]
        assert client.attribute("CURRENT_F") == ["ok", number(372)]
        assert client.attribute("CURRENT_PROTOCOL_TYPE") == UNSUPPORTED
        assert client.reconnect("leave", 2) == ["ok", 2]
        assert client.attribute("CURRENT_F") == ["ok", number(512)]
        assert client.attribute("CURRENT_D") == ["ok", number(32)]
        assert client.attribute("CURRENT_PROTOCOL_TYPE") == ["ok", number(2)]
        assert client.attribute("CURRENT_IFSD") == ["ok", number(32)]
        assert client.transmit("80000000") == ["ok", "9000"]
        assert client.attribute("CURRENT_IFSD") == ["ok", number(254)]
        assert client.attribute("CURRENT_W") == UNSUPPORTED
        rig.do("fault", faults=["ifs-change"])
        assert client.transmit("80000000") == ["ok", "9000"]
        assert client.attribute("CURRENT_IFSC") == ["ok", number(16)]
        assert client.reconnect("warm", 1) == ["ok", 1]
        assert client.attribute("CURRENT_PROTOCOL_TYPE") == ["ok", number(1)]
        assert client.attribute("CURRENT_W") == ["ok", number(10)]
        assert client.attribute("CURRENT_IFSC") == UNSUPPORTED
        assert client.disconnect("cold") == ["ok"]
        assert client.connect(0, DIRECT)[0] == "ok"
        assert client.attribute("ICC_PRESENCE") == ["ok", "02"]
        assert client.attribute("ICC_INTERFACE_STATUS") == ["ok", "00"]
        assert client.attribute("ATR_STRING") == UNSUPPORTED


def test_a_reader_without_a_card():
    with Rig("--empty") as rig, rig.client() as client:
        client.establish()
        assert client.connect(0, DIRECT) == ["ok", 0]
        assert client.attribute("VENDOR_NAME") == ["ok", text("cardrig")]
        assert client.attribute("ICC_PRESENCE") == ["ok", "00"]
        assert client.attribute("ATR_STRING") == UNSUPPORTED
        assert client.control(FEATURES) == ["ok", "120442330012"]
        assert properties(client)[10] == struct.pack("<I", 65536)
        assert client.disconnect() == ["ok"]
        assert client.connect_directly() == ["ok", 4]
        assert client.control(FEATURES)[0] == "ok"
        assert client.transmit("80000000")[0] == "SCARD_E_NOT_TRANSACTED"


def test_buffers_for_attributes(rig):
    with rig.client() as client:
        client.establish()
        client.connect()
        value = text("cardrig")
        for size in (8, 9, 264, "allocate"):
            assert client.attribute_into("VENDOR_NAME", size) == ["ok", 8, value]
        assert client.attribute_into("VENDOR_NAME", None) == ["ok", 8, ""]
        for size in (1, 7):
            assert client.attribute_into("VENDOR_NAME", size) == ["SCARD_E_INSUFFICIENT_BUFFER", 8, ""]
        assert client.attribute_into("VENDOR_NAME", 265)[0] == "SCARD_E_INSUFFICIENT_BUFFER"  # more than the library takes
        assert client.attribute_into("DEVICE_UNIT", 4)[0] == "SCARD_E_UNSUPPORTED_FEATURE"
        assert client.attribute_into("DEVICE_UNIT", None)[0] == "SCARD_E_UNSUPPORTED_FEATURE"


def test_the_longest_attribute():
    value = bytes(i & 255 for i in range(264)).hex()
    with Rig("--reader", f"r,attribute=0x7A000:{value}") as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.attribute(0x7A000) == ["ok", value]
        assert client.attribute_into(0x7A000, 263) == ["SCARD_E_INSUFFICIENT_BUFFER", 264, ""]


def test_control_codes(rig):
    with rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(FEATURES) == ["ok", "120442330012"]
        assert client.control(FEATURES, "00" * 300) == ["ok", "120442330012"]
        found = properties(client)
        assert list(found) == [1, 8, 9, 10, 11, 12]
        assert (found[1], found[9], found[11], found[12]) == (b"\0\0", b"\0", b"\x09\x12", b"\x01\x00")
        for code in (0, 1, 3400, 0x42000001, 0x00313520, 0x4233000A, 0x42330013):
            assert client.control(code) == UNSUPPORTED
        assert client.control_into(0xFFFFFFFF, 100) == ["SCARD_E_UNSUPPORTED_FEATURE", 0]  # pyscard takes a C long
        assert client.control(0x42000001, "AA" * 65544) == UNSUPPORTED
        length = sum(2 + len(value) for value in found.values())
        for size in (0, 1, length - 1):
            assert client.control_into(PROPERTIES, size) == ["SCARD_E_INSUFFICIENT_BUFFER", length]
        assert client.control_into(PROPERTIES, length) == ["ok", length]
        assert client.control_into(1, 100) == ["SCARD_E_UNSUPPORTED_FEATURE", 0]


def command(nc, ne):
    """80 10, in the shortest coding."""
    extended = nc > 255 or ne > 256
    width = 2 if extended else 1
    lc = (b"\0" if extended else b"") + nc.to_bytes(width, "big") if nc else b""
    le = (b"\0" if extended and not nc else b"") + (ne % (65536 if extended else 256)).to_bytes(width, "big") if ne else b""
    return (bytes.fromhex("80100000") + lc + b"\x5A" * nc + le).hex()


SIZES = rows("simulator/ifd/protocols.md", "level")


@pytest.mark.parametrize("row", SIZES, ids=[" ".join(row[:6]) for row in SIZES])
def test_sizes(script, row):
    level, protocol, nc, ne, answer, size, reports, length = row
    card = script(ATRS[protocol[-1]], f'string.rep("x", {answer})' if answer.isdigit() else '""')
    with Rig("--reader", f"r,level={level}", "--card", card) as rig, rig.client() as client:
        client.establish()
        wanted = CONNECTIONS[protocol.split()[0]]
        assert client.connect(wanted) == ["ok", wanted]
        if not answer.isdigit():
            rig.do("fault", faults=[answer])
        code, said, value = client.transmit_into(command(int(nc), int(ne)), int(size))
        assert code == prefixed(reports)
        assert said == (0 if length == "-" else int(length))
        if code == "ok" and answer.isdigit():
            assert bytes.fromhex(value) == b"x" * int(answer) + b"\x90\x00"
        if protocol[-1] == "1" or answer.isdigit():  # an answer that breaks off ends T=0
            assert client.transmit("0000000001") == ["ok", "009000" if length == "-" else "019000"]


@pytest.mark.parametrize("level", ["apdu", "tpdu"])
@pytest.mark.parametrize("protocol", ["0", "1"])
def test_the_largest_apdu_is_what_the_properties_say(script, level, protocol):
    with Rig("--reader", f"r,level={level}", "--card", script(ATRS[protocol], 'string.rep("x", cmd.ne)')) as rig, \
            rig.client() as client:
        client.establish()
        assert client.connect()[0] == "ok"
        largest, = struct.unpack("<I", properties(client)[10])
        longest, = struct.unpack("=I", bytes.fromhex(client.attribute("MAXINPUT")[1]))
        assert (largest, longest) == ((0, 260) if (level, protocol) == ("tpdu", "0") else (65536, 65544))
        if largest:
            both = command(65535, 65536)
            assert len(both) == 2 * longest
            assert client.transmit(both) == ["ok", "78" * largest + "9000"]
        else:
            assert client.transmit(command(0, 256)) == ["ok", "78" * 256 + "9000"]
            assert len(command(255, 0)) == 2 * longest
            assert client.transmit(command(255, 0))[0] == "ok"
            assert client.transmit(command(0, 257))[0] == "SCARD_E_NOT_TRANSACTED"
            assert client.transmit(command(255, 256))[0] == "ok"  # its Le does not count
        assert client.transmit(both + "00" if largest else command(255, 0) + "0000")[0] == "SCARD_E_NOT_TRANSACTED"


def test_raw_keeps_others_out_until_a_reset(script):
    """pcscd takes raw for the card's protocol: nobody else can connect with T=0 or T=1 until it forgets."""
    with Rig("--card", script("3B 80 80 01 01")) as rig, rig.client() as client, rig.client() as other:
        for one in (client, other):
            one.establish()
        assert client.connect(4) == ["ok", 4]
        assert client.transmit("80100000") == ["ok", "9000"]
        assert rig.card()["protocol"] == "T=0" and rig.card()["pps"] == 0
        assert other.connect()[0] == "SCARD_E_PROTO_MISMATCH"
        assert other.connect(4) == ["ok", 4]
        assert other.reconnect("warm") == ["ok", 2]
        assert rig.card()["protocol"] == "T=1" and rig.card()["pps"] == 1
        assert other.transmit("80100000") == ["ok", "9000"]


@pytest.mark.parametrize("protocol", ["0", "1"])
def test_direct_mode(script, protocol):
    with Rig("--card", script(ATRS[protocol], 'string.rep("x", cmd.ne)')) as rig, rig.client() as client:
        client.establish()
        client.change()
        assert client.connect_directly() == ["ok", 4]
        assert client.transmit(command(65535, 65536)) == ["ok", "78" * 65536 + "9000"]
        assert client.disconnect("cold") == ["ok"]
        assert client.connect_directly() == ["ok", 4]
        assert client.transmit("80100000")[0] == "SCARD_E_NOT_TRANSACTED"  # it has no power, and nothing gives it any
        assert client.reconnect("cold", 1 << int(protocol)) == ["ok", 1 << int(protocol)]
        assert client.transmit("80100000") == ["ok", "9000"]


def test_options_that_make_no_sense():
    for options, expected in (("vendor=" + "x" * 64, "expected vendor=TEXT, of at most 63 bytes"),
                              ("version=1", "expected version=MAJOR.MINOR.BUILD"),
                              ("attribute=1:0", "expected attribute=TAG:HEX"), ("vendor=a,b", "expected one of")):
        done = run("run", "--reader", f"r,{options}", "--", "true")
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1 and expected in done.stderr
