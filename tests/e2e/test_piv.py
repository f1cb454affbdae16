# SPDX-License-Identifier: BSD-3-Clause
"""The ready card piv: status words by a table, its keys with OpenSSL. Programs that use it are in test_piv_programs.py."""

import pathlib
import random
import subprocess
import tempfile

import pytest

from programs import run
from rig import Rig

SELECT = "00A4040009A00000030800001000 00"
PIN, OTHER_PIN, WRONG_PIN = "313233343536FFFF", "3635343332313030", "393939393939FFFF"
LETTERS = "4D79205E7E21FFFF"  # "My ^~!"
PUK, WRONG_PUK = "3132333435363738", "3939393939393939"
VERIFY = "0020008008" + PIN
BLOCK_PIN = [("0020008008" + WRONG_PIN, f"63C{left}") for left in (2, 1, 0)]
BLOCK_PUK = [("002C008010" + WRONG_PUK + PIN, f"63C{left}") for left in (2, 1, 0)]
KEY = "0102030405060708" * 3
MANAGE = "manage"  # authentication with the management key
DIGEST = "AB" * 32
SIGN = "00871199267C2482008120" + DIGEST + "00"
SIGN_9A, SIGN_9C, SIGN_9E = (SIGN.replace("99", key, 1) for key in ("9A", "9C", "9E"))


class Piv:
    """The card in a rig, over a client that has selected the application."""

    def __init__(self, client, protocols=3):
        self.client = client
        client.establish()
        assert client.connect(protocols)[0] == "ok"
        self.send(SELECT)

    def send(self, command):
        """Returns data and status word, after GET RESPONSE if that is necessary."""
        data, (_, answer) = "", self.client.transmit(command.replace(" ", ""))
        while answer[-4:-2] == "61":
            data += answer[:-4]
            _, answer = self.client.transmit("00C00000" + answer[-2:])
        return bytes.fromhex(data + answer[:-4]), answer[-4:].upper()

    def data(self, command):
        data, status = self.send(command)
        assert status == "9000", (command, status)
        return data

    def long(self, header, data):
        """Data that one command cannot hold, by chaining."""
        parts = [data[at:at + 255] for at in range(0, len(data), 255)]
        for part in parts[:-1]:
            assert self.send("10" + header[2:] + f"{len(part):02X}" + part.hex()) == (b"", "9000")
        return self.send(header + f"{len(parts[-1]):02X}" + parts[-1].hex() + "00")

    def manage(self, algorithm="03", cipher="des-ede3", key=KEY):
        """Mutual authentication. Returns the last status word."""
        witness = self.data(f"0087{algorithm}9B047C02800000")[4:]
        size = len(witness)
        plain, challenge = ecb("-d", cipher, key, witness), bytes(range(size))
        data, status = self.send(f"0087{algorithm}9B{2 * size + 6:02X}7C{2 * size + 4:02X}80{size:02X}{plain.hex()}"
                                 f"81{size:02X}{challenge.hex()}00")
        if status == "9000":
            assert data == bytes([0x7C, size + 2, 0x82, size]) + ecb("-e", cipher, key, challenge)
        return status


def ecb(direction, cipher, key, data):
    return openssl("enc", direction, "-" + cipher + ("" if cipher.startswith("des") else "-ecb"), "-K", key, "-nopad",
                   input=data)


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True, **options).stdout


@pytest.fixture
def folder(temporary):
    with tempfile.TemporaryDirectory(dir=temporary) as name:
        yield pathlib.Path(name)


@pytest.fixture
def card():
    with Rig("--card", "piv", "--seed", 1) as rig, rig.client() as client:
        yield Piv(client)


# Each runs on a new card with the application selected.
SEQUENCES = {
    "select": [
        ("00A404000BA000000308000010000100", "9000"), (SELECT, "9000"), ("00A4040005A000000308", "9000"),
        ("00A4040004A0000003", "6A82"), ("00A404000CA00000030800001000010000", "6A82"),
        ("00A4040009A00000030800002000", "6A82"), ("00A4000002 3F00", "6A86"),
        # neither another application nor this one takes anything away
        (VERIFY, "9000"), ("00A4040005A000000647", "6A82"), (SELECT, "9000"), ("00200080", "9000"),
        ("0CCB3FFF055C035FC10200", "6882"), ("80CB3FFF055C035FC10200", "6E00"), ("0001000000", "6D00"),
    ],
    "verify": [
        ("00200080", "63C3"), ("0020008008" + WRONG_PIN, "63C2"), ("00200080", "63C2"), (VERIFY, "9000"),
        ("00200080", "9000"), ("0020008008" + WRONG_PIN, "63C2"), ("00200080", "63C2"), (VERIFY, "9000"),
        ("0020FF80", "9000"), ("00200080", "63C3"),
        ("0020008006313233343536", "6A80"), ("00200080", "63C3"),
        ("0020008008FFFFFFFFFFFFFFFF", "63C2"), ("00200080083132333435FFFFFF", "63C1"), (VERIFY, "9000"),
        ("0020008108" + PUK, "6A88"), ("0020000008" + PIN, "6A88"), ("0020018008" + PIN, "6A86"),
        ("0020FF8008" + PIN, "6A80"),
        *BLOCK_PIN, (VERIFY, "6983"), ("00200080", "6983"),
    ],
    "change": [
        ("0024008010" + PIN + "3131FFFFFFFFFFFF", "6A80"), ("0024008010" + WRONG_PIN + "FF" * 8, "63C2"),
        ("0024008008" + PIN, "6A80"), ("0024008010" + PIN + OTHER_PIN, "9000"), ("00200080", "9000"),
        ("0020008008" + PIN, "63C2"), ("0020008008" + OTHER_PIN, "9000"),
        ("0024008010" + OTHER_PIN + LETTERS, "9000"), ("0020008008" + LETTERS, "9000"),
        *[("0024008010" + LETTERS + new, "6A80") for new in ("80" * 6 + "FFFF", "41" * 5 + "FF41FF", "41" * 6 + "FF41")],
        ("0024008010" + LETTERS + "00" * 8, "9000"), ("0024008010" + "00" * 8 + OTHER_PIN, "9000"),
        ("0024008110" + WRONG_PUK + PUK, "63C2"), ("0024008110" + PUK + "FFFFFFFFFFFFFFFF", "6A80"),
        ("0024008110" + PUK + WRONG_PUK, "9000"), ("002C008010" + PUK + PIN, "63C2"),
        ("002C008010" + WRONG_PUK + PIN, "9000"), ("0024008210" + PIN + PIN, "6A88"), ("0024018010" + PIN + PIN, "6A86"),
    ],
    "unblock": [
        *BLOCK_PIN, ("0024008010" + PIN + OTHER_PIN, "6983"), ("002C008010" + PUK + "FF" * 8, "6A80"),
        ("002C008010" + PUK + OTHER_PIN, "9000"), ("00200080", "63C3"), ("0020008008" + OTHER_PIN, "9000"),
        ("002C008110" + PUK + PIN, "6A88"), ("002C008010" + "FF" * 16, "63C2"), ("002C008010" + WRONG_PUK + PIN, "63C1"),
        ("002C008010" + WRONG_PUK + PIN, "63C0"), ("002C008010" + PUK + PIN, "6983"),
        ("0024008110" + PUK + PUK, "6983"), ("0020008008" + OTHER_PIN, "9000"),
    ],
    "data": [
        ("00CB3FFF055C035FC10200", "9000"), ("00CB3FFF055C035FC10700", "9000"), ("00CB3FFF035C017E00", "9000"),
        ("00CB3FFF055C035FC10C00", "9000"), ("00CB3FFF055C035FC10600", "6A82"), ("00CB3FFF055C035FC10D00", "6A82"),
        ("00CB3FFF045C027F6100", "6A82"), ("00CB3FFF055C045FC10200", "6A80"), ("00CB3FFF025C0000", "6A80"),
        ("00CB3FFE055C035FC10200", "6A86"), ("00CB3FFF0453025FC100", "6A80"),
        ("00CB3FFF055C035FC10900", "6982"), (VERIFY, "9000"), ("00CB3FFF055C035FC10900", "6A82"),
        ("00DB3FFF095C035FC10953020102", "6982"), MANAGE,
        ("00DB3FFF095C035FC10953020102", "9000"), ("00CB3FFF055C035FC10900", "9000"),
        ("00DB3FFF075C035FC1095300", "9000"), ("00CB3FFF055C035FC10900", "6A82"),
        ("00DB3FFF075C035FC109", "6700"), ("00DB3FFF055C035FC109", "6A80"), ("00DB3FFF065C0160530100", "6A80"),
        ("00DB3FFF057F61020101", "9000"), ("00CB3FFF045C027F6100", "9000"), ("00DB3FFE075C035FC1095300", "6A86"),
    ],
    "policies": [
        (SIGN_9E, "9000"), (SIGN_9A, "6982"), (SIGN_9C, "6982"),
        (VERIFY, "9000"), (SIGN_9C, "9000"), (SIGN_9C, "6982"), (SIGN_9A, "9000"), (SIGN_9A, "9000"),
        (VERIFY, "9000"), ("00CB3FFF055C035FC10200", "9000"), (SIGN_9C, "6982"), (SIGN_9A, "9000"),
        ("0020FF80", "9000"), (SIGN_9A, "6982"),
    ],
    "authenticate": [
        (SIGN.replace("1199", "149E"), "6A80"), (SIGN.replace("1199", "129E"), "6A86"), (SIGN.replace("99", "96"), "6A86"), (SIGN.replace("99", "82"), "6A88"),
        ("0087119E00", "6A80"), ("0087119E047C02820000", "6A80"), ("0087119E067C0482008100 00", "6A80"),
        ("0087119E277C258200812100" + DIGEST + "00", "6A80"), ("0087119E247C228120" + DIGEST + "00", "6A80"),
        ("0087119E267C2582008120" + DIGEST + "00", "6A80"), ("0087119E0A7C08820085040405060700", "6A80"),
    ],
    "management key": [
        ("0087039B047C02820000", "6985"), ("0087039B0C7C0A8208010203040506070800", "6985"),
        ("0087039B0E7C0C81080102030405060708820000", "6A80"), ("0087089B047C02800000", "6A86"),
        ("0087009B047C02800000", "9000"), ("0047009A05AC0380011100", "6982"),
        ("0087039B047C02810000", "9000"), ("0087039B0C7C0A8208010203040506070800", "6982"),
        MANAGE, ("0047009A05AC0380011100", "9000"), ("0047009B05AC0380011100", "6A86"),
        ("0047009A05AC0380012200", "6A80"), ("0047019A05AC0380011100", "6A86"), ("0047009A02AC0000", "6A80"),
        ("0047009A08AC06800111AA010900", "6A80"), ("0087039B047C02810000", "9000"),
        ("0087039B0C7C0A8208010203040506070800", "6982"), ("0047009A05AC0380011100", "6982"),
    ],
    "yubico": [
        ("00FD000000", "9000"), ("00F8000000", "9000"), ("00F7009A00", "9000"), ("00F7008000", "9000"),
        ("00F7008100", "9000"), ("00F7009B00", "9000"), ("00F700F900", "9000"), ("00F7008200", "6A88"),
        ("00F7009900", "6A88"), ("00F7009600", "6A88"), ("00F9F90000", "6A86"), ("00F9820000", "6A82"), ("00F99A0000", "9000"),
        ("00FE119A2206 20" + "00" * 31 + "01", "6982"), ("00FFFFFF1B039B18" + KEY, "6982"), ("00FA0505", "6982"),
        ("00F6829A", "6982"), ("00FB0000", "6985"), MANAGE, ("00FA0505", "6982"),
        ("00FE119A220620" + "00" * 32, "6A80"), ("00FE119A210620" + "11" * 31, "6A80"),
        ("00FE119A220720" + "00" * 31 + "01", "6A80"), ("00FE229A220620" + "00" * 31 + "01", "6A86"),
        ("00FE119A220620" + "00" * 31 + "01", "9000"), ("00F99A0000", "6A80"),
        ("00F6829A", "9000"), ("00F7009A00", "6A88"), ("00F7008200", "9000"), ("00F6FF82", "9000"), ("00F7008200", "6A88"),
        ("00F6FF82", "6A88"), ("00F6F99C", "6A86"),
        ("00FFFFFF1B089B18" + KEY, "6A80"), ("00FFFFFF1B039A18" + KEY, "6A80"), ("00FFFFFF1A039B18" + KEY[2:], "6700"),
        ("00FFFEFF1B039B18" + KEY, "6A86"), ("00FFFFFF1B039B18" + KEY, "9000"),
        (VERIFY, "9000"), ("00FA0005", "6A86"), ("00FA0506", "9000"), ("00200080", "63C5"),
        ("002C008010" + WRONG_PUK + PIN, "63C5"),
    ],
    "reset": [
        *BLOCK_PIN, ("00FB0000", "6985"), *BLOCK_PUK, ("00FB0100", "6A86"), ("00FB0000", "9000"), (VERIFY, "9000"),
        ("00F7009A00", "6A88"), ("00F700F900", "9000"), ("00CB3FFF055C035FC10200", "6A82"), MANAGE,
        ("002C008010" + PUK + PIN, "9000"),
    ],
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_status_words(card, name):
    for step, entry in enumerate(SEQUENCES[name]):
        if entry == MANAGE:
            assert card.manage() == "9000", step
            continue
        command, status = entry
        assert card.send(command)[1] == status, (step, command)


@pytest.mark.parametrize("protocol", [1, 2], ids=["T=0", "T=1"])
def test_what_a_reset_takes_away(protocol):
    with Rig("--card", "piv") as rig, rig.client() as client:
        card = Piv(client, protocol)
        card.data(VERIFY)
        assert card.manage() == "9000"
        assert card.send("0020008008" + WRONG_PIN)[1] == "63C2"
        assert client.reconnect("warm", protocol)[0] == "ok"
        assert card.send("00200080")[1] == "6D00"
        card.data(SELECT)
        assert card.send("00200080")[1] == "63C2"
        assert card.send("00DB3FFF075C035FC1095300")[1] == "6982"


def test_objects(card):
    assert card.data(SELECT).hex() == "611e4f0600001000010079074f05a000000308500b" + b"cardrig PIV".hex()
    assert card.data("00CB3FFF035C017E00").hex() == "7e124f0ba0000003080000100001005f2f024000"
    chuid = card.data("00CB3FFF055C035FC10200")
    assert chuid[:4].hex() == "533b3019" and chuid[-4:].hex() == "3e00fe00" and b"\x35\x0820491231" in chuid
    assert card.data("00CB3FFF055C035FC10700")[:11].hex() == "5333f015a000000116ff02"
    assert card.data("00FD000000").hex() == "050701" and card.data("00F8000000").hex() == "00bc614e"
    assert card.data("00F7008000").hex() == "0101ff05010106020303"
    assert card.data("00F7009B00").hex() == "01010302020001050101"
    assert card.data("00F7009C00")[:12].hex() == "010111020203010301010443"


def certificate(card, tag, path):
    """Reads the object with this certificate into PATH.pem, and its public key into PATH.pub."""
    value = card.data(f"00CB3FFF055C03{tag}00")
    der = value[value.index(b"\x30\x82"):-5]
    path.with_suffix(".der").write_bytes(der)
    openssl("x509", "-inform", "DER", "-in", path.with_suffix(".der"), "-out", path.with_suffix(".pem"))
    public = openssl("x509", "-in", path.with_suffix(".pem"), "-noout", "-pubkey")
    path.with_suffix(".pub").write_bytes(public)


# Its identifier, what OpenSSL calls it, what is signed.
SIGNERS = {
    "rsa1024": ("06", b"\0\1" + b"\xFF" * 74 + b"\0" + bytes.fromhex("3031300D060960864801650304020105000420" + DIGEST)),
    "rsa2048": ("07", b"\0\1" + b"\xFF" * 202 + b"\0" + bytes.fromhex("3031300D060960864801650304020105000420" + DIGEST)),
    "p256": ("11", bytes.fromhex(DIGEST)),
    "p384": ("14", bytes.fromhex(DIGEST)),
    "ed25519": ("E0", b"a message that is not hashed"),
}


def template(tag, value):
    """7C { 82 00, tag value }"""
    def field(tag, value):
        length = f"{len(value):02X}" if len(value) < 128 else f"82{len(value):04X}"
        return bytes.fromhex(tag + length) + value
    return field("7C", bytes.fromhex("8200") + field(tag, value))


def result(data):
    """The value in 7C { 82 value }."""
    for tag in (0x7C, 0x82):
        assert data[0] == tag
        data = data[2 + (data[1] & 0x7F if data[1] & 0x80 else 0):]
    return data


@pytest.mark.parametrize("protocol", [1, 2], ids=["T=0", "T=1"])
def test_a_key_takes_the_card_its_time(protocol):
    """On the contacts, not in the test. With 1024 bits the public key is one answer."""
    with Rig("--card", "piv") as rig, rig.client() as client:
        card = Piv(client, protocol)
        assert card.manage() == "9000"
        card.data("0047009A05AC0380010600")
        assert 1_000_000 < rig.card()["last"]["card_time_us"] < 2_000_000


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_the_card_signs_for_its_certificate(folder, algorithm):
    identifier, data = SIGNERS[algorithm]
    with Rig("--card", f"piv,algorithm={algorithm}") as rig, rig.client() as client:
        card = Piv(client)
        certificate(card, "5FC101", folder / "c")
        answer, status = card.long(f"0087{identifier}9E", template("81", data))
        assert status == "9000"
        (folder / "signature").write_bytes(result(answer))
        (folder / "data").write_bytes(data if algorithm == "ed25519" else bytes.fromhex(DIGEST))
        options = {"ed25519": ["-rawin"], "p256": [], "p384": []}.get(algorithm, ["-pkeyopt", "digest:sha256"])
        assert b"Verified Successfully" in openssl("pkeyutl", "-verify", "-pubin", "-inkey", folder / "c.pub", *options,
                                                   "-in", folder / "data", "-sigfile", folder / "signature")
        openssl("verify", "-check_ss_sig", "-CAfile", folder / "c.pem", folder / "c.pem")


@pytest.mark.parametrize("algorithm, identifier, private", [
    ("p256", "11", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", "14", ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("ed25519", "E1", ["X25519"])], ids=["P-256", "P-384", "X25519"])
def test_the_card_agrees_on_a_secret(folder, algorithm, identifier, private):
    with Rig("--card", f"piv,algorithm={algorithm},retired=1") as rig, rig.client() as client:
        card = Piv(client)
        card.data(VERIFY)
        for tag, reference in (("5FC10B", "9D"), ("5FC10D", "82")):
            certificate(card, tag, folder / "c")
            openssl("genpkey", "-algorithm", *private, "-out", folder / "own.pem")
            own = openssl("pkey", "-in", folder / "own.pem", "-pubout", "-outform", "DER")
            point = own[-32:] if private == ["X25519"] else own[own.index(b"\0\4") + 1:]
            answer, status = card.long(f"0087{identifier}{reference}", template("85", point))
            assert status == "9000"
            assert result(answer) == openssl("pkeyutl", "-derive", "-inkey", folder / "own.pem", "-peerkey",
                                             folder / "c.pub")


def test_the_card_decrypts(folder):
    with Rig("--card", "piv,algorithm=rsa2048") as rig, rig.client() as client:
        card = Piv(client)
        certificate(card, "5FC10B", folder / "c")
        secret = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", folder / "c.pub", input=b"secret")
        assert card.long("0087079D", template("81", secret))[1] == "6982"
        card.data(VERIFY)
        answer, _ = card.long("0087079D", template("81", secret))
        assert result(answer)[-7:] == b"\0secret"
        assert card.long("0087079D", template("81", secret[1:]))[1] == "6A80"
        assert card.long("0087079D", template("81", b"\xFF" * 256))[1] == "6A80"  # more than the modulus


@pytest.mark.parametrize("cipher, identifier, name, size", [
    ("3des", "03", "des-ede3", 24), ("aes128", "08", "aes-128", 16), ("aes192", "0A", "aes-192", 24),
    ("aes256", "0C", "aes-256", 32)], ids=["3DES", "AES-128", "AES-192", "AES-256"])
def test_management_keys(cipher, identifier, name, size):
    key = bytes(range(1, size + 1)).hex()
    with Rig("--card", f"piv,cipher={cipher},management_key={key}") as rig, rig.client() as client:
        card = Piv(client)
        assert card.manage(identifier, name, "00" * size) == "6982"
        assert card.manage(identifier, name, key) == "9000"
        card.data(f"00FFFFFF1B0A9B18{KEY}")
        assert card.manage("0A", "aes-192", KEY) == "9000"
        challenge = card.data("00870A9B047C02810000")[4:]
        card.data("00870A9B147C128210" + ecb("-e", "aes-192", KEY, challenge).hex() + "00")


RESET = [*BLOCK_PIN, *BLOCK_PUK, ("00FB0000", "9000")]


@pytest.mark.parametrize("arguments, identifier, name", [("", "03", "des-ede3"), (",cipher=aes192", "0A", "aes-192")],
                         ids=["3DES", "AES-192"])
def test_the_management_key_of_a_new_card(arguments, identifier, name):
    """The metadata say which it is, also after RESET; so programs need not know it by the version. A YubiKey 5.7 has AES-192."""
    default = bytes.fromhex(f"0101{identifier} 02020001 050101")
    with Rig("--card", "piv" + arguments) as rig, rig.client() as client:
        card = Piv(client)
        assert card.data("00FD000000") == b"\5\7\1"
        for _ in range(2):
            assert card.data("00F7009B00") == default
            assert card.manage(identifier, name) == "9000"
            card.data("00FFFFFF13089B10" + "11" * 16)
            assert card.data("00F7009B00") == bytes.fromhex("010108 02020001 050100")
            for command, status in RESET:
                assert card.send(command)[1] == status


def test_attestation(card, folder):
    certificate(card, "5FFF01", folder / "ca")
    attested = card.data("00F99C0000")
    (folder / "attested.der").write_bytes(attested)
    openssl("x509", "-inform", "DER", "-in", folder / "attested.der", "-out", folder / "attested.pem")
    openssl("verify", "-CAfile", folder / "ca.pem", folder / "attested.pem")
    certificate(card, "5FC10A", folder / "c")
    assert openssl("x509", "-in", folder / "attested.pem", "-noout", "-pubkey") == (folder / "c.pub").read_bytes()
    yubico = "060a2b0601040182c40a03"
    for extension in ("0304" "03050701", "0704" "06020400bc614e", "0804" "020301"):
        assert bytes.fromhex(yubico + extension) in attested


def mutated(chance):
    """A command of the sequences above, with a byte or two changed, or cut off."""
    commands = [step[0] for name in SEQUENCES for step in SEQUENCES[name] if step != MANAGE]
    command = bytearray.fromhex(chance.choice(commands))
    for _ in range(chance.randint(1, 2)):
        command[chance.randrange(1, len(command))] = chance.choice((chance.randrange(256), 0, 0x7C, 0x80, 0xFF))
    if chance.random() < 0.2:
        del command[chance.randint(4, len(command)):]
        command[4:5] = [len(command) - 5] if len(command) > 5 else []
    return command.hex()


def test_no_command_makes_the_script_fail():
    with Rig("--card", "piv,retired=2", "--seed", 1) as rig, rig.client() as client:
        card, chance = Piv(client), random.Random(1)
        for count in range(2000):
            if count % 100 == 0:
                card.send(SELECT)
                card.manage()
            command = mutated(chance)
            assert card.send(command)[1] not in ("6F00", ""), command


def read_all(seed):
    with Rig("--card", "piv,retired=1", "--seed", seed) as rig, rig.client() as client:
        card = Piv(client)
        return [card.data(f"00CB3FFF055C035FC1{tag}00") for tag in ("05", "0A", "0B", "01", "0D", "02", "07")]


def test_the_same_seed_gives_the_same_card():
    assert read_all(3) == read_all(3)
    assert all(one != other for one, other in zip(read_all(3), read_all(4)))


def what_is_kept(card):
    """A blocked PIN, an imported key, an object, certificates of RSA keys that nobody has read, a management key."""
    assert card.send("00200080")[1] == "6983"
    assert card.manage("08", "aes-128", "11" * 16) == "9000"
    assert card.data("00CB3FFF055C035FC10600").hex() == "5301aa"
    return [card.data(command) for command in ("00CB3FFF055C035FC10100", "00CB3FFF055C035FC10500", "00F7009E00", SIGN_9E)]


def test_what_the_card_keeps_while_it_is_out(temporary):
    state = temporary / "state"
    arguments = f"piv,algorithm=rsa2048,state={state}"
    with Rig("--card", arguments) as rig:
        with rig.client() as client:
            card = Piv(client)
            for command, status in BLOCK_PIN:
                assert card.send(command)[1] == status
            assert card.manage() == "9000"
            card.data("00FE119E220620" + "00" * 31 + "01")
            card.data("00DB3FFF085C035FC1065301AA")
            card.data("00FFFFFF13089B10" + "11" * 16)
            assert client.disconnect() == ["ok"]
        rig.do("remove")
        rig.do("insert")
        with rig.client() as client:
            kept = what_is_kept(Piv(client))
    with Rig("--card", arguments) as rig, rig.client() as client:
        assert what_is_kept(Piv(client))[:-1] == kept[:-1]  # but a signature is another one
    state.unlink()


def test_an_empty_card():
    with Rig("--card", "piv,empty,pin=12345678,puk=87654321,serial=7,version=5.4.3") as rig, rig.client() as client:
        card = Piv(client)
        assert card.send("00CB3FFF055C035FC10500")[1] == "6A82"
        assert card.send(SIGN_9E)[1] == "6A88"
        assert card.data("00F8000000") == b"\0\0\0\7" and card.data("00FD000000") == b"\5\4\3"
        card.data("0020008008" + b"12345678".hex())
        card.data("002C008010" + b"87654321".hex() + PIN)


@pytest.mark.parametrize("argument, expected", [
    ("pin=12345", "pin: expected 6 to 8 characters of ASCII"), ("pin=12345é", "pin: expected 6 to 8 characters of ASCII"),
    ("puk=12345", "puk: expected 6 to 8 characters"), ("retired=21", "retired: expected a number, 0 to 20"),
    ("algorithm=dsa", "algorithm: expected rsa1024, rsa2048, rsa3072, rsa4096, p256, p384 or ed25519"),
    ("cipher=des", "cipher: expected 3des, aes128, aes192 or aes256"), ("empty=1", "empty: expected no value"),
    ("management_key=01", "management_key: expected 48 hexadecimal digits"),
    ("serial=x", "serial: expected a number, 0 to 4294967295"), ("version=5", "version: expected three numbers such as 5.7.1"),
    ("pni=1", "'pni' was given, but the card only takes")])
def test_arguments_that_are_refused(argument, expected):
    done = run("run", "--card", f"piv,{argument}", "--", "true")
    assert done.returncode == 125 and expected in done.stderr, done
