# SPDX-License-Identifier: BSD-3-Clause
"""Contactless readers, and cards with an antenna: the commands that the reader answers, storage cards, dual interfaces."""

import itertools

import pytest

from card_state import insert_and_wait, wait_for_state
from programs import CARDS, PYTHON, run
from rig import Rig

FAILED = ["SCARD_E_NOT_TRANSACTED", ""]
ESCAPE = 0x42000001
STORAGE = "3b8f8001804f0ca000000306"  # the beginning of the ATR of a storage card
KEY = "FFFFFFFFFFFF"
PLAIN = 'return { antenna = { uid = "08 01 02 03", ats = "%s" }, commands = { { "00 84", function(cmd) return cmd.raw, 0x9000 end } } }'
DUAL = """return { atr = "3B 80 01 81", antenna = { uid = "08 01 02 03", ats = "02 08" },
  commands = { { "00 84", function(cmd) return cmd.raw, 0x9000 end } } }"""


@pytest.fixture(scope="module")
def reader():
    with Rig("--reader", "contactless", "--empty") as rig:
        yield rig


@pytest.fixture
def tap(reader):
    """Puts a card on the reader, and returns a client that is connected to it."""
    clients = []

    def put(card):
        client = reader.client()
        clients.append(client)
        client.establish()
        if reader.card():
            reader.do("remove")
        wait_for_state(client, "EMPTY")
        insert_and_wait(client, reader, file=str(card))
        assert client.connect()[0] == "ok"
        return client

    yield put
    for client in clients:
        client.__exit__()


def ask(client, *exchanges):
    """Each is a command and its answer."""
    for command, answer in exchanges:
        assert client.transmit(command.replace(" ", "")) == ["ok", answer.replace(" ", "").lower()], command


def authenticate(client, block, key=KEY, letter="A"):
    """Loads the key and authenticates; returns the status word."""
    assert client.transmit("FF82000006" + key) == ["ok", "9000"]
    code, answer = client.transmit(f"FF860000050100{block:02X}{'60' if letter == 'A' else '61'}00")
    assert code == "ok"
    return answer


def atr_of(client):
    return client.status()[-1].replace(":", "").replace(" ", "").lower()


@pytest.mark.parametrize("ats, atr", [
    ("01", "3b80800101"), ("02 08", "3b80800101"), ("05 78 80 70 02", "3b80800101"),
    ("06 75 77 81 02 80", "3b8180018080"), ("14 78 80 70 02 00 31 C0 64 77 E3 03 00 82 90 00 01 02 03 04", None)])
def test_a_card_of_iso_14443_4(tap, temporary, ats, atr):
    path = temporary / "card.lua"
    path.write_text(PLAIN % ats)
    client = tap(path)
    if atr:
        assert atr_of(client) == atr
    else:  # with as many historical bytes as there can be
        assert atr_of(client).startswith("3b8f80010031c06477e303008290000102030 4".replace(" ", ""))
    ask(client, ("FF CA 00 00 00", "08 01 02 03 90 00"), ("FF CA 00 00 04", "08 01 02 03 90 00"),
        ("FF CA 00 00 03", "6C 04"), ("FF CA 00 00 08", "08 01 02 03 62 82"), ("FF CA 01 00 00", ats + "90 00"),
        ("FF CA 02 00 00", "6B 00"), ("FF CA 00 01 00", "6B 00"), ("FF CA 00 00 01 00", "67 00"),
        ("FF B0 00 00 10", "6A 81"), ("FF AA 00 00 00", "6A 81"), ("00 84 00 00 00", "00 84 00 00 00 90 00"),
        ("00 84 00 00", "61 04"), ("00 85 00 00", "6D 00"))
    assert client.disconnect() == ["ok"]
    assert client.connect(1)[0] != "ok"  # no T=0
    assert client.connect(2)[0] == "ok"
    path.unlink()


def test_long_commands(tap, temporary):
    path = temporary / "card.lua"
    path.write_text(PLAIN % "02 08")
    client = tap(path)
    command = "0084000000" + "0800" + "5A" * 0x800 + "0000"
    assert client.transmit(command) == ["ok", command.lower() + "9000"]
    path.unlink()


def test_taps(reader, tap):
    client = tap("mifare")
    assert authenticate(client, 4) == "9000"
    ask(client, ("FF B0 00 04 10", "00" * 16 + "90 00"), ("FF D6 00 04 10" + "A5" * 16, "90 00"))
    assert reader.cardrig("remove").returncode == 0
    wait_for_state(client, "EMPTY")
    assert client.transmit("FFB0000410")[0] == "SCARD_W_REMOVED_CARD"
    client = tap("mifare")  # which has kept what was written, and forgotten the authentication
    ask(client, ("FF B0 00 04 10", "69 82"))
    assert authenticate(client, 4) == "9000"
    ask(client, ("FF B0 00 04 10", "A5" * 16 + "90 00"))
    assert client.reconnect("cold")[0] == "ok"
    ask(client, ("FF B0 00 04 10", "69 82"))


def test_sectors_and_keys(tap):
    client = tap("mifare,uid=C0FFEE02")
    assert atr_of(client).startswith(STORAGE + "030001")
    ask(client, ("FF CA 00 00 00", "C0 FF EE 02 90 00"), ("FF CA 01 00 00", "6A 81"), ("FF B0 00 04 10", "69 82"),
        ("FF 86 00 00 05 01 00 04 60 1F", "69 88"), ("FF 82 00 21 06" + KEY, "69 88"), ("FF 82 00 00 05 0102030405", "69 89"),
        ("FF 82 80 00 06" + KEY, "69 83"), ("FF 82 40 00 06" + KEY, "69 85"), ("FF 82 20 1F 06" + KEY, "90 00"),
        ("FF 86 00 00 05 01 00 04 60 1F", "90 00"), ("FF B0 00 04 10", "00" * 16 + "90 00"), ("FF B0 00 08 10", "69 82"),
        ("FF 86 00 00 05 01 00 04 62 1F", "69 86"), ("FF 86 00 00 05 01 00 40 60 1F", "6A 82"),
        ("FF B0 00 40 10", "6A 82"), ("FF B0 00 04", "67 00"), ("00 B0 00 04 10", "6A 81"), ("FF 88 00 04 60 1F", "90 00"),
        ("FF B0 00 04 04", "00000000 90 00"), ("FF B0 00 04 00", "00" * 16 + "90 00"), ("FF B0 00 04 20", "00" * 32 + "90 00"),
        ("FF D6 00 04 20" + "01" * 16 + "02" * 16, "90 00"), ("FF B0 00 04 30", "01" * 16 + "02" * 16 + "00" * 16 + "90 00"),
        ("FF D6 00 04 04 01020304", "67 00"), ("FF B0 00 07 10", "00" * 6 + "FF078069" + KEY + "90 00"))
    assert authenticate(client, 4, "A0A1A2A3A4A5") == "6300"
    ask(client, ("FF B0 00 04 10", "69 82"))
    assert authenticate(client, 0) == "9000"
    ask(client, ("FF B0 00 00 10", "C0FFEE02 D3 08 04 00" + "00" * 8 + "90 00"), ("FF D6 00 00 10" + "00" * 16, "69 82"))


def test_large_sectors(tap):
    client = tap("mifare,type=4k")
    assert atr_of(client).startswith(STORAGE + "030002")
    assert authenticate(client, 0x80) == "9000"
    ask(client, ("FF B0 00 8E 10", "00" * 16 + "90 00"), ("FF B0 00 8F 10", "00" * 6 + "FF078069" + KEY + "90 00"),
        ("FF B0 00 90 10", "69 82"))
    assert authenticate(client, 0xFF) == "9000"
    # blocks 5 to 9 of this sector are for reading alone
    ask(client, ("FF D6 00 FF 10" + KEY + access_bits(0, 2, 0, 1) + "00" + KEY, "90 00"),
        ("FF D6 00 F4 10" + "11" * 16, "90 00"), ("FF D6 00 FA 10" + "11" * 16, "90 00"), ("FF D6 00 F5 10" + "11" * 16, "69 82"))


def test_value_blocks(tap):
    client = tap("mifare,uid=C0FFEE03")
    assert authenticate(client, 8) == "9000"
    ask(client, ("FF B1 00 08 04", "63 00"), ("FF D7 00 08 05 00 00000064", "90 00"), ("FF B1 00 08 04", "00000064 90 00"),
        ("FF B0 00 08 10", "64000000 9BFFFFFF 64000000 08F708F7 90 00"), ("FF D7 00 08 05 01 00000005", "90 00"),
        ("FF D7 00 08 05 02 00000070", "90 00"), ("FF B1 00 08 00", "FFFFFFF9 90 00"), ("FF D7 00 08 02 03 09", "90 00"),
        ("FF B1 00 09 00", "FFFFFFF9 90 00"), ("FF D7 00 08 05 04 00000000", "6A 80"), ("FF D7 00 08 04 01 000000", "67 00"),
        ("FF D7 00 0A 05 01 00000001", "69 82"), ("FF B0 00 08 10", "69 82"))  # not a value block; the card starts again


def access_bits(*conditions):
    """Bytes 6 to 8 of a trailer, for C1C2C3 of data groups 0 to 2 and of the trailer."""
    c = [sum((value >> shift & 1) << group for group, value in enumerate(conditions)) for shift in (2, 1, 0)]
    return bytes([(c[1] ^ 15) << 4 | c[0] ^ 15, c[0] << 4 | c[2] ^ 15, c[2] << 4 | c[1]]).hex()


# C1C2C3: which keys read, write, increment and decrement a data block (MF1S50yyX, table 7)
DATA = {0: ("AB", "AB", "AB", "AB"), 2: ("AB", "", "", ""), 4: ("AB", "B", "", ""), 6: ("AB", "B", "B", "AB"), 1: ("AB", "", "", "AB"),
        3: ("B", "B", "", ""), 5: ("B", "", "", ""), 7: ("", "", "", "")}
# of the trailer: which keys write key A, read and write the access bits, read and write key B (table 8)
TRAILER = {0: ("A", "A", "", "A", "A"), 2: ("", "A", "", "A", ""), 4: ("B", "AB", "", "", "B"), 6: ("", "AB", "", "", ""),
           1: ("A", "A", "A", "A", "A"), 3: ("B", "AB", "B", "", "B"), 5: ("", "AB", "B", "", ""), 7: ("", "AB", "", "", "")}
A, B = "0A0A0A0A0A0A", "0B0B0B0B0B0B"


def test_access_conditions(tap):
    client = tap("mifare,uid=C0FFEE04")
    for number, (condition, letter) in enumerate(itertools.product(range(8), "AB")):
        block = 4 * (number + 1 if number < 15 else 0) + 1
        assert authenticate(client, block) == "9000"
        ask(client, (f"FF D7 00 {block:02X} 05 00 00000007", "90 00"),
            (f"FF D6 00 {block | 3:02X} 10" + A + access_bits(0, condition, 0, 3) + "00" + B, "90 00"))
        reads, writes, increments, decrements = (letter in keys for keys in DATA[condition])
        value = bytes.fromhex("07000000F8FFFFFF07000000").hex() + f"{block:02x}{block ^ 255:02x}" * 2
        for allowed, command, answer in (
                (reads, f"FF B0 00 {block:02X} 10", value), (increments, f"FF D7 00 {block:02X} 05 01 00000001", ""),
                (decrements, f"FF D7 00 {block:02X} 05 02 00000001", ""), (writes, f"FF D6 00 {block:02X} 10" + "22" * 16, "")):
            assert authenticate(client, block, A if letter == "A" else B, letter) == "9000"
            ask(client, (command, answer + "9000" if allowed else "6982"))


@pytest.mark.parametrize("condition", range(8))
def test_access_conditions_of_the_trailer(tap, condition):
    for letter in "AB":
        client = tap(f"mifare,uid=C0FFEE{condition}{'5' if letter == 'A' else '6'}")
        assert authenticate(client, 7) == "9000"
        bits = access_bits(0, 0, 0, condition)
        ask(client, ("FF D6 00 07 10" + A + bits + "69" + B, "90 00"))
        assert authenticate(client, 7, A if letter == "A" else B, letter) == "9000"
        writes_a, reads_bits, writes_bits, reads_b, writes_b = (letter in keys for keys in TRAILER[condition])
        if letter == "B" and "A" in TRAILER[condition][3]:  # a key B that can be read opens nothing
            ask(client, ("FF B0 00 07 10", "69 82"))
            continue
        shown_b = B if reads_b else "00" * 6
        assert reads_bits
        ask(client, ("FF B0 00 07 10", "00" * 6 + bits + "69" + shown_b + "90 00"))
        new_bits, new = access_bits(0, 0, 0, 3), "0C0C0C0C0C0C"
        ask(client, ("FF D6 00 07 10" + new + new_bits + "70" + new,
                     "90 00" if writes_a or writes_bits or writes_b else "69 82"))
        assert authenticate(client, 7, new, "A") == ("9000" if writes_a else "6300")
        assert authenticate(client, 7, A, "A") == ("6300" if writes_a else "9000")
        code, trailer = client.transmit("FFB0000710")
        if not writes_a and trailer != "6982":
            assert trailer[12:20] == (new_bits + "70" if writes_bits else bits + "69").lower()
        assert authenticate(client, 7, new, "B") == ("9000" if writes_b else "6300")


def test_a_sector_with_wrong_access_bits_is_lost(tap):
    client = tap("mifare,uid=C0FFEE07")
    assert authenticate(client, 4) == "9000"
    ask(client, ("FF D6 00 07 10" + KEY + "00000000" + KEY, "90 00"))
    assert authenticate(client, 4) == "9000"
    ask(client, ("FF B0 00 04 10", "69 82"))
    assert authenticate(client, 7) == "9000"
    ask(client, ("FF D6 00 07 10" + KEY + "FF078069" + KEY, "69 82"))


TYPES = [("213", 45, 0x12, "0F", 40), ("215", 135, 0x3E, "11", 130), ("216", 231, 0x6D, "13", 226)]


@pytest.mark.parametrize("name, pages, size, version, dynamic", TYPES)
def test_ntag(tap, name, pages, size, version, dynamic):
    client = tap(f"ntag,type={name},uid=04112233445566")
    assert atr_of(client).startswith(STORAGE + "030003")
    ask(client, ("FF CA 00 00 00", "04112233445566 90 00"),
        ("FF B0 00 00 10", "041122BF 33445566 4448 0000 E110" + f"{size:02X}00 90 00"),
        ("FF B0 00 04 04", "0300FE00 90 00"), (f"FF B0 00 {pages:02X} 10", "6A 82"),
        ("FF D6 00 04 04 03020102", "90 00"), ("FF D6 00 05 08 0102030405060708", "90 00"),
        ("FF B0 00 04 0C", "030201020102030405060708 90 00"), ("FF D6 00 04 03 010203", "67 00"),
        (f"FF B0 00 {pages - 1:02X} 10", "00000000 041122BF 33445566 44480000 90 00"),  # READ rolls over
        (f"FF B0 00 {pages - 4:02X} 10", "040000FF 00050000 00000000 00000000 90 00"),
        ("FF 00 00 00 03 D4 42 60", "D5 43 00 00 04 04 02 01 00" + version + "03 90 00"),
        ("FF 00 00 00 04 D4 42 30 04", "D5 43 00 03020102 0102030405060708 00000000 90 00"),
        ("FF 00 00 00 05 D4 42 3A 04 05", "D5 43 00 03020102 01020304 90 00"),
        ("FF 00 00 00 05 D4 40 01 30 04", "D5 41 00 03020102 0102030405060708 00000000 90 00"),
        ("FF 00 00 00 09 D4 40 01 A2 04 03000000", "D5 41 00 90 00"), ("FF 00 00 00 04 D4 42 30 FF", "D5 43 01 90 00"),
        ("FF 00 00 00 04 D4 42 39 02", "D5 43 01 90 00"),
        ("FF 00 00 00 04 D4 4A 01 00", "D5 4B 01 01 0044 00 07 04112233445566 90 00"))
    # one-time bits, and locks that block locks
    ask(client, ("FF D6 00 03 04 00000001", "90 00"), ("FF B0 00 03 04", f"E110{size:02X}01 90 00"),
        ("FF D6 00 02 04 FFFF 2000", "90 00"), ("FF D6 00 05 04 00000000", "63 00"), ("FF D6 00 06 04 00000000", "90 00"),
        ("FF D6 00 02 04 0000 0200", "90 00"), ("FF D6 00 02 04 0000 4001", "90 00"), ("FF B0 00 02 04", "4448 2200 90 00"),
        ("FF D6 00 06 04 00000000", "90 00"), ("FF D6 00 08 04 00000000", "90 00"), ("FF D6 00 00 04 00000000", "63 00"))
    ask(client, (f"FF D6 00 {dynamic:02X} 04 01000000", "90 00"), (f"FF B0 00 {dynamic:02X} 04", "010000BD 90 00"),
        ("FF D6 00 10 04 00000000", "63 00"), ("FF D6 00 20 04 00000000", "90 00"),
        (f"FF D6 00 {dynamic:02X} 04 00000100", "90 00"), (f"FF D6 00 {dynamic:02X} 04 02000000", "90 00"),
        (f"FF B0 00 {dynamic:02X} 04", "010001BD 90 00"))


def test_the_password_and_the_counter_of_an_ntag(tap):
    client = tap("ntag,uid=04112233445567")
    ask(client, ("FF D6 00 2B 04 01020304", "90 00"), ("FF D6 00 2C 04 AABB0000", "90 00"), ("FF D6 00 2A 04 9A050000", "90 00"),
        ("FF D6 00 29 04 04000010", "90 00"), ("FF B0 00 10 10", "63 00"), ("FF D6 00 10 04 01010101", "63 00"),
        ("FF 00 00 00 05 D4 42 3A 0F 10", "D5 43 01 90 00"), ("FF 00 00 00 04 D4 42 39 02", "D5 43 01 90 00"),
        ("FF B0 00 0E 10", "00" * 8 + "041122BF 33445567 90 00"),  # READ ends where the password begins
        ("FF 00 00 00 07 D4 42 1B 00000000", "D5 43 01 90 00"), ("FF 00 00 00 07 D4 42 1B 01020304", "D5 43 00 AABB 90 00"),
        ("FF B0 00 10 10", "00" * 16 + "90 00"), ("FF D6 00 10 04 01010101", "90 00"),
        ("FF B0 00 2B 04", "00000000 90 00"), ("FF 00 00 00 04 D4 42 39 02", "D5 43 00 010000 90 00"))
    assert client.reconnect("cold")[0] == "ok"
    for _ in range(2):
        ask(client, ("FF 00 00 00 07 D4 42 1B 00000000", "D5 43 01 90 00"))
    ask(client, ("FF 00 00 00 07 D4 42 1B 01020304", "D5 43 01 90 00"))  # AUTHLIM: no more tries


def test_ultralight(tap):
    client = tap("ntag,type=ultralight")
    ask(client, ("FF B0 00 0F 10", "00000000 04C0FFB3 EE010203 EE48 0000 90 00"),
        ("FF B0 00 10 10", "6A 82"), ("FF 00 00 00 03 D4 42 60", "D5 43 01 90 00"), ("FF D6 00 0F 04 01020304", "90 00"),
        ("FF B0 00 0F 04", "01020304 90 00"), ("FF 82 00 00 06" + KEY, "90 00"), ("FF 86 00 00 05 01 00 04 60 00", "6A 81"),
        ("FF D7 00 04 05 00 00000000", "6A 81"))


def test_felica(tap):
    client = tap("felica,idm=0112233445566778,pmm=100B4B428485D0FF")
    assert atr_of(client).startswith(STORAGE + "11003b")
    ask(client, ("FF CA 00 00 00", "0112233445566778 90 00"), ("FF CA 01 00 08", "100B4B428485D0FF 90 00"),
        ("FF B0 00 00 10", "6A 81"), ("FF 00 00 00 04 D4 4A 01 00", "D5 4B 00 90 00"),
        ("FF 00 00 00 09 D4 4A 01 01 00FFFF0100", "D5 4B 01 01 12 01 0112233445566778 100B4B428485D0FF 90 00"))


def test_the_chip_of_the_reader(tap):
    client = tap("mifare,uid=C0FFEE08")
    ask(client, ("FF 00 48 00 00", b"ACR122U203".hex()), ("FF 00 52 00 00", "90 00"), ("FF 00 41 FF 00", "90 00"), ("FF 00 40 D0 04 05050301", "90 00"),
        ("FF 00 50 00 00", "90 FF"), ("FF 00 51 DF 00", "90 DF"), ("FF 00 50 00 00", "90 DF"), ("FF 00 51 FF 00", "90 FF"),
        ("FF 00 00 00 02 D4 02", "D5 03 32 01 06 07 90 00"), ("FF 00 00 00 06 D4 00 00 616263", "D5 01 00 616263 90 00"),
        ("FF 00 00 00 04 D4 32 01 00", "D5 33 90 00"), ("FF 00 00 00 04 D4 06 63 02", "D5 07 00 90 00"),
        ("FF 00 00 00 02 D4 7F", "63 00"), ("FF 00 00 00 01 D4", "67 00"), ("FF 00 77 00 00", "6B 00"),
        ("FF 00 00 00 04 D4 4A 01 00", "D5 4B 01 01 0004 08 04 C0FFEE08 90 00"),
        ("FF 00 00 00 0F D4 40 01 60 04" + KEY + "C0FFEE08", "D5 41 00 90 00"),
        ("FF 00 00 00 05 D4 40 01 30 04", "D5 41 00" + "00" * 16 + "90 00"),
        ("FF 00 00 00 0F D4 40 01 61 04 000000000000 C0FFEE08", "D5 41 14 90 00"),
        ("FF 00 00 00 05 D4 40 01 30 04", "D5 41 01 90 00"))


def test_escape_without_a_card():
    with Rig("--reader", "contactless", "--empty") as rig, rig.client() as client:
        client.establish()
        assert client.use("contactless 00 00") == ["ok"]
        assert client.connect_directly()[0] == "ok"
        assert client.control(ESCAPE, "FF00480000") == ["ok", b"ACR122U203".hex()]
        assert client.control(ESCAPE, "FF00000002D402") == ["ok", "d503320106079000"]
        assert client.control(ESCAPE, "FF00000004D44A0100") == ["ok", "d54b009000"]
        assert client.control(ESCAPE, "FFCA000000") == ["ok", "6a81"]
        assert client.control(ESCAPE, "01")[0] == "SCARD_E_UNSUPPORTED_FEATURE"
        assert rig.cardrig("insert", "ntag").returncode == 0
        assert client.control(ESCAPE, "FF00000004D44A0100") == ["ok", "d54b01010044000704c0ffee0102039000"]


def test_a_mute_card(reader, tap):
    client = tap("mifare,uid=C0FFEE09")
    reader.do("fault", slot="0", faults=["mute@1:60 04"])
    assert client.transmit("FF82000006" + KEY) == ["ok", "9000"]
    assert client.transmit("FF86000005010004 6000".replace(" ", "")) == FAILED
    assert client.reconnect("cold")[0] == "ok"
    assert authenticate(client, 4) == "9000"
    reader.do("fault", slot="0", faults=["removal@1:30"])
    assert client.transmit("FFB0000410")[0] in ("SCARD_W_REMOVED_CARD", *FAILED)
    wait_for_state(client, "EMPTY")
    assert not reader.card()


def test_keys_are_nowhere(temporary):
    key, trace = "5EC2E7C0DE01", temporary / "trace"
    with Rig("--reader", "contactless", "--card", f"mifare,key={key}", "--trace", trace) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert authenticate(client, 4, key) == "9000"
        assert client.transmit("FFD6000710" + key + "FF078069" + key) == ["ok", "9000"]
        status = rig.cardrig("status").stdout
    text = trace.read_text()
    assert "frame 60 04 (12 bytes)" in text
    for shown in (status, text, rig.errors):
        assert key.lower() not in shown.lower().replace(" ", "")
    trace.unlink()


def test_cards_in_the_wrong_reader(reader, temporary):
    if reader.card():
        assert reader.cardrig("remove").returncode == 0
    done = reader.cardrig("insert", "piv")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "slot contactless/0 has an antenna, and the card 'piv' has only contacts" in done.stderr
    done = reader.cardrig("insert", "relay=any")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "slot contactless/0 has an antenna, and a relay's card has contacts" in done.stderr
    done = run("run", "--card", "ndef", "--", "true")
    assert done.returncode == 125
    assert done.stderr.splitlines()[0] == ("cardrig: slot cardrig/0 has contacts, and the card 'ndef' has only an antenna: "
                                           "it needs a reader like --reader contactless")


def test_both_interfaces(temporary):
    path = temporary / "card.lua"
    path.write_text(DUAL)
    with Rig("--reader", "dual", "--card", path, "--card", path) as rig, rig.client() as client:
        client.establish()
        assert client.readers() == ["ok", ["dual 00 00", "dual 00 01"]]
        for name, atr, uid in (("dual 00 00", "3b800181", "6d00"), ("dual 00 01", "3b80800101", "080102039000")):
            assert client.use(name) == ["ok"]
            assert client.connect()[0] == "ok"
            assert atr_of(client) == atr
            ask(client, ("FF CA 00 00 00", uid), ("00 84 00 00 00", "00 84 00 00 00 90 00"))
        assert rig.cardrig("swap", "dual/1", CARDS / "t1-only.lua").returncode == 1
        assert rig.cardrig("swap", "dual/0", "ndef").returncode == 1
    path.unlink()


READ_NDEF = """
from smartcard.System import readers
connection = readers()[0].createConnection()
connection.connect()
def ask(text):
    data, sw1, sw2 = connection.transmit(list(bytes.fromhex(text)))
    assert (sw1, sw2) == (0x90, 0), (text, hex(sw1), hex(sw2))
    return bytes(data)
if connection.getATR()[:3] == [0x3B, 0x80, 0x80]:                       # a type 4 tag
    ask("00A4040007D276000085010100")
    ask("00A4000C02E103")
    cc = ask("00B000000F")
    assert cc[:3] == bytes([0, 15, 0x20]) and cc[7:9] == bytes([4, 6])
    ask("00A4000C02" + cc[9:11].hex())
    length, message = int.from_bytes(ask("00B0000002"), "big"), b""
    while len(message) < length:
        message += ask(f"00B0{2 + len(message):04X}{min(length - len(message), cc[4]):02X}")
else:                                                                   # a type 2 tag
    cc = ask("FFB0000304")
    memory = b"".join(ask(f"FFB000{page:02X}10") for page in range(4, 4 + min(cc[2] * 2, 32), 4))
    assert cc[0] == 0xE1 and memory[0] == 3
    at, length = (4, int.from_bytes(memory[2:4], "big")) if memory[1] == 255 else (2, memory[1])
    message = memory[at:at + length]
    assert memory[at + length] == 0xFE
print(message.hex())
"""
HELLO = "d1010854" + b"\x02enhello".hex()
ADDRESS = "d1010c55" + b"\x04example.org".hex()


@pytest.mark.parametrize("card", ["ndef", "ntag", "ntag,type=216", "ntag,type=ultralight"])
@pytest.mark.parametrize("arguments, message", [
    (",text=hello", HELLO), (",uri=https://example.org", ADDRESS),
    (",text=hello,uri=https://example.org", "9" + HELLO[1:] + "5" + ADDRESS[1:])])
def test_ndef_by_pyscard(card, arguments, message):
    done = run("run", "--reader", "contactless", "--card", card + arguments, "--", PYTHON, "-c", READ_NDEF)
    assert (done.returncode, done.stdout) == (0, message + "\n"), done.stderr


def test_a_type_4_tag(tap):
    client = tap("ndef,text=hello,room=64")
    ask(client, ("00 A4 00 0C 02 E103", "6A 82"), ("00 B0 00 00 0F", "69 86"), ("00 A4 04 00 07 D2760000850100", "6A 82"),
        ("00 A4 04 00 07 D2760000850101 00", "90 00"), ("00 A4 00 0C 02 E105", "6A 82"), ("00 A4 00 0C 02 E103", "90 00"),
        ("00 B0 00 00 0F", "000F2000F600F60406E104004000 00 90 00"), ("00 D6 00 00 01 00", "69 82"), ("00 A4 00 0C 02 E104", "90 00"),
        ("00 B0 00 00 02", "000C 90 00"), ("00 D6 00 00 02 0000", "90 00"), ("00 D6 00 02 04 D0000000", "90 00"),
        ("00 D6 00 00 02 0003", "90 00"), ("00 B0 00 00 05", "0003 D00000 90 00"), ("00 B0 00 3E 04", "0000 62 82"),
        ("00 B0 00 40 01", "6B 00"), ("00 D6 00 3F 02 0000", "6B 00"))
    assert client.reconnect("cold")[0] == "ok"
    ask(client, ("00 B0 00 00 02", "69 86"))
    client = tap("ndef,readonly")
    ask(client, ("00 A4 04 00 07 D2760000850101", "90 00"), ("00 A4 00 0C 02 E103", "90 00"), ("00 B0 00 0E 01", "FF 90 00"),
        ("00 A4 00 0C 02 E104", "90 00"), ("00 D6 00 00 02 0000", "69 82"))
