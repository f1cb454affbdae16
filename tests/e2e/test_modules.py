# SPDX-License-Identifier: BSD-3-Clause
"""The modules that cards of one's own can share with the ready cards: modules.lua and milenage_sets.lua test each function."""

import pathlib
import subprocess

from programs import run
from rig import Rig

HERE = pathlib.Path(__file__).parent
KEY = "000102030405060708090A0B0C0D0E0F"


def test_each_function():
    done = run("check", HERE / "modules.lua")
    assert done.returncode == 0, done


def test_milenage():
    done = run("check", HERE / "milenage_sets.lua")
    assert done.returncode == 0, done


def mac(data):
    done = subprocess.run(["openssl", "mac", "-cipher", "AES-128-CBC", "-macopt", f"hexkey:{KEY}", "CMAC"],
                          input=bytes.fromhex(data), capture_output=True, check=True)
    return done.stdout.decode().strip()[:16]


def test_a_purse():
    with Rig("--card", f"{HERE / 'purse.lua'},pin=4321") as rig, rig.client() as client:
        client.establish()
        client.connect()

        def send(command):
            return client.transmit(command)[1]

        def debit(amount, key=""):
            challenge = send("0084000008")[:16]
            return send(f"8054000010 8104{amount:08X} 8E08{key or mac(challenge + f'{amount:08X}')} 04".replace(" ", ""))

        assert send("8050000004") == "000000649000"
        assert debit(7) == "6982"
        assert send("0020000104" + b"4321".hex()) == "9000"
        assert debit(7) == "0000005d9000"
        assert debit(94) == "6985"
        assert debit(7, "00" * 8) == "6982"
        assert send("8054000003810100") == "6985"
        assert send("8050000004") == "0000005d9000"
