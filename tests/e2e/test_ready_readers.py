# SPDX-License-Identifier: BSD-3-Clause
"""The ready readers that look like products: the table of docs/READERS.md, and programs that know such readers by their names
or IDs and do something else with them."""

import pytest

from gnupg import GnuPG
from home import home_with
from programs import run
from rig import Rig
from tables import rows

FEATURES, PROPERTIES = 0x42000000 + 3400, 0x42330012
UNSUPPORTED = ["SCARD_E_UNSUPPORTED_FEATURE", ""]


def text(value):
    return value.strip("`")


def plain(value):
    """Bytes of the table, as a client returns them; a dash stands for none."""
    return None if value == "–" else text(value).replace(" ", "").lower()


def tags(answer):
    """Of a list of features, each with a code of four bytes."""
    code, features = answer
    assert code == "ok" and len(features) % 12 == 0
    return [features[at:at + 2] for at in range(0, len(features), 12)]


PRODUCTS = {text(row[0]): row[1:] for row in rows("docs/READERS.md", "reader")}


@pytest.mark.parametrize("where", ["", ",on-usb"])
@pytest.mark.parametrize("reader", PRODUCTS)
def test_the_table(reader, where):
    name, ids, vendor, version, features, properties = PRODUCTS[reader]
    with Rig("--reader", reader + where, "--empty") as rig, rig.client() as client:
        client.establish()
        assert client.readers() == ["ok", [text(name) + " 00 00"]]
        assert client.connect_directly()[0] == "ok"
        assert client.attribute("VENDOR_NAME") == ["ok", text(vendor).encode().hex() + "00"]
        assert client.attribute("VENDOR_IFD_VERSION") == ["ok", bytes.fromhex(text(version))[::-1].hex()]
        assert tags(client.control(FEATURES)) == text(features).lower().split()
        expected = plain(properties)
        assert client.control(PROPERTIES) == (["ok", expected] if expected else UNSUPPORTED)
        usb = rig.do("status")["slots"][0]["usb"]
        assert (usb and usb["id"]) == (text(ids) if where else None)
        if expected:
            vendor_id, product_id = (bytes.fromhex(number)[::-1].hex() for number in text(ids).split(":"))
            assert f"0b02{vendor_id}0c02{product_id}" in expected


@pytest.mark.parametrize("reader, known", [("st2000", True), ("spr532", True), ("cyberjack", True), ("gempcpinpad", False)])
def test_scdaemon_knows_them(reader, known):
    """That a PIN can have any length there: by the IDs, or without properties by the name."""
    with Rig("--reader", reader, "--card", "openpgp") as rig, GnuPG(rig) as gnupg:
        serial = gnupg.card()["Application ID"]
        rig.press("123456 ok")
        assert (gnupg.agent(f"scd checkpin {serial}").splitlines()[-1] == "OK") == known


def test_opensc_knows_which_has_no_pin_pad(temporary):
    """It believes what the reader claims, unless it has the IDs of the OMNIKEY 3121."""
    other = temporary / "other.lua"
    other.write_text(run("readers", "--text", "omnikey3x21").stdout.replace("31 30", "32 30"))
    for reader, believed in (("omnikey3x21,claims-pinpad", False), (f"{other},claims-pinpad", True)):
        with home_with("piv", temporary, options=("--reader", reader)) as home:
            assert ("PIN pad" in home.do("opensc-tool", "--list-readers")) == believed
            done = home.run("pkcs11-tool", "--login", "--test", *(() if believed else ("--pin", "123456")))
            assert (done.returncode == 0) != believed, done
    other.unlink()


CARD = """
local last = ""
local function keep(cmd) last = cmd.raw return "", 0x9000 end
return { atr = "3B 80 01 81", commands = {
  { "00 CA", function() return last, 0x9000 end }, { "00 20", keep }, { "00 24", keep }, { "00 2C", keep } } }
"""
DIRECT, UNIVERSAL = 0x42000DB4, 0x42000DB5


def test_mct_commands(temporary):
    """Commands of TeleTrusT's MKT for the reader itself, alone and with addresses: what it is, and PERFORM and MODIFY
    VERIFICATION."""
    card = temporary / "card.lua"
    card.write_text(CARD)
    with Rig("--reader", "cyberjack", "--card", card) as rig, rig.client() as client:
        client.establish()
        client.connect()
        assert client.control(DIRECT, "2013008000") == ["ok", "800105" "9000"]
        assert client.control(DIRECT, "2013008100") == ["ok", "8103014050" "9000"]
        assert client.control(DIRECT, "20700000") == ["ok", "6d00"]
        assert client.control(UNIVERSAL, "0201" "0500" "2013008100") == ["ok", "0102" "0700" "8103014050" "9000"]
        assert client.control(UNIVERSAL, "0200" "0500" "00CA000000") == ["ok", "0002" "0200" "9000"]
        assert client.control(UNIVERSAL, "0201" "0900" "2013008100")[0] == "SCARD_E_NOT_TRANSACTED"
        for to_do, command in (("0106" "0020000108" + 8 * "20", "0020000108" "3132333420202020"),  # as libchipcard's StarCOS
                               ("0206" "00200001", "0020000108" "241234ffffffffff"),
                               ("4006" "0020000102" "FFFF", "0020000102" "1234")):
            rig.press("1234 ok" if to_do[0] == "0" else "1234")
            data = f"52{len(to_do) // 2:02X}{to_do}"
            assert client.control(DIRECT, f"20180100{len(data) // 2:02X}{data}") == ["ok", "9000"]
            assert client.transmit("00CA000000") == ["ok", command + "9000"]
        rig.press("cancel")
        assert client.control(DIRECT, "2018010009" "5207" "0106" "0020000100") == ["ok", "6401"]
        assert client.control(DIRECT, "2018010003" "800105") == ["ok", "6700"]
        for to_do, pins, command in (
                ("010600" "00240000", "4712 231546", "002400000A" "34373132" "323331353436"),  # the KAAN's manual has it
                ("02060E" "00240001", "1234 5678", "0024000110" "241234ffffffffff" "245678ffffffffff"),
                ("020600" "00240001", "1234 5678", "0024000110" "241234ffffffffff" "245678ffffffffff"),
                ("400608" "0024000104" "FFFFFFFF", "1234 5678", "0024000104" "12345678"),
                ("410600" "0024000108" + "FF" * 8, "1234 5678", "0024000108" "31323334" "35363738"),
                ("020606" "002C0101", "5678", "002C010108" "245678ffffffffff")):  # without an old PIN
            keys = " ok ".join([*pins.split(), pins.split()[-1]]) + " ok"
            rig.press(keys.replace(" ok", "") if to_do[0] == "4" else keys)
            data = f"52{len(to_do) // 2:02X}{to_do}"
            assert client.control(DIRECT, f"20190100{len(data) // 2:02X}{data}") == ["ok", "9000"], to_do
            assert client.transmit("00CA000000") == ["ok", command.lower() + "9000"], to_do
        assert client.control(DIRECT, "2019010008" "5206" "010600" "002400") == ["ok", "6700"]
        for to_do in ("010500" "00240000", "010605" "00240000", "010000" "00240000", "011506" "00240000",  # no such positions
                      "010E06" "00240000",  # the command grows, and the old PIN must be there first
                      "010600" "0024000108" + "FF" * 8,  # where does the old PIN end?
                      "02060A" "00240000", "410608" "0024000108" + "FF" * 8):  # one PIN in the other
            data = f"52{len(to_do) // 2:02X}{to_do}"
            assert client.control(DIRECT, f"20190100{len(data) // 2:02X}{data}") == ["ok", "6a00"], to_do
        for position in "05", "15", "FF":  # of the PIN: where no structure of part 10 could put it
            assert client.control(DIRECT, f"2018010009520702{position}0020000100") == ["ok", "6a00"]
    card.unlink()
