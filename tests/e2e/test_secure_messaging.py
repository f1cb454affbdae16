# SPDX-License-Identifier: BSD-3-Clause
"""The module sm: the example of ICAO Doc 9303-11, and with AES a host of this file's own; sm_vectors.lua has each function."""

import contextlib
import pathlib
import subprocess

import pytest

from programs import run
from rig import Rig

HERE = pathlib.Path(__file__).parent
PASSPORT = HERE / "passport.lua"
SELECT = "00A4040C07A0000002471001"

# Appendix D: the card's numbers, and what both send.
NUMBERS = "challenge=4608F91988702212,key=0B4F80323EB3191CB04970CB4052790B"
AUTHENTICATION = [
    ("0084000008", "4608F919887022129000"),
    ("008200002872C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A728",
     "46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D74499000"),
]
SELECT_EF_COM = "0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800"
EXAMPLE = [
    (SELECT_EF_COM, "990290008E08FA855A5D4C50A8ED9000"),
    ("0CB000000D9701048E08ED6705417E96BA5500", "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000"),
    ("0CB000040D9701128E082EA28A70F3C7B53500",
     "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000"),
]

SESSION_KEYS = {  # of the same secret, by the same derivation
    "AES-128": ("sha1", 16), "AES-192": ("sha256", 24), "AES-256": ("sha256", 32)}
SECRET = "0036D272F5C350ACAC50C3F572D23600"


def openssl(*arguments, data):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def pad(data):
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


def tlv(tag, value):
    length = bytes([len(value)]) if len(value) < 128 else b"\x81" + bytes([len(value)])
    return bytes([tag]) + length + value


class Host:
    """The interface device's side of secure messaging with AES."""

    def __init__(self, client, cipher):
        self.client, self.counter = client, 0
        self.cipher = cipher.lower()
        digest, length = SESSION_KEYS[cipher]
        self.enc, self.mac = (openssl("dgst", "-" + digest, "-binary", data=bytes.fromhex(SECRET + f"{number:08X}"))[:length]
                              for number in (1, 2))

    def crypt(self, way, data):
        counter = self.counter.to_bytes(16, "big")
        vector = openssl("enc", f"-{self.cipher}-ecb", "-nopad", "-K", self.enc.hex(), data=counter)
        return openssl("enc", way, f"-{self.cipher}-cbc", "-nopad", "-K", self.enc.hex(), "-iv", vector.hex(), data=data)

    def code(self, *parts):
        message = self.counter.to_bytes(16, "big") + b"".join(map(pad, filter(None, parts)))
        options = "-cipher", f"{self.cipher}-cbc", "-macopt", f"hexkey:{self.mac.hex()}"
        text = openssl("mac", *options, "CMAC", data=message)
        return bytes.fromhex(text.decode())[:8]

    def protect(self, header, data=b"", ne=None):
        """A protected command. Its header has the class 0C."""
        self.counter += 1
        header = bytes.fromhex(header)
        objects = b""
        if data:
            encrypted = self.crypt("-e", pad(data))
            objects += tlv(0x85, encrypted) if header[1] & 1 else tlv(0x87, b"\1" + encrypted)
        if ne is not None:
            objects += tlv(0x97, bytes([ne % 256]))
        return header, objects + tlv(0x8E, self.code(header, objects))

    def send(self, header, data=b"", ne=None):
        """What came back, and its status word, which is in the response twice."""
        header, objects = self.protect(header, data, ne)
        return self.read(self.client.transmit(command(header, objects))[1], header[1])

    def read(self, answer, ins):
        self.counter += 1
        response, status = bytes.fromhex(answer[:-4]), answer[-4:]
        covered, code = response[:-10], response[-10:]
        assert code == tlv(0x8E, self.code(covered))
        assert covered[-4:] == bytes.fromhex("9902" + status)
        value = covered[:-4]
        if not value:
            return b"", status
        start = 3 if value[1] == 0x81 else 2
        assert value[0] == (0x85 if ins & 1 else 0x87)
        if not ins & 1:
            assert value[start] == 1
            start += 1
        return self.crypt("-d", value[start:]).rstrip(b"\0")[:-1], status


class Passport:
    """The card in a rig, and a client of it."""

    def __init__(self, client):
        self.client = client
        client.establish()
        assert client.connect()[0] == "ok"
        self.authenticate()

    def send(self, command):
        result, answer = self.client.transmit(command)
        assert result == "ok", command
        return answer.upper()

    def authenticate(self):
        assert self.send(SELECT) == "9000"
        for command, answer in AUTHENTICATION:
            assert self.send(command) == answer


@contextlib.contextmanager
def passport(cipher="3DES"):
    with Rig("--card", f"{PASSPORT},{NUMBERS},cipher={cipher}") as rig, rig.client() as client:
        yield Passport(client)


def test_each_function():
    done = run("check", HERE / "sm_vectors.lua")
    assert done.returncode == 0, done


def test_the_example_of_the_standard():
    with passport() as card:
        for command, response in EXAMPLE:
            assert card.send(command) == response
        # a command without protection ends the session, and cannot read
        assert card.send("00B0000004") == "6982"
        assert card.send(SELECT_EF_COM) == "6985"


@pytest.mark.parametrize("cipher", ["AES-192", "AES-256"])
def test_longer_keys(cipher):
    with passport(cipher) as card:
        host = Host(card.client, cipher)
        assert host.send("0CB08200", ne=3) == (bytes(3), "9000")


def test_commands():
    with passport("AES-128") as card:
        host = Host(card.client, "AES-128")
        assert host.send("0CD68201", b"changed") == (b"", "9000")
        assert host.send("0CB08200", ne=9) == (b"\0changed\0", "9000")
        assert host.send("0CA4020C", bytes.fromhex("0101")) == (b"", "9000")
        assert host.send("0CB00000", ne=200) == (b"a" + (b"DG1 " * 50)[:199], "9000")
        assert host.send("0CB10000", bytes.fromhex("540101"), ne=8) == (b"\x53\x06DG1 DG", "9000")
        assert host.send("0CB08200", ne=256) == (b"\0changed" + bytes(8), "9000")
        # errors of the command itself are protected, too
        assert host.send("0CB09F00", ne=1) == (b"", "6a82")
        assert host.send("0CB00500", ne=1) == (b"", "6b00")
        assert host.send("0CCA0000", ne=1) == (b"", "6a88")
        assert host.send("0C770000", b"x") == (b"", "6d00")
        assert host.send("0C120000") == (b"", "6d00")


def spoiled(objects):
    """What is wrong with them, and the status word that it gets."""
    code = objects[-10:]
    return [
        ("no code", objects[:-10], "6987"), ("another code", objects[:-1] + bytes([objects[-1] ^ 1]), "6988"),
        ("a short code", objects[:-10] + tlv(0x8E, code[2:-1]), "6988"), ("another Ne", tlv(0x97, b"\x05") + code, "6988"),
        ("an object twice", objects[:3] + objects, "6988"), ("another object", tlv(0x99, b"\x90\0") + objects, "6988"),
        ("cut off", objects[:-1], "6988"), ("too long", objects + b"\0", "6988"), ("no value", b"\x97" + objects, "6988"),
    ]


def command(header, objects):
    return (header + bytes([len(objects)]) + objects).hex() + "00"


# The length of the data, the padding indicator, no data at all, Le, an object twice, two kinds of data, data as for an
# odd INS, and the padding.
UNSOUND = ["870901" + "00" * 8, "871102" + "00" * 16, "870101", "8700", "9703000000", "970100970100",
           "810130871101" + "00" * 16, "8510" + "00" * 16, "871101" + "00" * 16]


def test_what_is_not_sound():
    host = Host(None, "AES-128")
    header, objects = host.protect("0CB08200", ne=4)
    with passport("AES-128") as card:
        for what, changed, status in spoiled(objects):
            assert card.send(command(header, changed)) == status, what
            # and the session has ended: not even the sound command is taken
            assert card.send(command(header, objects)) == "6985", what
            card.authenticate()
        assert card.send("0CB0820000") == "6987"
        card.authenticate()
        assert card.send(command(header, objects))[-4:] == "9000"
        card.authenticate()
        for unsound in UNSOUND:  # with the right code
            covered = bytes.fromhex(unsound)
            assert card.send(command(header, covered + tlv(0x8E, host.code(header, covered)))) == "6988", unsound
            card.authenticate()
