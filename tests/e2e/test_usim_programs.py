# SPDX-License-Identifier: BSD-3-Clause
"""wpa_supplicant's EAP peer authenticates with the ready card usim, at hostapd's EAP server: EAP-SIM, EAP-AKA, EAP-AKA'."""

import contextlib
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import tempfile

import pytest

from authentication_centre import Centre
from ports import free_ports
from programs import CARDRIG, run
from waiting import TIMEOUT, Lines

KEY, OPC = "465B5CE8B199B49FAA5F0A2EE238A6BC", "CD63CB71954A9F4E48A5994E37A02BAF"  # the card's own

HOSTAPD_PROGRAM = shutil.which("hostapd", path=os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin")
HOSTAPD = """interface=server
driver=none
eap_server=1
eap_user_file={folder}/users
eap_sim_db=unix:{folder}/centre
eap_sim_db_timeout=60
radius_server_clients={folder}/clients
radius_server_auth_port={port}
"""

# The first digit of an identity says which method the peer wants.
USERS = """"0"* AKA
"1"* SIM
"6"* AKA'
"""

NETWORK = """network={{
    key_mgmt=IEEE8021X
    eap={method}
    pcsc=""
    pin="1234"
}}
"""

@pytest.fixture
def folder(temporary):
    with tempfile.TemporaryDirectory(dir=temporary) as name:
        yield pathlib.Path(name)


@contextlib.contextmanager
def server(folder, centre):
    """hostapd, which asks the authentication centre. Yields its port."""
    port = free_ports(1, socket.SOCK_DGRAM)
    (folder / "hostapd").write_text(HOSTAPD.format(folder=folder, port=port))
    (folder / "users").write_text(USERS)
    (folder / "clients").write_text("127.0.0.1 secret\n")
    with centre.at(folder / "centre"), subprocess.Popen(["stdbuf", "-oL", HOSTAPD_PROGRAM, "hostapd"], cwd=folder, text=True,
                                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            lines = Lines(process.stdout)
            while "AP-ENABLED" not in (line := lines.next()):
                assert line, "hostapd has ended"
            yield port
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def authenticate(folder, centre, method, card="usim", level="apdu", fault=""):
    """Returns whether it succeeded, and what the peer printed."""
    first = shlex.join([str(CARDRIG), "fault", fault]) if fault else "true"
    (folder / "peer").write_text(NETWORK.format(method=method))
    with server(folder, centre) as port:
        done = run("run", "--reader", f"reader,level={level}", "--card", card, "--", "sh", "-c",
                   f'{first} && exec "$@"', "-", "eapol_test", "-c", folder / "peer", "-a", "127.0.0.1", "-p", port,
                   "-s", "secret", "-R", "", "-t", str(TIMEOUT))
    return done.returncode == 0 and done.stdout.rstrip().endswith("SUCCESS"), done.stdout


@pytest.mark.parametrize("method, level", [("SIM", "apdu"), ("AKA", "tpdu"), ("AKA'", "apdu")])
def test_an_authentication(folder, method, level):
    centre = Centre(KEY, OPC)
    success, output = authenticate(folder, centre, method, level=level)
    assert success, output
    assert centre.asked == ["SIM-REQ-AUTH" if method == "SIM" else "AKA-REQ-AUTH"]


def test_a_sim_without_usim(folder):
    """The peer then uses class A0, and RUN GSM ALGORITHM."""
    success, output = authenticate(folder, Centre(KEY, OPC), "SIM", card="usim,gsm,pin=off")
    assert success, output
    assert "USIM is not supported" in output and "a0 88 00 00 10" in output


def test_a_resynchronisation(folder):
    """The card has used higher sequence numbers than the centre knows; AUTS tells it which."""
    centre = Centre(KEY, OPC)
    success, output = authenticate(folder, centre, "AKA", card="usim,sqn=000000123440")
    assert success, output
    assert "UMTS Synchronization-Failure" in output
    assert centre.asked == ["AKA-REQ-AUTH", "AKA-AUTS", "AKA-REQ-AUTH"] and centre.sqn == 0x123460


def test_another_network(folder):
    success, output = authenticate(folder, Centre(KEY, OPC[::-1]), "AKA")
    assert not success and "UMTS auth failed - MAC != XMAC" in output, output


@pytest.mark.parametrize("event", ["removal", "power-loss"])
def test_the_card_goes_while_it_authenticates(folder, event):
    """The peer fails at once. At the command that verifies the PIN, it would wait for somebody to give it another PIN."""
    success, output = authenticate(folder, Centre(KEY, OPC), "AKA", fault=f"{event}:00 88")
    assert not success and output.rstrip().endswith("FAILURE"), output


def try_card(pin):
    """What eapol_test does with a card alone."""
    card = "usim,k=90DCA4EDA45B53CF0F12D7C9C3BC6A89,opc=CB9CCCC4B9258E6DCA4760379FB82581"
    return run("run", "--card", card, "--", "eapol_test", "-R", "", "-P", pin, "scard").stdout


def test_the_peers_own_vector():
    """It has an AUTN for the key of test set 20."""
    output = try_card("1234")
    assert "MNC length 2" in output and "UMTS auth completed successfully" in output, output
    assert output.count("1001010000000001,") == 5


def test_a_wrong_pin():
    output = try_card("4321")
    assert "63 c2" in output and "PIN verification failed" in output, output
