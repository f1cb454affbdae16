# SPDX-License-Identifier: BSD-3-Clause
"""What happens to the card in a rig while a program uses it: another client resets it, or it is taken out and put in."""

import contextlib

from card_state import insert_and_wait, wait_for_state


@contextlib.contextmanager
def another_client(rig):
    """It is connected to the card, which it shares."""
    with rig.client() as client:
        assert client.establish() == ["ok"] and client.connect()[0] == "ok"
        yield client


def reconnect(rig):
    with another_client(rig) as client:
        assert client.reconnect("warm")[0] == "ok"


def disconnect(rig):
    with another_client(rig) as client:
        assert client.disconnect("warm") == ["ok"]


RESETS = reconnect, disconnect


def insert(rig):
    """Until PC/SC has the card: a program that starts then finds it."""
    with rig.client() as client:
        assert client.establish() == ["ok"]
        insert_and_wait(client, rig)


def replug(rig):
    with rig.client() as client:
        assert client.establish() == ["ok"]
        rig.do("remove")
        wait_for_state(client, "EMPTY")
        insert_and_wait(client, rig)
