# SPDX-License-Identifier: BSD-3-Clause
"""Java's keytool with a card as its key store, by SunPKCS11."""

from home import MODULE_PATH

# It is to start quickly, and to leave nothing in /tmp.
MACHINE = "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-J-XX:-UsePerfData"


def key_store(home, pin=None):
    """keytool's options for it. Without a PIN it asks for it."""
    (home.folder / "sunpkcs11").write_text(f"name = card\nlibrary = {MODULE_PATH}\nslotListIndex = 0\n")
    return ("-keystore", "NONE", "-storetype", "PKCS11", "-addprovider", "SunPKCS11", "-providerArg", "sunpkcs11",
            *(("-storepass", pin) if pin else ()), *MACHINE)
