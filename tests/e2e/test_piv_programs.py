# SPDX-License-Identifier: BSD-3-Clause
"""Programs that use PIV cards use the ready card piv: those of OpenSC, and Yubico's with its PKCS#11 module."""

import hashlib
import pathlib
import tempfile

import pytest

from programs import run

OPENSC, YKCS11 = "opensc-pkcs11.so", "libykcs11.so"
READER = ("--reader", "Yubico YubiKey")  # what Yubico's programs look for in a reader's name
MANAGEMENT_KEY = "0102030405060708" * 3

PRELUDE = """exec 2>&1
fails() {
    if "$@"; then echo "succeeded: $*"; exit 1; fi
}
"""


def in_rig(card, script, *arguments):
    """What the shell script prints. It ends at the first command that fails, except behind the word fails."""
    done = run("run", *READER, "--card", card, "--", "sh", "-ec", PRELUDE + script, "sh", *arguments)
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture
def folder(temporary):
    with tempfile.TemporaryDirectory(dir=temporary) as name:
        yield pathlib.Path(name)


@pytest.mark.parametrize("algorithm", ["rsa2048", "p256"])
@pytest.mark.parametrize("module", [OPENSC, YKCS11])
def test_pkcs11_tool_finds_nothing_wrong(module, algorithm):
    found = in_rig(f"piv,algorithm={algorithm},retired=1", 'pkcs11-tool --module "$1" --test --login --pin 123456', module)
    assert found.rstrip().endswith("No errors")
    assert algorithm == "p256" or found.count("RSA-PKCS: OK") >= 5


@pytest.mark.parametrize("module", [OPENSC, YKCS11])
@pytest.mark.parametrize("algorithm, mechanism", [("rsa2048", "SHA256-RSA-PKCS"), ("p256", "ECDSA"), ("p384", "ECDSA")])
def test_signatures_over_pkcs11(folder, module, algorithm, mechanism):
    (folder / "document").write_bytes(b"a document")
    (folder / "hash").write_bytes(hashlib.sha256(b"a document").digest())
    found = in_rig(f"piv,algorithm={algorithm}", """
        cd "$2"
        for id in 01 02 04; do
            pkcs11-tool --module "$1" --login --pin 123456 --sign --mechanism "$3" --id $id --input-file "$4" \
                --output-file signature --signature-format openssl
            pkcs11-tool --module "$1" --read-object --type cert --id $id --output-file certificate
            openssl x509 -inform DER -in certificate -noout -pubkey >public
            openssl dgst -sha256 -verify public -signature signature document
        done""", module, folder, mechanism, "hash" if mechanism == "ECDSA" else "document")
    assert found.count("Verified OK") == 3


@pytest.mark.parametrize("module", [OPENSC, YKCS11])
def test_a_secret_over_pkcs11(folder, module):
    in_rig("piv", """
        cd "$2"
        openssl ecparam -name prime256v1 -genkey -noout -out own
        openssl ec -in own -pubout -outform DER -out point
        pkcs11-tool --module "$1" --login --pin 123456 --derive --mechanism ECDH1-DERIVE --id 03 --input-file point \
            --output-file secret
        pkcs11-tool --module "$1" --read-object --type cert --id 03 --output-file certificate
        openssl x509 -inform DER -in certificate -noout -pubkey >public
        openssl pkeyutl -derive -inkey own -peerkey public -out expected
        cmp secret expected""", module, folder)


def test_opensc_knows_the_card(folder):
    (folder / "key").write_text(":".join(MANAGEMENT_KEY[at:at + 2] for at in range(0, 48, 2)))
    found = in_rig("piv,retired=2", """
        cd "$1"
        piv-tool --name
        pkcs15-tool --list-certificates
        pkcs15-tool --verify-pin --pin 123456
        pkcs15-tool --change-pin --pin 123456 --new-pin 654321
        fails pkcs15-tool --unblock-pin --puk 87654321 --new-pin 222222
        pkcs15-tool --unblock-pin --puk 12345678 --new-pin 222222
        pkcs15-tool --verify-pin --pin 222222
        openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=imported -out certificate
        PIV_EXT_AUTH_KEY=key piv-tool --admin M:9B:03 --cert 9E --in certificate || true  # its exit status is a length
        pkcs15-tool --read-certificate 04 | openssl x509 -noout -subject -nameopt RFC2253""", folder)
    assert "Personal Identity Verification Card" in found
    assert "Retired Certificate for Key Management 2" in found
    assert "CN=imported" in found


def test_yubico_piv_tool(folder):
    found = in_rig("piv", """
        cd "$1"
        yubico-piv-tool --action status
        yubico-piv-tool --action verify-pin --pin 123456
        yubico-piv-tool --action change-pin --pin 123456 --new-pin 654321
        fails yubico-piv-tool --action verify-pin --pin 111111
        yubico-piv-tool --action unblock-pin --pin 12345678 --new-pin 123456
        yubico-piv-tool --action change-puk --pin 12345678 --new-pin 87654321
        yubico-piv-tool --key=$2 --action set-chuid --action set-ccc
        for key in RSA2048 ECCP256 ECCP384; do
            yubico-piv-tool --key=$2 --action generate --slot 9e --algorithm $key --output public
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca -subj /CN=CA -out ca.pem
            openssl req -new -key ca -subj /CN=generated | openssl x509 -req -force_pubkey public -CA ca.pem -CAkey ca \
                -CAcreateserial -out certificate
            yubico-piv-tool --key=$2 --action import-certificate --slot 9e --input certificate
            yubico-piv-tool --action test-signature --slot 9e --input certificate
            yubico-piv-tool --action test-decipher --slot 9e --input certificate
        done
        yubico-piv-tool --action read-certificate --slot f9 --output f9
        yubico-piv-tool --action attest --slot 9e --output attested
        openssl verify -CAfile f9 attested
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl ec |
            yubico-piv-tool --key=$2 --action import-key --slot 9d
        openssl genrsa -traditional 2048 | yubico-piv-tool --key=$2 --action import-key --slot 82 --pin-policy always
        fails yubico-piv-tool --action attest --slot 9d
        yubico-piv-tool --key=$2 --action delete-certificate --slot 9c
        yubico-piv-tool --key=$2 --action set-mgm-key --new-key 000102030405060708090a0b0c0d0e0f1011121314151617
        fails yubico-piv-tool --key=$2 --action set-ccc
        yubico-piv-tool --key=000102030405060708090a0b0c0d0e0f1011121314151617 --action verify-pin --pin 123456 \
            --action pin-retries --pin-retries 2 --puk-retries 1""", folder, MANAGEMENT_KEY)
    for text in ("Serial Number:\t12345678", "CN=PIV Authentication", "RSA verification", "ECDSA verification",
                 "RSA decryption", "ECDH exchange", "attested: OK"):
        assert text in found, text


def test_yubico_piv_tool_resets_the_card():
    found = in_rig("piv", """
        fails yubico-piv-tool --action reset
        for try in 1 2 3; do
            fails yubico-piv-tool --action verify-pin --pin 111111
            fails yubico-piv-tool --action unblock-pin --pin 11111111 --new-pin 111111
        done
        yubico-piv-tool --action reset
        yubico-piv-tool --action verify-pin --pin 123456 --action status""")
    assert "CHUID:\tNo data available" in found and "Slot" not in found
