# SPDX-License-Identifier: BSD-3-Clause
"""The OpenPGP card answers each command as version 3.4 of the specification says."""

import hashlib
import random
import re
import subprocess
import tempfile

import pytest

from card_state import wait_for_state
from rig import Rig

AID = "d276000124010304fffe123456780000"
SELECT = "00a40400", "d27600012401"
PW1, PW3 = "123456", "12345678"
SIGN, USER, ADMIN = 0x81, 0x82, 0x83  # the modes of VERIFY

RSA2048, RSA3072, RSA4096 = "010800002000", "010c00002000", "011000002000"
OIDS = {"P-256": "2a8648ce3d030107", "P-384": "2b81040022", "P-521": "2b81040023", "secp256k1": "2b8104000a",
        "brainpoolP256r1": "2b2403030208010107", "brainpoolP384r1": "2b240303020801010b",
        "brainpoolP512r1": "2b240303020801010d"}
ED25519, X25519 = "162b06010401da470f01", "122b060104019755010501"
HASH = hashlib.sha256(b"a document").digest()
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + HASH


def data_object(tag, *values):
    """In BER-TLV, as hexadecimal."""
    value = "".join(values)
    length = len(value) // 2
    return tag + (f"{length:02x}" if length < 128 else f"81{length:02x}" if length < 256 else f"82{length:04x}") + value


class Card:
    """The OpenPGP application, selected. A call sends a command; it returns data, or the status word unless it is 9000."""

    def __init__(self, client):
        self.client = client
        self(*SELECT)

    def transmit(self, header, data="", ne=256):
        length = len(data) // 2
        if length > 255 or ne > 256:
            body = f"00{length:04x}{data}" if data else "00"
            return self.client.transmit(header + body + f"{ne % 65536:04x}")[1]
        body = f"{length:02x}{data}" if data else ""
        return self.client.transmit(header + body + f"{ne % 256:02x}")[1]

    def __call__(self, header, data="", ne=65536):
        if isinstance(data, bytes):
            data = data.hex()
        answer = self.transmit(header, data, ne)
        return answer[:-4] if answer[-4:] == "9000" else answer[-4:]

    def verify(self, mode, value):
        return self(f"002000{mode:02x}", value.encode())

    def get(self, tag):
        return self(f"00ca{tag:04x}")

    def put(self, tag, data):
        return self(f"00da{tag:04x}", data)

    def reset(self):
        assert self.client.reconnect("warm")[0] == "ok"
        self(*SELECT)


@pytest.fixture
def card(request):
    arguments = getattr(request, "param", "")
    with Rig("--seed", 1, "--card", "openpgp" + arguments) as rig, rig.client() as client:
        client.establish()
        client.connect()
        yield Card(client)


def test_selection(card):
    card.client.reconnect("cold")
    assert card.get(0x4F) == "6d00"  # nothing is selected
    assert card("00a40400", "d2760001") == "6a82"
    assert card("00a40400", "d27600012402") == "6a82"
    assert card("00a40000", "3f00") == "6a82"
    assert card("00a40400", AID) == ""
    assert card(*SELECT) == ""
    assert card.get(0x4F) == AID
    assert card("00ff0000") == "6d00"
    assert card("0cca004f") == "6882"
    assert card("80ca004f") == "6e00"


def test_what_a_new_card_says(card):
    assert card.get(0x5F52) == "0031f573c001e0059000"
    assert card.get(0x7F66) == "0202ffff0202ffff"
    assert card.get(0x65) == data_object("65", "5b00", "5f2d02656e", "5f350139")
    assert card.get(0x7A) == "7a059303000000"
    assert card.get(0xC4) == "007f7f7f030003"
    assert card.get(0xDE) == "010002000300"
    assert card.get(0xF9) == "810100"
    assert (card.get(0x5E), card.get(0x5F50), card.get(0x7F21)) == ("", "", "")
    application = card.get(0x6E)
    assert application.startswith("6e81") and data_object("c5", "00" * 60) in application
    assert card.get(0xFA).count("c1") >= 11
    assert card("00cb2f00", "5c00") == data_object("61", data_object("4f", AID), data_object("50", b"OpenPGP".hex()))
    assert card("00cb2f01", "5c00") == data_object("7f66", "0202ffff0202ffff")
    assert card("00cb2f02", "5c00") == "6a82"
    for tag in (0x0105, 0xD5, 0xD3, 0x3FFF):
        assert card.get(tag) == "6a88", hex(tag)


def test_verify(card):
    for mode in (SIGN, USER, ADMIN):
        assert card.verify(mode, "") == "63c3"
    assert card.verify(SIGN, "654321") == "6982"
    assert card.verify(USER, "") == "63c2"  # it is the same PW1
    assert card.verify(USER, PW1) == ""
    assert (card.verify(USER, ""), card.verify(SIGN, "")) == ("", "63c3")
    assert card.verify(0x84, PW1) == card("00200181", PW1.encode()) == "6b00"
    assert card("0020ff82", "31") == "6700"
    assert card("0020ff82") == ""
    assert card.verify(USER, "") == "63c3"
    card.verify(USER, PW1)
    card.reset()
    assert card.verify(USER, "") == "63c3"


@pytest.mark.parametrize("mode, value", [(SIGN, PW1), (USER, PW1), (ADMIN, PW3)])
def test_three_wrong_ones_block_it(card, mode, value):
    for left in (2, 1, 0):
        assert card.verify(mode, "wrong one") == "6982"
        assert card.verify(mode, "") == f"63c{left}"
    assert card.verify(mode, value) == "6983"
    assert card(f"002400{ADMIN if mode == ADMIN else SIGN:02x}", value.encode() * 2) == "6983"


def test_change(card):
    assert card("00240081", b"123456654321") == ""
    assert (card.verify(SIGN, PW1), card.verify(SIGN, "654321")) == ("6982", "")
    assert card("00240081", b"12345612345") == "6982"
    assert card.verify(SIGN, "") == "63c2"
    assert card("00240081", b"65432112345") == "6a80"  # too short
    assert card("00240083", b"12345678" + b"x" * 127) == ""
    assert card.verify(ADMIN, "x" * 127) == ""
    assert card("00240083", b"x" * 127 + b"y" * 128) == "6a80"
    assert card("00240082", b"654321123456") == card("00240181", b"654321123456") == "6b00"


def block(card):
    for _ in range(3):
        assert card.verify(SIGN, "wrong one") == "6982"


def test_unblock(card):
    block(card)
    assert card("002c0081", b"12345678" + b"newpin") == "6983"  # there is no resetting code
    assert card("002c0281", b"newpin") == "6982"
    assert card.verify(ADMIN, PW3) == ""
    assert card.put(0xD3, b"1234567") == "6a80"
    assert card.put(0xD3, b"resetting") == ""
    assert card.get(0xC4) == "007f7f7f000303"
    assert card("002c0281", b"newpi") == "6a80"
    assert card("002c0281", b"newpin") == ""
    assert card.verify(SIGN, "newpin") == ""
    block(card)
    card.reset()
    assert card("002c0081", b"resettinx" + b"123456") == "6982"
    assert card("002c0081", b"resetting" + b"123456") == ""
    assert card.verify(SIGN, PW1) == ""
    assert card("002c0181", b"123456") == card("002c0282", b"123456") == "6b00"
    card.verify(ADMIN, PW3)
    assert card.put(0xD3, "") == ""
    assert card.get(0xC4) == "007f7f7f030003"


READERS = {0x0101: None, 0x0102: None, 0x0103: USER, 0x0104: ADMIN}
WRITERS = {0x0101: USER, 0x0102: ADMIN, 0x0103: USER, 0x0104: ADMIN, 0x5B: ADMIN, 0x5E: ADMIN, 0x5F50: ADMIN}


def test_who_may_read_and_write(card):
    values = {mode: PW3 if mode == ADMIN else PW1 for mode in (SIGN, USER, ADMIN)}
    for tag in WRITERS:
        for mode, value in values.items():
            card.reset()
            card.verify(mode, value)
            permitted = WRITERS[tag] == mode
            assert card.put(tag, f"{tag:04x}") == ("" if permitted else "6982"), (hex(tag), hex(mode))
        for mode in (None, *values):
            card.reset()
            if mode:
                card.verify(mode, values[mode])
            reader = READERS.get(tag)
            expected = f"{tag:04x}" if reader in (None, mode) else "6982"
            if tag != 0x5B:  # which is read as a part of 65
                assert card.get(tag) == expected, (hex(tag), mode)
    for tag in (0xC1, 0xC4, 0xC7, 0xCA, 0xCE, 0xD3, 0xD5, 0xD6, 0xF9, 0x7F21):
        card.reset()
        card.verify(USER, PW1)
        assert card.put(tag, "00") == "6982", hex(tag)


# Tag, what can be written, and the status words for what cannot.
VALUES = [
    (0x5B, "41" * 39, {"41" * 40: "6700"}),
    (0x5F2D, "6465656e", {"41" * 9: "6700"}),
    (0x5F35, "31", {"33": "6a80", "3131": "6700"}),
    (0x5E, "41" * 2048, {"41" * 2049: "6700"}),
    (0xC4, "01", {"02": "6a80", "0101": "6700", "017f7f20": "6a80"}),
    (0xC4, "017f7f7f", {}),
    (0xC7, "41" * 20, {"41" * 19: "6700"}),
    (0xCC, "41" * 20, {"41" * 21: "6700"}),
    (0xCE, "5e0be100", {"00": "6700"}),
    (0xD5, "00" * 32, {"00" * 24: "6700", "": "6700"}),
    (0xD8, "0120", {"0320": "6a80", "0100": "6a80", "01": "6700"}),
    (0xC1, ED25519, {X25519: "6a80", "13" + ED25519[2:]: "6a80", "010400002000": "6a80", "": "6a80", "ff": "6a80"}),
    (0xC2, "12" + OIDS["P-256"] + "ff", {ED25519: "6a80", "13" + OIDS["P-256"]: "6a80"}),
    (0xF9, "810103" "82010a" "83040003e000" "840841414141414141418508" + "42" * 8 + "8608" + "43" * 8,
     {"810102": "6a80", "810103820108": "6a80", "8101": "6a80"}),
    (0x4F, None, {AID: "6a88"}), (0xC0, None, {"00": "6a88"}), (0xC5, None, {"00" * 60: "6a88"}),
]


def test_put(card):
    card.verify(ADMIN, PW3)
    for tag, good, bad in VALUES:
        for data, status in bad.items():
            assert card.put(tag, data) == status, (hex(tag), data)
        if good is not None:
            assert card.put(tag, good) == "", hex(tag)


def test_certificates(card):
    card.verify(ADMIN, PW3)
    for occurrence in range(3):
        assert card(f"00a5{occurrence:02x}04", "60045c027f21") == ""
        assert card.put(0x7F21, bytes([occurrence]) * 4096) == ""
    assert card.put(0x7F21, bytes(4097)) == "6700"
    card.reset()
    assert card.get(0x7F21) == "00" * 4096
    assert card("00cc7f21") == "01" * 4096
    assert card("00cc7f21") == "02" * 4096
    assert card("00cc7f21") == "6a88"
    assert card("00a50304", "60045c027f21") == card("00a50000", "60045c027f21") == "6b00"
    assert card("00a50004", "60045c025f50") == "6a88"
    assert card("00a50004", "5c027f21") == "6a80"


def test_without_keys(card):
    card.verify(SIGN, PW1)
    card.verify(USER, PW1)
    assert card("002a9e9a", DIGEST_INFO) == "6a88"
    assert card("002a8086", "00" * 257) == "6a88"
    assert card("00880000", DIGEST_INFO) == "6a88"
    assert card("002a8086", "02" + "00" * 16) == card("002a8680", "00" * 16) == "6a88"
    assert card("00478100", "b600") == "6a88"
    assert card("00478000", "b600") == "6982"
    card.verify(ADMIN, PW3)
    assert card("00478000", "b700") == card("00478000", "") == "6a80"
    assert card("00478200", "b600") == card("00478001", "b600") == "6b00"
    assert card("002a0000", "00") == card("00880001", "00") == "6b00"


@pytest.mark.parametrize("card", [",keys=ed25519"], indirect=True)
def test_pw1_allows_one_signature_or_several(card):
    assert card("002a9e9a", HASH) == "6982"
    card.verify(USER, PW1)
    assert card("002a9e9a", HASH) == "6982"
    card.verify(SIGN, PW1)
    assert len(card("002a9e9a", HASH)) == 128
    assert card("002a9e9a", HASH) == "6982"
    card.verify(ADMIN, PW3)
    card.put(0xC4, "01")
    card.verify(SIGN, PW1)
    assert len(card("002a9e9a", HASH)) == len(card("002a9e9a", HASH)) == 128
    assert card.get(0x7A) == "7a059303000003"
    card("00478000", "b600")
    assert card.get(0x7A) == "7a059303000000"


@pytest.mark.parametrize("card", [",keys=rsa2048"], indirect=True)
def test_rsa(card):
    """PKCS#1 v1.5: what the card signs and decrypts, with no more than numbers."""
    card.verify(SIGN, PW1)
    card.verify(USER, PW1)
    for template, header in (("b600", "002a9e9a"), ("a400", "00880000")):
        n = int(card("00478100", template)[18:18 + 512], 16)
        signature = int(card(header, DIGEST_INFO), 16)
        padded = b"\0\1" + b"\xff" * (253 - len(DIGEST_INFO)) + b"\0" + DIGEST_INFO
        assert pow(signature, 65537, n) == int.from_bytes(padded, "big")
    assert card("00880000", "41" * 102) not in ("6700", "6a80")
    assert card("00880000", "41" * 103) == card("00880000") == "6700"
    n = int(card("00478100", "b800")[18:18 + 512], 16)
    for start, answer in ((b"\0\2", b"secret".hex()), (b"\0\1", "6a80")):
        padded = start + b"\x11" * 247 + b"\0" + b"secret"
        encrypted = pow(int.from_bytes(padded, "big"), 65537, n).to_bytes(256, "big")
        assert card("002a8086", b"\0" + encrypted) == answer
    assert card("002a8086", bytes(256)) == "6700"
    assert card("002a8086", b"\1" + bytes(256)) == "6a80"


GENERATED = {RSA2048: 256, RSA3072: 384, RSA4096: 512, ED25519: 32, "13" + OIDS["P-521"]: 133,
             **{"13" + oid: 65 for name, oid in OIDS.items() if name in ("P-256", "secp256k1", "brainpoolP256r1")}}


def test_generate(card):
    """With each kind of algorithm; the length of the modulus or of the point."""
    card.verify(ADMIN, PW3)
    for attributes, length in GENERATED.items():
        assert card.put(0xC3, attributes) == ""
        public = card("00478000", "a400")
        assert card("00478100", "a403840103") == public
        if attributes[:2] == "01":
            assert public == data_object("7f49", data_object("81", public[-2 * length - 10:-10]), "8203010001")
        else:
            assert public == data_object("7f49", data_object("86", public[-2 * length:]))
    assert card.get(0xDE) == "010002000301"


@pytest.mark.parametrize("card", [",keys=nistp256"], indirect=True)
def test_security_environment(card):
    card.verify(USER, PW1)
    keys = {reference: card("00478100", template) for reference, template in ((2, "b800"), (3, "a400"))}
    cipher = data_object("a6", keys[2])
    secret = card("002a8086", data_object("a6", keys[3]))
    assert card("002241b8", "830103") == ""
    assert card("002a8086", cipher) == secret  # the same two keys, the other way round
    assert card("002241a4", "830102") == ""
    assert len(card("00880000", HASH)) == 128
    for data in ("830101", "830104", "84", ""):
        assert card("002241a4", data) == "6a80"
    assert card("002241b6", "830102") == card("002281a4", "830102") == "6b00"
    for wrong in ("a6", data_object("a6", "7f4900"), data_object("a6", data_object("7f49", "860104")), "00", ""):
        assert card("002a8086", wrong) == "6a80", wrong


def test_aes(card):
    card.verify(ADMIN, PW3)
    card.verify(USER, PW1)
    plain = "6bc1bee22e409f96e93d7e117393172a"
    for key, cipher in (("2b7e151628aed2a6abf7158809cf4f3c", "3ad77bb40d7a3660a89ecaf32466ef97"),
                        ("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                         "f3eed1bdb5d2a03c064b5a7e3db181f8")):  # NIST SP 800-38A, one block
        assert card.put(0xD5, key) == ""
        assert card("002a8680", plain) == "02" + cipher
        assert card("002a8086", "02" + cipher) == plain
    assert card("002a8680", "00" * 15) == card("002a8086", "02" + "00" * 15) == "6700"


def test_challenge(card):
    first = card("00840000", ne=2048)
    assert len(first) == 4096 and first != card("00840000", ne=2048)
    assert card("00840000", ne=2049) == "6700"
    assert card("00840100") == "6b00"


def test_user_interaction(card):
    card.verify(ADMIN, PW3)
    assert card.put(0xD6, "0220") == ""
    assert card.get(0xD6) == "0220"
    assert card.put(0xD6, "0020") == "6985"  # for ever


def test_another_algorithm_deletes_the_key(card):
    card.verify(ADMIN, PW3)
    card.put(0xC1, ED25519)
    card("00478000", "b600")
    card.put(0xC7, "41" * 20)
    card.put(0xC1, ED25519)
    assert card.get(0xDE) == "010102000300"
    card.put(0xC1, "13" + OIDS["P-256"])
    assert card.get(0xDE) == "010002000300"
    assert card.get(0xC5) == "00" * 60
    assert card("00478100", "b600") == "6a88"


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True).stdout


def new_key(path, curve):
    """Makes a file with a key. Returns its number and its point, as hexadecimal."""
    openssl("ecparam", "-genkey", "-noout", "-name", "prime256v1" if curve == "P-256" else
            {"P-384": "secp384r1", "P-521": "secp521r1"}.get(curve, curve), "-out", path)
    text = openssl("ec", "-in", path, "-noout", "-text").decode()
    fields = re.search(r"priv:([\s0-9a-f:]+)pub:([\s0-9a-f:]+)ASN1", text).groups()
    return [re.sub(r"[\s:]", "", field) for field in fields]


@pytest.mark.parametrize("curve", OIDS)
def test_import_of_a_key_on_a_curve(card, temporary, curve):
    """Card and OpenSSL have the same public key, and derive the same secret with another one."""
    card.verify(ADMIN, PW3)
    card.verify(USER, PW1)
    card.put(0xC2, "12" + OIDS[curve])
    with tempfile.TemporaryDirectory(dir=temporary) as folder:
        key, other = f"{folder}/key", f"{folder}/other"
        (number, point), (_, peer) = new_key(key, curve), new_key(other, curve)
        openssl("pkey", "-in", other, "-pubout", "-out", other + ".pub")
        secret = openssl("pkeyutl", "-derive", "-inkey", key, "-peerkey", other + ".pub").hex()
    number = re.sub("^(00)+", "", number)  # as GnuPG's numbers
    template = data_object("7f48", f"92{len(number) // 2:02x}")
    assert card("00db3fff", data_object("4d", "b800", template, data_object("5f48", number))) == ""
    assert card("00478100", "b800") == data_object("7f49", data_object("86", point))
    assert card.get(0xDE) == "010002020300"
    assert card("002a8086", data_object("a6", data_object("7f49", data_object("86", peer)))) == secret


NO_KEYS = [
    "", "4d", "4d00", "b600", data_object("4d", "b600"), data_object("4d", "b600", "7f4800", "5f4800"),
    data_object("4d", "b600", data_object("7f48", "9181"), data_object("5f48", "00")),
    data_object("4d", "b600", data_object("7f48", "9182ff"), data_object("5f48", "00")),
    data_object("4d", "b600", data_object("7f48", "910492049304"), data_object("5f48", "00" * 11)),
    data_object("4d", "b600", data_object("7f48", "910492049304"), data_object("5f48", "00" * 12)),
    data_object("4d", "b700", data_object("7f48", "9220"), data_object("5f48", "11" * 32)),
]


def test_what_cannot_be_imported(card):
    assert card("00db3fff", NO_KEYS[-1]) == "6982"
    card.verify(ADMIN, PW3)
    for data in NO_KEYS:
        assert card("00db3fff", data) == "6a80", data
    assert card("00db3ffe", NO_KEYS[-1]) == "6b00"
    assert card.get(0xDE) == "010002000300"


def test_chained_commands_and_get_response(card):
    """Without extended lengths: more than 255 bytes in several commands, and more than 256 in several responses."""
    card.verify(ADMIN, PW3)
    data = bytes(range(250)) * 3
    for start, header in ((0, "10da005e"), (250, "10da005e"), (500, "00da005e")):
        assert card(header, data[start:start + 250], ne=256) == ""
    answer = card.transmit("00ca005e")
    read = ""
    while answer[-4:-2] == "61":
        read += answer[:-4]
        answer = card.transmit("00c00000")
    assert read + answer == data.hex() + "9000"


def test_terminate_and_activate(card):
    assert card("00e60000") == "6982"
    assert card("00440000") == ""  # which changes nothing
    card.verify(ADMIN, PW3)
    card.put(0x5E, "41")
    card("00240083", b"12345678another one")
    assert card("00e60001") == "6b00"
    assert card("00e60000") == ""
    assert card(*SELECT) == "6285"
    assert card.get(0x5E) == card.verify(ADMIN, PW3) == "6985"
    card.reset()
    assert card("00440000") == ""
    assert card(*SELECT) == card.get(0x5E) == card.verify(ADMIN, PW3) == ""


def test_both_blocked_allow_termination(card):
    for mode in (SIGN, ADMIN):
        assert card("00e60000") == "6982"
        for _ in range(3):
            card.verify(mode, "wrong one")
    assert card("00e60000") == card("00440000") == card.verify(SIGN, PW1) == ""


@pytest.mark.parametrize("host_changes", [False, True], ids=["card", "host"])
def test_hashed_passwords(card, host_changes):
    """Whether the host changes the passwords, as GnuPG 2.4 does, or leaves it to the card, as 2.2."""
    user, admin = b"u" * 32, b"a" * 32
    card.verify(ADMIN, PW3)
    if host_changes:
        card("00240081", PW1.encode() + user)
        card("00240083", PW3.encode() + admin)
    kdf = "810103" "820108" "83040003e000" "840841414141414141418508" + "42" * 8 + "8608" + "43" * 8
    for wrong in (("87", user.hex(), "88", "00"), ("87", "00", "88", admin.hex())):
        assert card.put(0xF9, kdf + data_object(*wrong[:2]) + data_object(*wrong[2:])) == "6a80"
    if not host_changes:
        assert card.verify(SIGN, PW1) == card.verify(ADMIN, PW3) == ""
    assert card.put(0xF9, kdf + data_object("87", user.hex()) + data_object("88", admin.hex())) == ""
    assert card.verify(SIGN, "u" * 32) == card.verify(ADMIN, "a" * 32) == ""
    if host_changes:
        card("00240081", user + PW1.encode())
        card("00240083", admin + PW3.encode())
    assert card.put(0xF9, "810100") == ""
    assert card.verify(SIGN, PW1) == card.verify(ADMIN, PW3) == ""


def test_what_a_card_keeps_while_it_is_out_of_the_reader():
    with Rig("--card", "openpgp,keys=ed25519") as rig, rig.client() as client:
        client.establish()
        client.connect()
        card = Card(client)
        public = card("00478100", "b600")
        card.verify(ADMIN, PW3)
        card.put(0x5E, "41")
        assert card.verify(SIGN, "wrong one") == "6982"
        _, events, _ = wait_for_state(client, "PRESENT")
        assert rig.cardrig("remove").returncode == rig.cardrig("insert", "openpgp,keys=ed25519").returncode == 0
        wait_for_state(client, "PRESENT", events + 2)
        client.connect()
        card = Card(client)
        assert (card.get(0x5E), card("00478100", "b600")) == ("41", public)
        assert (card.verify(SIGN, ""), card.verify(ADMIN, "")) == ("63c2", "63c3")


COMMANDS = [
    "00a4040006d27600012401", "0020008106313233343536", "0020008206313233343536", "0020008308" + PW3.encode().hex(),
    "0024008108" + b"12345612".hex(), "002c028106" + PW1.encode().hex(), "00ca006e00", "00ca7f2100", "00cc7f2100",
    "00a500040660045c027f21", "00da00c10a" + ED25519, "00da00c20b" + X25519, "00da00c40101", "00da00d602002000",
    "00da00d510" + "11" * 16, "00da00f903810100", "00da00d308" + PW3.encode().hex(), "0047800002b600", "0047810002b800",
    "002a9e9a20" + HASH.hex() + "00", "0088000020" + HASH.hex() + "00", "002241a403830102", "0084000010",
    "002a808628" + data_object("a6", data_object("7f49", data_object("86", "09" + "00" * 31))) + "00",
    "002a808611" + "02" + "22" * 16 + "00", "00db3fff2c" + data_object("4d", "b600", data_object("7f48", "9220"),
                                                                      data_object("5f48", "11" * 32)),
    "00cb2f00025c0000", "00e60000", "00440000"]


def mutated(chance):
    """One of these commands, with a byte or two changed, or cut off."""
    command = bytearray.fromhex(chance.choice(COMMANDS))
    for _ in range(chance.randint(1, 2)):
        command[chance.randrange(1, len(command))] = chance.choice((chance.randrange(256), 0, 0x7F, 0x80, 0xFF))
    if chance.random() < 0.2:
        del command[chance.randint(4, len(command)):]
        command[4:5] = [len(command) - 5] if len(command) > 5 else []
    return command.hex()


@pytest.mark.parametrize("card", [",keys=ed25519"], indirect=True)
def test_no_command_makes_the_script_fail(card):
    chance = random.Random(1)
    for count in range(2000):
        if count % 50 == 0:
            for command in (COMMANDS[0], *COMMANDS[1:4]):
                card.client.transmit(command)
        command = mutated(chance)
        code, answer = card.client.transmit(command)
        assert code == "ok" and answer[-4:] != "6f00", command


@pytest.mark.parametrize("arguments", [",pin=12345", ",admin_pin=1234567", ",serial=1", ",keys=rsa4096", ",keys=x",
                                       ",pins=123456"])
def test_wrong_arguments(arguments):
    with Rig("--empty") as rig:
        done = rig.cardrig("insert", "openpgp" + arguments)
    assert done.returncode == 1
    name = arguments[1:].split("=")[0]
    assert name in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("card", [",pin=hello!,admin_pin=administrator,serial=00ABCDEF"], indirect=True)
def test_arguments(card):
    assert card.verify(SIGN, "hello!") == card.verify(ADMIN, "administrator") == ""
    assert card.get(0x4F) == AID[:20] + "00abcdef0000"
