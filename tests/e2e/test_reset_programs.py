# SPDX-License-Identifier: BSD-3-Clause
"""Programs that wait in the middle, while another client resets the card, or somebody takes it out and puts it in again."""

import contextlib
import hashlib
import itertools
import re
import socket
import ssl
import subprocess

import pytest

from card_events import RESETS, another_client, replug
from gates import Gate, ask_in_terminal
from home import MODULE, MODULE_PATH, home_with
from keytool import key_store
from pkcs15_card import PIN as USER_PIN
from pkcs15_card import SO_PIN, Card
from tls_server import CERTIFICATE, make_server_certificate
from waiting import TIMEOUT, wait_for

PIN = "123456"
KEY = "pkcs11:id=%01;type=private"
KEY_WITH_PIN = f"{KEY}?pin-value={PIN}"
MANAGEMENT_KEY = "0102030405060708" * 3
REMOVED = "CKR_DEVICE_REMOVED", "CKR_GENERAL_ERROR", "CKR_DEVICE_ERROR"  # whether pcscd has seen the removal already


@pytest.fixture
def home(temporary):
    with home_with("piv", temporary, options=("--reader", "Yubico YubiKey")) as home:
        home.environment.update(PKCS11_MODULE_PATH=MODULE_PATH, PIV_EXT_AUTH_KEY="key")
        (home.folder / "hash").write_bytes(hashlib.sha256(b"a document").digest())
        (home.folder / "key").write_text(":".join(re.findall("..", MANAGEMENT_KEY)))
        home.do("pkcs15-tool", "--read-certificate", "01", "-o", "certificate")
        yield home


def tries_left(home, verify="00200080", select="00A4040005A000000308"):
    """What VERIFY without data answers after a reset."""
    with another_client(home.rig) as client:
        assert client.reconnect("warm")[0] == "ok"
        client.transmit(select)
        answer = client.transmit(verify)[1]
    assert answer.startswith("63c"), answer
    return int(answer[3:])


def check(what, printed, status, says):
    """It succeeds, or says one of these texts."""
    if not says:
        assert status == 0, (what, printed)
    else:
        assert status != 0 and any(text in printed for text in says), (what, printed, status)


def meanwhile(home, run, after_reset, after_replug):
    """All that can happen; then nothing does, and all is well. run() takes what happens."""
    for happens, says in (*((reset, after_reset) for reset in RESETS), (replug, after_replug)):
        check(happens, *run(lambda: happens(home.rig)), says)
    check("nothing", *run(lambda: None), ())


SIGN = "--sign", "-m", "ECDSA", "--id", "01", "-o", "signature", "-i"
ENGINE = "-engine", "pkcs11", "-keyform", "engine"
PROGRAMS_THAT_ASK = {
    "pkcs11-tool": (("pkcs11-tool", "--login", *SIGN, "hash"), REMOVED),
    "ykcs11": (("pkcs11-tool", "--module", "libykcs11.so", "--login", *SIGN, "hash"), REMOVED),
    "p11tool": (("p11tool", "--provider", MODULE, "--test-sign", "--login", KEY), ("PKCS #11 error",)),
    "openssl": (("openssl", "dgst", *ENGINE, "-sign", KEY, "-sha256", "-out", "signature", "hash"),
                ("Device removed", "General Error")),
    "pkcs15-tool": (("pkcs15-tool", "--verify-pin"), ("Card removed", "Operation failed")),
    "pkcs15-crypt": (("pkcs15-crypt", "--sign", "-k", "01", "-i", "hash", "-o", "signature"), ("Card removed", "failed")),
    "yubico-piv-tool": (("yubico-piv-tool", "-a", "verify-pin", "-a", "test-signature", "-s", "9a", "-i", "certificate"),
                        ("Pin code verification failed",))}


@pytest.mark.parametrize("program", PROGRAMS_THAT_ASK)
def test_a_program_asks_for_the_pin(home, program):
    """After a reset it goes on. It has not verified the PIN yet, so nothing is lost."""
    command, removed = PROGRAMS_THAT_ASK[program]
    meanwhile(home, lambda happens: ask_in_terminal(home, command, happens, PIN), (), removed)
    assert tries_left(home) == 3


def test_keytool_asks_for_the_pin(home):
    store = key_store(home)
    command = "keytool", "-certreq", *store, "-alias", "Certificate for PIV Authentication", "-file", "request"
    meanwhile(home, lambda happens: ask_in_terminal(home, command, happens, PIN), (), ("load failed",))
    assert tries_left(home) == 3


# The command, what is in the file, what it says after a reset, and after a removal.
LOGGED_IN = {
    "pkcs11-tool": (("pkcs11-tool", "--login", "--pin", PIN, *SIGN), "hash", ("CKR_USER_NOT_LOGGED_IN",), REMOVED),
    "ykcs11": (("pkcs11-tool", "--module", "libykcs11.so", "--login", "--pin", PIN, *SIGN), "hash", (), REMOVED),
    "openssl": (("openssl", "dgst", *ENGINE, "-sign", KEY_WITH_PIN, "-sha256", "-out", "signature"), "hash",
                ("User not logged in",), ("Device removed", "General Error")),
    "pkcs15-crypt": (("pkcs15-crypt", "--sign", "-k", "01", "--pin", PIN, "-o", "signature", "-i"), "hash",
                     ("Security status not satisfied",), ("Card removed", "failed")),
    "yubico-piv-tool": (("yubico-piv-tool", "-a", "verify-pin", "-P", PIN, "-a", "test-signature", "-s", "9a", "-i"),
                        "certificate", (), ("Failed signing test data",)),
    "yubico-piv-tool-imports": (("yubico-piv-tool", "--key=" + MANAGEMENT_KEY, "-a", "import-certificate", "-s", "9a", "-i"),
                                "certificate", (), ("Failed",))}


@pytest.mark.parametrize("program", LOGGED_IN)
def test_a_program_has_verified_the_pin(home, program):
    """Some verify it again after a reset, others say that they are logged in no more."""
    command, contents, reset, removed = LOGGED_IN[program]
    gate = Gate(home.folder, (home.folder / contents).read_bytes())
    meanwhile(home, lambda happens: gate.run(home, (*command, gate.path), happens), reset, removed)
    assert tries_left(home) == 3


def test_keytool_has_verified_the_pin(home):
    """It reads a request for a certificate, which the key then signs."""
    store = *key_store(home, PIN), "-alias", "Certificate for PIV Authentication"
    home.do("keytool", "-certreq", *store, "-file", "request")
    gate = Gate(home.folder, (home.folder / "request").read_bytes())
    command = "keytool", "-gencert", *store, "-infile", gate.path, "-outfile", "signed"
    invalid = "Token has been removed"  # it looks at the token, but not within 50 ms after it has done so
    meanwhile(home, lambda happens: gate.run(home, command, happens), (invalid, "CKR_USER_NOT_LOGGED_IN"),
              (invalid, *REMOVED))
    assert tries_left(home) == 3


def openssl_client(port):
    return ("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-CAfile", CERTIFICATE, "-verify_return_error",
            *ENGINE, "-key", KEY_WITH_PIN, "-cert", "certificate")


def gnutls_client(port):
    return ("gnutls-cli", "--provider", MODULE, "--port", port, "--x509cafile", CERTIFICATE, "--x509keyfile", KEY_WITH_PIN,
            "--x509certfile", "pkcs11:id=%01;type=cert", "127.0.0.1")


@pytest.mark.parametrize("client, reset, removed", [
    (openssl_client, "User not logged in", "Device removed|General Error"),
    (gnutls_client, "PKCS #11 user error", "PKCS #11 error")], ids=["openssl", "gnutls-cli"])
def test_a_tls_client_is_connected(home, client, reset, removed):
    """It has verified the PIN before. When the server answers, the client signs."""
    make_server_certificate(home)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=home.folder / "certificate")
    context.load_cert_chain(home.folder / CERTIFICATE, home.folder / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED

    def connect(happens):
        """Returns whether the server has seen the certificate, and what the client prints."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(TIMEOUT)
            command = list(map(str, client(server.getsockname()[1])))
            with subprocess.Popen(command, env=home.environment, cwd=home.folder, stdin=subprocess.PIPE, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
                connection = server.accept()[0]
                connection.settimeout(TIMEOUT)
                happens()
                seen = None
                with connection, contextlib.suppress(ssl.SSLError):
                    seen = context.wrap_socket(connection, server_side=True).getpeercert()
                return seen, process.communicate(timeout=TIMEOUT)[0]

    for happens, says in (*((one, reset) for one in RESETS), (replug, removed)):
        seen, printed = connect(lambda: happens(home.rig))
        assert not seen and re.search(says, printed), (happens, printed)
    assert connect(lambda: None)[0]
    assert tries_left(home) == 3


def test_piv_tool_has_the_card_for_itself(home):
    """It reads a certificate, after the authentication by the management key. A reset waits until it has ended."""
    command = "piv-tool", "--admin", "M:9B:03", "--cert", "9E", "--in"  # its exit status is a length
    gate = Gate(home.folder, (home.folder / "certificate").read_bytes())
    stored = "pkcs15-tool", "--read-certificate", "04"
    before = home.do(*stored)
    gate.run(home, (*command, gate.path), lambda: replug(home.rig))
    assert home.do(*stored) == before
    with another_client(home.rig) as client:
        gate.run(home, (*command, gate.path), lambda: client.start("reconnect", "warm"))
        assert client.finish()[0] == "ok"
    assert home.do(*stored) == (home.folder / "certificate").read_text()


def test_openpgp_tool_has_the_card_for_itself(temporary):
    """A reset waits until it has ended."""
    with home_with("openpgp", temporary) as home, another_client(home.rig) as client:
        command = "openpgp-tool", "--verify", "CHV3", "--pin", "12345678", "--gen-key", "1", "--key-type", "rsa3072"
        with subprocess.Popen(command, env=home.environment, stdout=subprocess.PIPE, text=True) as process:
            wait_for("the card generates a key", lambda: home.rig.do("status")["slots"][0]["busy"])
            client.start("reconnect", "warm")
            assert "Fingerprint" in process.communicate(timeout=TIMEOUT)[0] and process.returncode == 0
        assert client.finish()[0] == "ok"
        assert home.rig.card()["resets"]["warm"] == 1


def test_a_pkcs15_card(temporary):
    """pkcs15-crypt and pkcs15-init verify the PIN again after a reset."""
    with home_with("pkcs15", temporary, Card) as card:
        card.initialize()
        card.generate("ec/prime256v1", 10, "sign")
        card.do("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "certificate", "-subj",
                "/CN=Alice")
        gate, identifiers = Gate(card.folder), itertools.count(20)

        def sign(happens):
            gate.contents = (card.folder / "hash").read_bytes()
            command = "pkcs15-crypt", "--sign", "-k", 10, *USER_PIN, "-i", gate.path, "-o", "signature"
            return gate.run(card, (*command, "--signature-format", "openssl"), happens)

        def store(happens):
            gate.contents = (card.folder / "certificate").read_bytes()
            command = "pkcs15-init", "--store-certificate", gate.path, "-a", 1, "-i", next(identifiers)
            return gate.run(card, (*command, *USER_PIN, *SO_PIN), happens)

        def verify(happens):
            return ask_in_terminal(card, ("pkcs15-tool", "--verify-pin", "-a", 1), happens, USER_PIN[1])

        for run in sign, store, verify:
            meanwhile(card, run, (), ("Card removed", "failed"))
        card.openssl_verifies()
        assert card.do("pkcs15-tool", "--list-certificates").count(b"X.509 Certificate") == 3
        assert tries_left(card, "00200001", "00A4000C023F00") == 3
