# SPDX-License-Identifier: BSD-3-Clause
"""The ready card usim: status words by tables, files, sequence numbers. Programs that use it: test_usim_programs.py."""

import pytest

from authentication_centre import Centre
from card_state import insert_and_wait, wait_for_state
from programs import run
from rig import Rig

KEY, OPC = "465B5CE8B199B49FAA5F0A2EE238A6BC", "CD63CB71954A9F4E48A5994E37A02BAF"  # the card's own
OTHER_KEY = "90DCA4EDA45B53CF0F12D7C9C3BC6A89"
RAND = "23553CBE9637A89D218AE64DAE47BF35"
SEED = bytes.fromhex(RAND)


def filled(digits):
    return digits.encode().hex().upper() + "FF" * (8 - len(digits))


PIN, PIN2, WRONG, NEW = filled("1234"), filled("5678"), filled("9999"), filled("567890")
PUK, ADM, NO_PIN = filled("12345678"), filled("12345678"), filled("123")
SELECT = "00A4040407A0000000871002"
VERIFY, VERIFY_ADM = "0020000108" + PIN, "0020000A08" + ADM
VERIFY_PIN2 = "0020008108" + PIN2
GSM_VERIFY, GSM_VERIFY2 = "A020000108" + PIN, "A020000208" + PIN2
GSM_VERIFY_ADM = "A020000A08" + ADM
RUN_GSM = "A088000010" + RAND
ADN = "A0A40000023F00", "A0A40000027F10", "A0A40000026F3A"


class Sim:
    """The card in a rig, over a client that deals with TPDUs."""

    def __init__(self, client):
        self.client = client
        client.establish()
        assert client.connect()[0] == "ok"

    def send(self, command):
        """Data and status word of one TPDU, without a GET RESPONSE."""
        result, answer = self.client.transmit(command.replace(" ", ""))
        assert result == "ok", command
        return answer[:-4].upper(), answer[-4:].upper()

    def data(self, command):
        """What the command returns, fetched after 61 XX, 6C XX and 9F XX as phones do."""
        data, status = self.send(command)
        if status[:2] in ("61", "9F"):
            data, status = self.send(command[:2] + "C00000" + status[2:])
        elif status[:2] == "6C":
            data, status = self.send(command[:8] + status[2:])
        assert status == "9000", (command, status)
        return data

    def authenticate(self, centre, sqn=None, rand=SEED):
        """The card's answer in the 3G context, and the status word if there is none."""
        data, status = self.send("0088008122" + "10" + rand.hex() + "10" + centre.autn(rand, sqn).hex())
        return self.send("00C00000" + status[2:])[0] if status[:2] == "61" else status


@pytest.fixture
def card(request):
    name = "usim" + getattr(request, "param", "")
    with Rig("--reader", "reader,level=tpdu", "--card", name, "--seed", 1) as rig, rig.client() as client:
        yield Sim(client)


# Each runs on a new card.
SEQUENCES = {
    "select": [
        ("00A40004023F00", "6122"), ("00A40000023F00", "6122"), ("00A4000C023F00", "9000"), ("00A40004022F00", "611C"),
        ("00A40004027F10", "6122"), ("00A40004025F3A", "6122"), ("00A40004024F3A", "611C"), ("00A4000402FFFF", "6A82"),
        ("00A40004027FFF", "6A82"), ("00A40804047FFF6F07", "6A82"), ("00A40804026F07", "6A82"),
        ("00A4040407A0000000871004", "6A82"), (SELECT, "6134"), ("00A40804047FFF6F07", "6119"),
        ("00A40804067FFF5F3B4F20", "6119"), ("00A40904027F10", "6A82"), ("00A4030400", "6C34"), ("00A40004027FFF", "6134"),
        ("00A4010402 5F3B", "6122"), ("00A4010402 6F07", "6A82"), ("00A4000802 3F00", "6A86"), ("00A4050402 3F00", "6A86"),
        ("00A4000401 3F", "6A87"), ("00A4008402 3F00", "6A86"), ("00A4004402 3F00", "6A86"),
        ("00A4044407A0000000871002", "9000"), ("00A40004027FFF", "6A82"),
    ],
    "status": [
        ("80F2000000", "6C22"), ("80F2000C00", "9000"), ("80F2010C00", "9000"), ("80F2030C00", "6A86"), ("80F2000500", "6A86"),
        (SELECT, "6134"), ("80F2000134", "6C12"), ("80F2000112", "9000"), ("80F2000010", "6C34"), ("80F2000034", "9000"),
    ],
    "binary": [
        ("00B0000001", "6986"), (SELECT, "6134"), ("00A40004026F07", "6119"), ("00B0000009", "6982"), (VERIFY, "9000"),
        ("00B0000009", "9000"), ("00B000000A", "6C09"), ("00B0000200", "6C07"), ("00B0000901", "6B00"), ("00B0870009", "9000"),
        ("00B0E00001", "6A86"), ("00B0990001", "6A82"), ("00D600000108", "6982"), ("00B0830004", "9000"), (VERIFY_ADM, "9000"),
        ("00D687000108", "9000"), ("00D6870009 08091010000000001000", "9000"), ("00D6870001", "6700"),
        ("00D687080200 00", "6A84"), ("00A40004026FB7", "611C"), ("00B0000001", "6981"), ("00A40004027FFF", "6134"),
        ("00B0000001", "6986"),
    ],
    "record": [
        (SELECT, "6134"), ("00A40004026F3C", "611B"), ("00B20104B0", "6982"), (VERIFY, "9000"), ("00B20104B0", "9000"),
        ("00B2010400", "6CB0"), ("00B20104AF", "6CB0"), ("00B20B04B0", "6A83"), ("00B20004B0", "6A83"), ("00B20002B0", "9000"),
        ("00B20004B0", "9000"), ("00B20003B0", "6A83"), ("00B20102B0", "6A86"), ("00B20101B0", "6A86"),
        ("00B20105B0", "6A86"), ("00DC010402 0000", "6700"), ("00DC0104B0" + "01" * 176, "9000"), ("00A40004026F07", "6119"),
        ("00B2010409", "6981"), ("00B2010C08", "9000"), ("00B201FC08", "6A82"), ("00DC010C08" + "FF" * 8, "6982"),
    ],
    "search": [
        (VERIFY, "9000"), ("00A40804047F106F3A", "611B"), ("00A2010402 4141", "6282"),
        ("00DC03041C 4141" + "FF" * 26, "9000"), ("00DC05041C 424141" + "FF" * 25, "9000"), ("00A2010402 4141", "6102"),
        ("00C0000002", "9000"), ("00A2040402 4141", "6101"), ("00A2040502 4141", "6101"), ("00A21504024141", "6A83"),
        ("00A2010604 04004141", "6102"), ("00A2010604 04014141", "6101"), ("00A2010604 0C424141", "6101"),
        ("00A2000604 06004141", "6282"), ("00A2000604 07004141", "6101"), ("00A2010604 06004141", "6A86"),
        ("00A2010602 0400", "6700"), ("00A2010401", "6700"), ("00A2010702 4141", "6A81"), ("00A40004023F00", "6122"),
        ("00A2010402 4141", "6986"),
    ],
    "increase": [
        (SELECT, "6134"), ("00A40004026F39", "611B"), ("8032000003 000001", "6982"), (VERIFY, "9000"),
        ("8032000003 000001", "6106"), ("00C0000006", "9000"), ("8032000001 05", "6104"), ("00B2010403", "9000"),
        ("8032000003 FFFFFF", "9850"), ("8032000004 00000001", "6700"), ("8032000103 000001", "6A86"),
        ("00DC000303 000000", "6982"), (VERIFY_PIN2, "9000"), ("00DC000303 000000", "9000"), ("00DC010403 000000", "6A86"),
        ("00A40004026F07", "6119"), ("8032000003 000001", "6981"),
        # the next one after the last is the first
        ("00A40004026F39", "611B"), *[("00B2000203", "9000")] * 7, ("00B2000303", "9000"),
    ],
    "verify": [
        ("0020000100", "63C3"), ("0020008100", "63C3"), ("0020000A00", "63CA"), ("0020000200", "6A88"),
        ("0020000108" + WRONG, "63C2"), ("0020000100", "63C2"), ("0020010108" + PIN, "6A86"), ("002000010431323334", "6700"),
        ("0020001108" + PIN, "6A88"), (VERIFY, "9000"), ("0020000100", "63C3"),
        *[("0020000108" + WRONG, f"63C{left}") for left in (2, 1, 0)], (VERIFY, "6983"), ("0020000100", "63C0"),
        ("0024000110" + PIN + NEW, "6983"), ("002C000100", "63CA"), ("002C000110" + WRONG + NEW, "63C9"),
        ("002C000110" + PUK + NO_PIN, "6A80"), ("002C000110" + PUK + NEW, "9000"), ("002C000100", "63CA"),
        ("0020000100", "63C3"), (SELECT, "6134"), ("00B0870009", "9000"), ("002C000A00", "6A88"),
        ("002C000A10" + PUK + NEW, "6A88"), ("002C000108" + PUK, "6700"),
        *[("002C000110" + WRONG + NEW, f"63C{left:X}") for left in range(9, -1, -1)], ("002C000110" + PUK + NEW, "6983"),
    ],
    "change": [
        ("0024000110" + WRONG + NEW, "63C2"), ("0024000110" + PIN + NO_PIN, "6A80"), ("0024000108" + PIN, "6700"),
        ("0024000110" + PIN + NEW, "9000"), (VERIFY, "63C2"), ("0020000108" + NEW, "9000"),
        ("0024008110" + PIN2 + NEW, "9000"), ("0024000510" + PIN + NEW, "6A88"),
    ],
    "disable": [
        (SELECT, "6134"), ("0028000108" + PIN, "6984"), ("0026000108" + WRONG, "63C2"), ("0026008108" + PIN2, "6A88"),
        ("0026000108" + PIN, "9000"), ("0026000108" + PIN, "6984"), (VERIFY, "6984"), ("0024000110" + PIN + NEW, "6984"),
        ("00B0870009", "9000"), ("0028000108" + WRONG, "63C2"), ("00B0870009", "9000"), ("0028000108" + WRONG, "63C1"),
        ("0028000108" + WRONG, "63C0"), ("00B0870009", "6982"), ("002C000110" + PUK + PIN, "9000"), ("00B0870009", "9000"),
        ("0028000108" + PIN, "6984"), ("0026000108" + PIN, "9000"), ("0028000108" + PIN, "9000"), (VERIFY, "9000"),
    ],
    "deactivate": [
        (VERIFY, "9000"), (SELECT, "6134"), ("00A40004026F07", "6119"), ("0004000000", "6982"), (VERIFY_ADM, "9000"),
        ("0004000000", "9000"), ("00B0000009", "6985"), ("00A40004026F07", "6119"), ("00C0000019", "6283"),
        ("00A40804047F206F07", "6119"), ("00C0000019", "6283"), ("00A4080C047F206F07", "6283"), ("0044000000", "9000"),
        ("00B0000009", "9000"), ("00A40804047FFF6F07", "6119"),
    ],
    "authenticate": [
        ("0088008011 10" + RAND, "6985"), (SELECT, "6134"), ("0088008011 10" + RAND, "6982"), (VERIFY, "9000"),
        ("0088008011 10" + RAND, "610E"), ("00C000000E", "9000"), ("0088008111 10" + RAND, "6700"),
        ("0088008122 10" + RAND + "0F" + RAND, "6A80"), ("0088008122 10" + RAND + "10" + RAND, "9862"),
        ("0088008010" + RAND, "6700"), ("0088008011 0F" + RAND, "6A80"), ("0088008222 10" + RAND + "10" + RAND, "6A86"),
        ("0088018011 10" + RAND, "6A86"), ("00A4000402 5F3B", "6122"), ("0088008011 10" + RAND, "610E"),
        ("00A40004023F00", "6122"), ("0088008011 10" + RAND, "6985"),
    ],
    "classes": [
        ("0070000001", "6881"), ("01A40004023F00", "6881"), ("0CA40004023F00", "6882"), ("40A40004023F00", "6E00"),
        ("00CA000000", "6D00"), ("8010000001 FF", "9000"), ("80AA000002 A900", "9000"), ("8012000010", "6D00"),
        ("0084000008", "9000"), ("00E0000002 6200", "6D00"), ("FFA4000000", "6E00"), ("A0CA000000", "6D00"),
    ],
    "GSM select": [
        ("A0C000000F", "6700"), ("A0A40000023F00", "9F16"), ("A0C0000016", "9000"), ("A0C0000017", "6716"),
        ("A0C0000005", "9000"), ("A0A40000027F20", "9F16"), ("A0A40000026F07", "9F0F"), ("A0C000000F", "9000"),
        ("A0A40000026F3A", "9404"), ("A0A40000027F10", "9F16"), ("A0A40000026F3A", "9F0F"), ("A0F2000016", "9000"),
        ("A0C000000F", "6700"), ("A0F2000017", "6716"), ("A0A40000017F", "6700"), ("A0A40100023F00", "6B00"),
        ("A0A40000027FFF", "9404"), ("A0F2010016", "6B00"), ("A0FA000000", "9000"), (SELECT, "6134"),
        ("A0A40000026F08", "9404"),
    ],
    "GSM binary": [
        ("A0B0000009", "9400"), ("A0A40000027F20", "9F16"), ("A0A40000026F07", "9F0F"), ("A0B0000009", "9804"),
        (GSM_VERIFY, "9000"), ("A0B0000009", "9000"), ("A0B000000A", "6709"), ("A0B0000000", "6709"), ("A0B0000901", "6B00"),
        ("A0B0870009", "6B00"), ("A0D6000001 08", "9804"), (GSM_VERIFY_ADM, "9000"), ("A0D6000001 08", "9000"),
        ("A0D600080200 00", "6700"), ("A0B2010409", "9408"), ("A004000000", "9000"), ("A0B0000009", "9810"),
        ("A044000000", "9000"), ("A0B0000009", "9000"), ("A0D6870001 08", "6B00"),
    ],
    "GSM record": [
        *[(command, status) for command, status in zip(ADN, ("9F16", "9F16", "9F0F"))], ("A0B201041C", "9804"),
        (GSM_VERIFY, "9000"), ("A0B201041C", "9000"), ("A0B2010400", "671C"), ("A0B201041B", "671C"), ("A0B215041C", "9402"),
        ("A0B200041C", "9402"), ("A0B200021C", "9000"), ("A0B200041C", "9000"), ("A0B200031C", "9402"),
        ("A0B2010C1C", "6B00"), ("A0B200011C", "6B00"), ("A0DC02041C 4141" + "FF" * 26, "9000"), ("A0DC0204024141", "6700"),
        ("A0B000001C", "9408"), ("A0A2000002 4141", "9000"), ("A0B200041C", "9000"), ("A0A2001002 4141", "9F01"),
        ("A0C0000001", "9000"), ("A0A2000202 4141", "9404"), ("A0A2000102 4141", "9000"), ("A0A2000302 4141", "9404"),
        ("A0A2000402 4141", "6B00"), ("A0A20000114141" + "FF" * 15, "6700"),
    ],
    "GSM increase": [
        (GSM_VERIFY, "9000"), ("A032000003000001", "9400"), ("A0A40000027F20", "9F16"), ("A0A40000026F39", "9F0F"),
        ("A032000003000005", "9F06"), ("A0C0000006", "9000"), ("A032000003FFFFFF", "9850"), ("A032000002FFFF", "6700"),
        ("A032010003000001", "6B00"), ("A0A2000001 00", "9408"), ("A0A40000026F07", "9F0F"), ("A032000003000001", "9408"),
    ],
    "CHV": [
        ("A020000108" + WRONG, "9804"), ("A0200001043132 3334", "6700"), ("A020000308" + PIN, "9802"), (GSM_VERIFY, "9000"),
        (GSM_VERIFY2, "9000"), ("A024000110" + PIN + NO_PIN, "9804"), ("A024000110" + PIN + NEW, "9000"),
        ("A020000108" + WRONG, "9804"), ("A020000108" + WRONG, "9804"), ("A020000108" + WRONG, "9840"),
        ("A020000108" + NEW, "9840"), ("A02C000110" + PUK + PIN, "9802"), ("A02C000010" + WRONG + PIN, "9804"),
        ("A02C000010" + PUK + PIN, "9000"), ("A028000108" + PIN, "9808"), ("A026000108" + PIN, "9000"),
        ("A026000108" + PIN, "9808"), (GSM_VERIFY, "9808"), ("A028000108" + PIN, "9000"), ("A026000208" + PIN2, "9802"),
        ("A020010108" + PIN, "6B00"), *[("A02C000010" + WRONG + PIN, "9804")] * 9, ("A02C000010" + WRONG + PIN, "9840"),
        ("A02C000010" + PUK + PIN, "9840"),
    ],
    "RUN GSM ALGORITHM": [
        (RUN_GSM, "9804"), (GSM_VERIFY, "9000"), (RUN_GSM, "9804"), ("A0A40000027F20", "9F16"), (RUN_GSM, "9F0C"),
        ("A0C000000C", "9000"), ("A08800000F" + RAND[2:], "6700"), ("A088000110" + RAND, "6B00"),
        ("A0A40000023F00", "9F16"), (RUN_GSM, "9804"),
    ],
}


def test_status_words():
    with Rig("--reader", "reader,level=tpdu", "--empty") as rig, rig.client() as client:
        client.establish()
        for number, (name, commands) in enumerate(SEQUENCES.items()):
            insert_and_wait(client, rig, file=f"usim,smsc={number}")  # another argument, another card
            card = Sim(client)
            for step, (command, status) in enumerate(commands):
                assert card.send(command)[1] == status, (name, step, command)
            rig.do("remove")
            wait_for_state(client, "EMPTY")


# What phones and modems read, by the paths of the files: with a SIM, with a USIM.
FILES = {
    "2FE2": "980001010000000010F9", "7F206F07": "080910100000000010", "7F206FAD": "00000002", "7F206FAE": "02",
    "7F206F78": "0002", "7F206F46": "01" + b"cardrig".hex() + "FF" * 9, "7F206F7E": "FFFFFFFFFFFFFF0000FF01",
    "7F206F20": "FF" * 8 + "07", "7F206F38": "FF3FFFF33F0000003000",
    "7FFF6F07": "080910100000000010", "7FFF6FAD": "00000002", "7FFF6F05": b"en".hex(), "7FFF6F38": "1E1E1F042106000000001000",
    "7FFF6F08": "07" + "FF" * 32, "7FFF6F73": "FF" * 7 + "FFFFFF0000FF01", "7FFF6FE3": "FF" * 12 + "FFFFFF000001",
}


def test_files(card):
    card.data(VERIFY)
    for path, content in FILES.items():
        ids = [path[at:at + 4] for at in range(0, len(path), 4)]
        card.data(SELECT if "7FFF" in ids else "00A40004023F00")
        card.data(f"00A40804{len(path) // 2:02X}{path}")
        assert card.data("00B0000000") == content.upper(), path
        if "7FFF" in ids:
            continue
        card.data("A0A40000023F00")
        for one in ids:
            header = card.data("A0A4000002" + one)
        assert card.data("A0B00000" + header[6:8]) == content.upper(), path


def test_what_select_says(card):
    assert card.data("00A40004023F00") == "62208202782183023F00A5038001718A01058B032F0601C6099001C0830101830181"
    assert card.data(SELECT) == ("62328202782183027FFF8410A0000000871002FFFFFFFF8900000100A5038001718A01058B036F0601"
                                 "C6099001C0830101830181")
    assert card.data("00A40004026F07") == "62178202412183026F078A01058B036F060480020009880138"
    assert card.data("00A40004026F3C") == "62198205422100B00A83026F3C8A01058B036F0606800206E08800"
    assert card.data("80F2000100") == "8410A0000000871002FFFFFFFF8900000100"
    # the record of EF ARR that it names: read PIN 1, update ADM, deactivate ADM, activate ADM, INCREASE never
    card.data("00A40004026F06")
    admin = "A40683010A950108"
    assert card.data("00B2040400") == f"800101A406830101950108800102{admin}800108{admin}800110{admin}8401329700" + "FF" * 6
    assert card.data("A0A40000023F00") == "000000003F00010000000000090102050400838A838A"
    assert card.data("A0A40000027F20")[8:16] == "7F200200"
    assert card.data("A0A40000026F07") == "000000096F07040014FF44010200" + "00"
    card.send("A020000108" + WRONG)
    card.data("0026000108" + PIN)
    assert card.data("A0F2000016") == "000000007F200200000000000981001A0400838A838A"
    assert card.data("00A40004023F00").endswith("C609900140830101830181")


@pytest.mark.parametrize("card", [",imsi=31015012345678,iccid=89014103211118510720,mnc=3,spn=Net,msisdn=5551234,smsc=,"
                                  f"k={OTHER_KEY},pin=off,adm=0011223344556677"], indirect=True, ids=["others"])
def test_arguments(card):
    card.data(SELECT)
    assert card.data("00B0870000") == "0831015110325476F8"
    assert card.data("00B0830000") == "00000003"
    card.data("00A40004026F46")
    assert card.data("00B0000000") == "01" + b"Net".hex().upper() + "FF" * 13
    card.data("00A40804022FE2")
    assert card.data("00B0000000") == "98101430121181157002"
    card.data("00A40804047F106F40")
    assert card.data("00B2010400") == "FF" * 14 + "0581551532F4" + "FF" * 8
    card.data("00A40804047F106F42")
    assert card.data("00B2010400") == "FF" * 14 + "FD" + "FF" * 27
    card.data("0020000A080011223344556677")
    kc, sres = Centre(OTHER_KEY, OPC).triplet(SEED)
    card.data(SELECT)
    assert card.data("0088008011 10" + RAND) == f"04{sres.hex()}08{kc.hex()}".upper()


@pytest.mark.parametrize("given, message", [
    ("imsi=12345", "imsi: expected 6 to 15 digits"), ("imsi=00101000000000a", "imsi: expected 6 to 15 digits"),
    ("imsi=1234567890123456", "imsi: expected 6 to 15 digits"), ("iccid=89", "iccid: expected 18 to 20 digits"),
    ("k=00", "k: expected 32 hexadecimal digits"), (f"k={KEY[:-1]}g", "k: expected 32 hexadecimal digits"),
    (f"op={OPC},opc={OPC}", "op: expected either op or opc"), ("opc=", "opc: expected 32 hexadecimal digits"),
    ("op=1", "op: expected 32 hexadecimal digits"), ("mnc=4", "mnc: expected 2 or 3"),
    ("sqn=0", "sqn: expected 12 hexadecimal digits"),
    ("pin=123", "pin: expected 4 to 8 digits"), ("pin=12345678a", "pin: expected 4 to 8 digits"),
    ("pin2=off", "pin2: expected 4 to 8 digits"), ("puk=1234", "puk: expected 8 digits"), ("puk2=", "puk2: expected 8 digits"),
    ("adm=abc", "adm: expected 4 to 8 digits, or 16 hexadecimal digits"), ("msisdn=+", "msisdn: expected up to 20 digits"),
    ("smsc=abc", "smsc: expected up to 20 digits"), ("spn=12345678901234567", "spn: expected up to 16 characters"),
    ("spn=\u00e9", "spn: expected up to 16 characters"), ("gsm=1", "gsm: expected no value"), ("ki=1", "")])
def test_wrong_arguments(given, message):
    done = run("check", "usim," + given)
    assert done.returncode == 1
    assert message in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert KEY[:-1] not in done.stderr


def umts(centre, rand=SEED):
    """What the card has to answer in the 3G context: RES, CK, IK, Kc."""
    res, ck, ik, *_ = centre.results(rand)
    values = res, ck, ik, centre.triplet(rand)[0]
    return "DB" + "".join(f"{len(value):02X}" + value.hex().upper() for value in values)


@pytest.mark.parametrize("card", [",sqn=00000000FFE0"], indirect=True)
def test_authentication_of_the_network(card):
    centre = Centre(KEY, OPC, 0xFFE0)
    card.data(SELECT)
    card.data(VERIFY)
    assert card.authenticate(centre) == umts(centre)
    # the same number again, and another index with the same SEQ, a smaller one, and one that is not used
    for sqn, fresh in ((centre.sqn, False), (centre.sqn + 1, True), (centre.sqn + 1, False), (centre.sqn - 30, False),
                       (centre.sqn + 96 + 2, True), (centre.sqn + 64 + 3, True), (centre.sqn + 64 + 2, False),
                       (centre.sqn + (2 << 33), False)):
        answer = card.authenticate(centre, sqn)
        assert answer == umts(centre) if fresh else answer[:4] == "DC0E", sqn
    highest = centre.sqn + 96 + 2
    assert centre.resynchronise(SEED, bytes.fromhex(answer[4:])) and centre.sqn == highest
    assert card.authenticate(centre) == umts(centre)
    assert card.authenticate(Centre(OTHER_KEY, OPC, 1 << 20)) == "9862"


def test_what_is_kept(temporary):
    """Sequence numbers, PINs and files stay when the card is taken out, and in a file for the next rig."""
    state = temporary / "state"
    centre = Centre(KEY, OPC, 0)
    for left, changed in (("63C3", False), ("63C2", True)):
        with Rig("--reader", "reader,level=tpdu", "--card", f"usim,state={state}") as rig, rig.client() as client:
            sim = Sim(client)
            sim.data(SELECT)
            assert sim.send("0020000100")[1] == left
            sim.data(VERIFY)
            if changed:
                assert sim.authenticate(centre, 64)[:4] == "DC0E"
                assert sim.data("00B08B0000")[:8] == "01020304"
                sim.data("00A40804047F206F7E")
                assert sim.data("00B0000004") == "01020304"
            else:
                assert sim.authenticate(centre, 64) == umts(centre)
                sim.data("00D68B0004 01020304")
                assert sim.send("0020000108" + WRONG)[1] == "63C2"
    state.unlink()


@pytest.mark.parametrize("card", [",gsm"], indirect=True)
def test_only_a_sim(card):
    assert card.send("00A40004023F00")[1] == "6E00"
    assert card.send("80F2000000")[1] == "6E00"
    card.data("A0A40000027F20")
    card.data(GSM_VERIFY)
    kc, sres = Centre(KEY, OPC).triplet(SEED)
    assert card.data(RUN_GSM) == (sres + kc).hex().upper()
