# SPDX-License-Identifier: BSD-3-Clause
"""Cards with files, in a reader: the purse of the examples, and the empty card to begin with."""

import subprocess

from programs import CARDS, run
from rig import Rig

KEY = bytes(range(16))
VERIFY = "0020000104" + b"1234".hex()
SELECT_PURSE = "00A4040C06F07075727365"
BALANCE, LAST_CHANGE = "00B0810004", "00B2011409"
NEW_FILE = "00E00000" "12" "6210" "820101" "80020005" "83021201" "8C03419090"  # deleted and read with the PIN


def cmac(data):
    done = subprocess.run(["openssl", "mac", "-cipher", "AES-128-CBC", "-macopt", f"hexkey:{KEY.hex()}", "CMAC"],
                          input=data, capture_output=True, check=True)
    return bytes.fromhex(done.stdout.decode().strip())[:8]


def change(client, ins, amount, key_is_right=True):
    _, challenge = client.transmit("0084000008")
    data = bytes.fromhex(challenge[:16] + f"80{ins}0000{amount:08x}")
    mac = cmac(data if key_is_right else data[::-1])
    _, answer = client.transmit(f"80{ins}00000c{amount:08x}{mac.hex()}04")
    return answer


def send(client, *commands):
    return [client.transmit(command)[1] for command in commands]


def test_the_purse():
    with Rig("--card", CARDS / "purse.lua") as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert send(client, SELECT_PURSE, BALANCE, VERIFY, BALANCE) == ["9000", "6982", "9000", "000027109000"]
        assert change(client, "52", 2500) == "00001d4c9000"
        assert change(client, "50", 1) == "00001d4d9000"
        assert change(client, "52", 1, key_is_right=False) == "6982"
        assert change(client, "52", 7502) == "6985"
        assert send(client, LAST_CHANGE, "00D681000400000001", "00E40000", "00E4000002EF01") == [
            "500000000100001d4d9000", "6982", "6982", "6982"]
        assert client.transmit("80520000" "0c" + "00" * 12)[1] == "6985"  # without a challenge
        client.reconnect("warm")
        assert change(client, "52", 1) == "6982"
        assert change(client, "50", 1) == "00001d4e9000"


def test_the_blank_card_keeps_files_and_pin(temporary):
    state = temporary / "state"
    with Rig("--card", f"blank,pin=4321,tries=5,state={state}") as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert send(client, NEW_FILE, "00B0000005", "0020000104" + b"4321".hex(), "00D60000026869",
                    "00B0000005") == ["9000", "6982", "9000", "6982", "00000000009000"]
        assert send(client, "00240001" "08" + b"43211111".hex(), "00200001" "04" + b"4321".hex()) == ["9000", "63c4"]
    with Rig("--card", f"blank,pin=4321,tries=5,state={state}") as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert send(client, "00200001", "00A4000C021201", "00B0000005", "0020000104" + b"1111".hex(),
                    "00B0000005") == ["63c4", "9000", "6982", "9000", "00000000009000"]
        assert send(client, "00E40000", "00A4000C021201") == ["9000", "6a82"]
    state.unlink()


def test_arguments_of_the_blank_card():
    for argument, expected in (("pin=1", "pin: expected 4 to 16 characters"), ("tries=16", "tries: expected a number"),
                               ("room=x", "room: expected a number")):
        done = run("check", f"blank,{argument}")
        assert done.returncode == 1
        assert expected in done.stderr
