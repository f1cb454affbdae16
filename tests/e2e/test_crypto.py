# SPDX-License-Identifier: BSD-3-Clause
"""Cards that sign: others verify what they have signed, and the same seed gives the same keys."""

import hashlib
import pathlib
import subprocess
import tempfile

import pytest

from programs import CARDS
from rig import Rig

HASH = hashlib.sha256(b"a document")
VERIFY = "0020000104" + b"1234".hex()
SIGN = "002a9e9a20" + HASH.hexdigest() + "00"


def command(client, apdu):
    """Returns data and status word, after GET RESPONSE if that is necessary."""
    data, (_, answer) = "", client.transmit(apdu)
    while answer[-4:-2] == "61":
        data += answer[:-4]
        _, answer = client.transmit("00c00000" + answer[-2:])
    return bytes.fromhex(data + answer[:-4]), answer[-4:]


def read_certificate(client):
    read, data = b"", True
    while data:
        data, _ = command(client, f"00b0{len(read):04x}80")
        read += data
    return read


def certificate_and_signature(seed):
    with Rig("--card", CARDS / "sign.lua", "--seed", seed) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert command(client, SIGN) == (b"", "6982")
        assert command(client, VERIFY) == (b"", "9000")
        certificate = read_certificate(client)
        signature, sw = command(client, SIGN)
        assert sw == "9000"
        assert command(client, SIGN[:8] + "0100" + "00") == (b"", "6700")
        return certificate, signature


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True, **options).stdout


@pytest.fixture
def signed():
    return certificate_and_signature(7)


@pytest.fixture
def folder(temporary):
    with tempfile.TemporaryDirectory(dir=temporary) as name:
        yield pathlib.Path(name)


def test_openssl_verifies_the_signature(signed, folder):
    certificate, signature = signed
    (folder / "card.der").write_bytes(certificate)
    (folder / "signature").write_bytes(signature)
    openssl("x509", "-inform", "DER", "-in", folder / "card.der", "-out", folder / "card.pem")
    openssl("verify", "-check_ss_sig", "-CAfile", folder / "card.pem", folder / "card.pem")
    assert b"CN = Alice" in openssl("x509", "-in", folder / "card.pem", "-noout", "-subject")
    (folder / "public.pem").write_bytes(openssl("x509", "-in", folder / "card.pem", "-noout", "-pubkey"))
    done = openssl("pkeyutl", "-verify", "-pubin", "-inkey", folder / "public.pem", "-sigfile",
                   folder / "signature", input=HASH.digest())
    assert b"Verified Successfully" in done


def test_the_same_seed_gives_the_same_key(signed):
    assert certificate_and_signature(7) == signed
    certificate, signature = certificate_and_signature(8)
    assert certificate != signed[0]
    assert signature != signed[1]
