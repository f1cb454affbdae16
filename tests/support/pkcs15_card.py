# SPDX-License-Identifier: BSD-3-Clause
"""The ready card pkcs15 as pkcs15-init and the other programs of OpenSC fill and use it."""

import hashlib

from home import Home

SO_PIN = ("--so-pin", "87654321")
PIN = ("--pin", "1234")
PUK = "12345678"
DATA = b"a document"


class Card(Home):
    """A card in a rig, and a folder for what the programs read and write."""

    def __init__(self, rig, folder):
        super().__init__(rig, folder, text=False)
        (folder / "hash").write_bytes(hashlib.sha256(DATA).digest())

    def init(self, *words):
        return self.do("pkcs15-init", *words, *SO_PIN)

    def initialize(self):
        self.do("pkcs15-init", "--erase-card")
        self.init("--create-pkcs15", "--so-puk", PUK)
        self.init("--store-pin", "-a", 1, "-l", "User", *PIN, "--puk", PUK)
        self.do("pkcs15-init", "--finalize")

    def generate(self, algorithm, identifier, usage):
        self.init("--generate-key", algorithm, "-a", 1, "-i", identifier, "--key-usage", usage, *PIN)
        self.do("pkcs15-tool", "--read-public-key", identifier, "-o", "public.pem")

    def sign(self, identifier, *options):
        self.do("pkcs15-crypt", "--sign", "-k", identifier, *PIN, "-i", "hash", "-o", "signature", *options)

    def openssl_verifies(self):
        assert b"Verified Successfully" in self.do(
            "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "hash", "-sigfile", "signature",
            "-pkeyopt", "digest:sha256")
