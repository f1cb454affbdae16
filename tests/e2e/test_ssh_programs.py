# SPDX-License-Identifier: BSD-3-Clause
"""ssh logs in to a real sshd with the keys on a card: over PKCS#11, by ssh-agent, by gpg-agent."""

import pytest

from gnupg import GnuPG
from home import MODULE_PATH, home_with
from rig import Rig
from ssh_server import SshServer, answer_questions, ssh_agent

PIN = "123456"


@pytest.fixture(params=["rsa2048", "p256"])
def home(request, temporary):
    with home_with(f"piv,algorithm={request.param}", temporary) as home:
        answer_questions(home, PIN)
        yield home


def card_keys(home):
    keys = home.do("ssh-keygen", "-D", MODULE_PATH)
    assert [line.partition(" ")[2].partition(" ")[2] for line in keys.splitlines()] == [
        "PIV AUTH pubkey", "SIGN pubkey", "KEY MAN pubkey", "CARD AUTH pubkey"]
    return keys


def test_ssh_logs_in(home):
    server = SshServer(home, card_keys(home).splitlines()[0])
    assert home.do(*server.login("-I", MODULE_PATH)) == "welcome\n"
    assert "Enter PIN for 'PIV Authentication'" in (home.folder / "asked").read_text()


def test_ssh_agent_logs_in(home):
    keys = card_keys(home)
    server = SshServer(home, keys)
    with ssh_agent(home):
        home.do("ssh-add", "-s", MODULE_PATH)
        assert len(home.do("ssh-add", "-L").splitlines()) == 4
        home.do("ssh-add", "-T", "authorized")
        assert home.do(*server.login()) == "welcome\n"
        home.do("ssh-add", "-e", MODULE_PATH)
        assert home.run(*server.login()).returncode != 0


@pytest.mark.parametrize("keys", ["rsa2048", "nistp256", "ed25519"])
def test_gpg_agent_logs_in(keys):
    with Rig("--card", f"openpgp,keys={keys}") as rig, GnuPG(rig, user=PIN) as gnupg:
        gnupg.environment["SSH_AUTH_SOCK"] = gnupg.do("gpgconf", "--list-dirs", "agent-ssh-socket").strip()
        server = SshServer(gnupg, gnupg.do("ssh-add", "-L"))
        assert gnupg.do(*server.login()) == "welcome\n"
