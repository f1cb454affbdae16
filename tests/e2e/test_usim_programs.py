# SPDX-License-Identifier: BSD-3-Clause
"""wpa_supplicant's EAP peer authenticates with the ready card usim, at hostapd's EAP server: EAP-SIM, EAP-AKA, EAP-AKA'."""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from authentication_centre import Centre
from card_events import disconnect, insert, reconnect, replug
from ports import free_ports
from programs import run
from rig import Rig
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


def authenticate_in(rig, folder, centre, method):
    """Returns whether it succeeded, and what the peer printed."""
    (folder / "peer").write_text(NETWORK.format(method=method))
    with server(folder, centre) as port:
        done = subprocess.run(["eapol_test", "-c", folder / "peer", "-a", "127.0.0.1", "-p", str(port), "-s", "secret", "-R",
                               "", "-t", str(TIMEOUT)], env=rig.environment(), capture_output=True, text=True,
                              timeout=2 * TIMEOUT)
    return done.returncode == 0 and done.stdout.rstrip().endswith("SUCCESS"), done.stdout


def authenticate(folder, centre, method, card="usim", level="apdu"):
    with Rig("--reader", f"reader,level={level}", "--card", card) as rig:
        return authenticate_in(rig, folder, centre, method)


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


def fails_in(rig, folder, centre, method):
    """Returns what the peer printed. The next authentication succeeds."""
    success, output = authenticate_in(rig, folder, centre, method)
    assert not success and output.rstrip().endswith("FAILURE"), output
    if not rig.card():
        insert(rig)
    success, after = authenticate_in(rig, folder, Centre(KEY, OPC, centre.sqn), method)
    assert success and "fetching PIN retry counter" in after and "63 c3" in after, after
    return output


@pytest.mark.parametrize("method", ["SIM", "AKA", "AKA'"])
@pytest.mark.parametrize("event", ["removal", "power-loss"])
def test_the_card_goes_while_it_authenticates(folder, method, event):
    """The peer fails at once. At the command that verifies the PIN, it would wait for somebody to give it another PIN."""
    with Rig("--card", "usim") as rig:
        rig.do("fault", faults=[event + ":00 88"])
        fails_in(rig, folder, Centre(KEY, OPC), method)


@pytest.mark.parametrize("method", ["SIM", "AKA", "AKA'"])
@pytest.mark.parametrize("event, error", [(reconnect, "68"), (disconnect, "68"), (replug, "6[79]")])
def test_the_card_is_reset_before_it_authenticates(folder, method, event, error):
    """The peer has verified the PIN and read the IMSI, and the server asks the centre. The peer does not connect again."""
    with Rig("--card", "usim") as rig:
        output = fails_in(rig, folder, Centre(KEY, OPC, happens=lambda: event(rig)), method)
    assert re.search(rf"00 88 00 8.*\nSCardTransmit failed \(err=0x801000{error}\)", output.replace("SCARD: ", "")), output


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
