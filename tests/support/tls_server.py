# SPDX-License-Identifier: BSD-3-Clause
"""A TLS server on loopback that insists on a client's certificate."""

import subprocess

from waiting import TIMEOUT, Lines

CERTIFICATE = "server.pem"
SAYS = "hello\nCLOSE\n"  # to openssl s_server -rev, which answers the first line and ends at the second


def make_server_certificate(home):
    """In CERTIFICATE, with its key in server.key."""
    home.do("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "server.key", "-out", CERTIFICATE, "-subj", "/CN=localhost", "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1")


class TlsServer:
    """openssl s_server for one client, which must have the certificate in a file. It sends lines back reversed."""

    def __init__(self, home, client):
        make_server_certificate(home)
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert", CERTIFICATE, "-key", "server.key",
             "-Verify", "0", "-verify_return_error", "-CAfile", client, "-rev"],
            cwd=home.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        lines = Lines(self.process.stdout)
        while not (line := lines.next()).startswith("ACCEPT "):
            assert line, "openssl s_server has ended"
        self.port = int(line.rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()

    def end(self):
        """Waits until it has served its client. Returns what it says about it."""
        return self.process.communicate(timeout=TIMEOUT)[0].decode()
