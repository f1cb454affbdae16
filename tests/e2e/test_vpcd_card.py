# SPDX-License-Identifier: BSD-3-Clause
"""cardrig serve --vpcd: our cards in vpcd's readers, those of vsmartcard's libifdvpcd and our own."""

import contextlib
import pathlib
import random
import select
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from card_state import wait_for_state
from private_pcscd import Pcscd
from processes import cpu_ticks
from programs import CARDRIG, CARDS, DRIVER, run
from serving import Serve
from waiting import TIMEOUT, wait_for

STOCK = next(iter(sorted(pathlib.Path("/usr/lib").glob("**/pcsc/drivers/serial/libifdvpcd.so"))), None)
T1_ONLY, WARM_DIFFERS = CARDS / "t1-only.lua", CARDS / "warm-differs.lua"
OFF, ON, RESET, GET_ATR = 0, 1, 2, 4
NO_ANSWER = b"\x00"

# our own driver, and vsmartcard's; which of the two ends listens
# of a reader that listens, and of one that connects: ours are another rig's, with these options
READERS = {
    "cardrig": (DRIVER, "vpcd={0}", "vpcd-connect=127.0.0.1:{0}"),
    "vsmartcard": (STOCK, "/dev/null:{0}", "127.0.0.1:{0}"),
}

ECHO = """
return {
  atr = "3B 80 01 81",
  faults = { %s },
  commands = {
    { "80 10", function(cmd) return cmd.data, 0x9000 end },
    { "00 84", function(cmd) return random(cmd.ne), 0x9000 end },
  },
}
"""


@pytest.fixture
def place(temporary):
    folder = pathlib.Path(tempfile.mkdtemp(dir=temporary))
    yield folder
    for name in folder.glob("*.lua"):
        name.unlink()
    assert list(folder.iterdir()) == []
    folder.rmdir()


@pytest.fixture
def port():
    """The first of 16 that are free, below those that the kernel gives to connections."""
    for base in random.sample(range(20000, 32000), 100):
        with contextlib.ExitStack() as stack:
            try:
                for number in range(base, base + 16):
                    stack.enter_context(socket.create_server(("127.0.0.1", number)))
                return base
            except OSError:
                pass
    raise AssertionError("no free ports")


class OurReader(Pcscd):
    """A pcscd whose reader for vpcd cards is a rig's, which comes and goes with it."""

    def __init__(self, folder, option):
        self.reader = Serve(folder.with_name("reader"), "--reader", f"v,{option},slots=2")
        super().__init__(folder, {"v": f"/dev/null:rig={self.reader.directory}/link:slots=2:timeout=62000"})

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.reader.__exit__(*exception)


class Setting:
    """A rig of a reader with two slots, and a pcscd whose reader they are cards for. Both can come and go."""

    def __init__(self, place, port, kind, reversed):
        self.place, self.port, self.stock = place, port, kind == "vsmartcard"
        self.driver, *devices = READERS[kind]
        self.device = devices[reversed].format(port)
        self.option = ("--vpcd-listen" if reversed else "--vpcd", f"127.0.0.1:{port}")
        # vsmartcard's reader that connects has to have two cards at once, when it is looked at for the first time
        self.both = self.stock and reversed

    def serve(self, card=T1_ONLY, options=()):
        more = ("--card", T1_ONLY) if self.both else ()
        return Serve(self.place / "rig", "--reader", "v,slots=2", "--card", card, *more, *self.option, *options)

    def pcscd(self):
        if self.stock:
            return Pcscd(self.place / "pcscd", {"v": self.device}, self.driver)
        return OurReader(self.place / "pcscd", self.device)


def settings(*, moves):
    """For each reader and direction; where cards are moved not for vsmartcard's reader that connects: it takes pcscd
    with it when its card goes (FD_SET of a descriptor of -1)."""
    every = [(kind, reversed) for kind in READERS for reversed in (False, True)
             if not (moves and kind == "vsmartcard" and reversed)]
    return pytest.mark.parametrize("kind, reversed", every, ids=[
        f"{kind}-{'connects' if reversed else 'listens'}" for kind, reversed in every])


@pytest.fixture
def setting(place, port, kind, reversed):
    if READERS[kind][0] is None:
        pytest.skip("there is no libifdvpcd here (Debian: vsmartcard-vpcd)")
    return Setting(place, port, kind, reversed)


def card_file(place, faults="", name="echo.lua"):
    (place / name).write_text(ECHO % faults)
    return place / name


@settings(moves=False)
def test_atr_commands_and_resets(setting):
    with setting.serve(WARM_DIFFERS) as serve, setting.pcscd() as pcscd, pcscd.client() as client:
        _, _, cold = wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        assert client.status()[2] == cold
        assert client.transmit("00FF0000") == ["ok", "6d00"]
        for step in ("warm", "warm", "cold", "warm"):
            before = serve.card()["resets"]
            assert client.reconnect(step)[0] == "ok"
            assert (client.status()[2] == cold) == (step == "cold")
            assert client.transmit("00FF0000") == ["ok", "6d00"]
            after = serve.card()["resets"]
            assert after == {**before, step: before[step] + 1, "off": before["off"] + (step == "cold")}
        slot = serve.slots()[0]
        assert slot["driver_connected"]
        assert slot["vpcd_card"] == {"host": "127.0.0.1", "port": setting.port, "listens": setting.option[0] != "--vpcd"}


@settings(moves=False)
def test_looking_does_nothing_to_the_card(setting):
    """A reader asks for the ATR again and again: also of a card without power, and with faults in store."""
    with setting.serve(card_file(setting.place)) as serve, setting.pcscd() as pcscd, pcscd.client() as client:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        client.disconnect("cold")
        wait_for("the power is off", lambda: not serve.card()["powered"])
        serve.do("fault", slot="0", faults=["mute"])
        before = serve.card()
        state = client.change()[1]
        # as long as it takes a stock reader to look twice
        assert client.change(state, 1000)[0] == "SCARD_E_TIMEOUT"
        assert serve.card()["resets"] == before["resets"]
        assert client.connect()[0] != "ok"  # the fault was still there
        assert client.connect()[0] == "ok"


@settings(moves=False)
def test_long_commands_and_answers(setting):
    with setting.serve(card_file(setting.place)), setting.pcscd() as pcscd, pcscd.client() as client:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        for length in (256, 4000, 65526):  # the last one makes 65,535 bytes
            data = random.randbytes(length).hex()
            assert client.transmit(f"8010000000{length:04x}{data}0000") == ["ok", data + "9000"]
        assert len(client.transmit("0084000000fffd")[1]) == 2 * 65535
        # an answer that no message can hold
        for length in ("fffe", "0000"):
            assert client.transmit("0084000000" + length) == ["ok", "6700"]
        assert len(client.transmit("0084000010")[1]) == 2 * 18


@settings(moves=True)
def test_cards_come_and_go(setting):
    with setting.pcscd() as pcscd, pcscd.client() as client:
        wait_for_state(client, "EMPTY", 0)
        with setting.serve() as serve:
            _, counter, first = wait_for_state(client, "PRESENT", 1)
            for round in range(3):
                serve.do("remove", slot="0")
                wait_for_state(client, "EMPTY", counter + 1)
                serve.do("insert", slot="0")
                _, counter, _ = wait_for_state(client, "PRESENT", counter + 2)
            assert client.connect()[0] == "ok"
            serve.do("swap", slot="0", file=str(CARDS / "pin.lua"))
            _, _, second = wait_for_state(client, "PRESENT", counter + 2)  # it was empty for a moment
            assert second not in ("", first)
            assert client.transmit("00FF0000")[0] == "SCARD_W_REMOVED_CARD"
            client.disconnect()
            assert client.connect()[0] == "ok"
            assert client.transmit("00FF0000") == ["ok", "6d00"]


@settings(moves=True)
def test_the_other_slot(setting):
    with setting.serve() as serve, setting.pcscd() as pcscd, pcscd.client("v 00 01") as client:
        wait_for_state(client, "EMPTY")
        serve.do("insert", slot="1", file=str(CARDS / "pin.lua"))
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        with pcscd.client("v 00 00") as other:
            assert other.connect()[0] == "ok"
            assert other.transmit("0084000004")[0] == "ok"
        assert client.transmit("00FF0000") == ["ok", "6d00"]
        serve.do("remove", slot="0")
        assert client.transmit("00FF0000") == ["ok", "6d00"]
        assert [slot["driver_connected"] for slot in serve.slots()] == [False, True]


@settings(moves=True)
def test_an_unresponsive_card(setting):
    """It is there, but unresponsive; and once it answers, it works."""
    with setting.serve(card_file(setting.place, '"mute@1"')) as serve, setting.pcscd() as pcscd, pcscd.client() as client:
        wait_for_state(client, "MUTE")
        assert client.connect()[0] == "SCARD_W_UNPOWERED_CARD"
        state = client.change()[1]
        assert client.change(state, 1000)[0] == "SCARD_E_TIMEOUT"  # and it stays
        serve.do("fault", slot="0", faults=["mute*0"])
        assert client.connect()[0] == "ok"
        assert client.transmit("8010000001AA00") == ["ok", "aa9000"]
    assert "ATR: the card does not answer" in serve.errors


@settings(moves=False)
@pytest.mark.parametrize("faults", [["mute"], ["wrong-edc@1"], ["power-loss"]])
def test_a_card_that_fails_in_a_command(setting, faults):
    """The reader is given one byte, which is no answer; so are further commands, until there is a reset."""
    with setting.serve(card_file(setting.place)) as serve, setting.pcscd() as pcscd, pcscd.client() as client:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        for step in ("warm", "cold"):
            serve.do("fault", slot="0", faults=faults)
            failed = client.transmit("8010000001AA00")
            assert failed == ["ok", NO_ANSWER.hex()] if setting.stock else failed[1] in ("", NO_ANSWER.hex())
            assert failed == client.transmit("8010000001AA00")
            serve.do("fault", slot="0", faults=["wrong-edc*0"])
            assert client.reconnect(step)[0] == "ok"
            assert client.transmit("8010000001AA00") == ["ok", "aa9000"]


@settings(moves=True)
def test_a_card_that_is_pulled_in_a_command(setting):
    with setting.pcscd() as pcscd, pcscd.client() as client:
        wait_for_state(client, "EMPTY", 0)
        with setting.serve(card_file(setting.place)) as serve:
            wait_for_state(client, "PRESENT", 1)
            assert client.connect()[0] == "ok"
            serve.do("fault", slot="0", faults=["removal"])
            assert client.transmit("8010000001AA00")[1] == ""
            wait_for_state(client, "EMPTY", 2)
            assert serve.card() is None
            serve.do("insert", slot="0")
            wait_for_state(client, "PRESENT")
            client.disconnect()
            assert client.connect()[0] == "ok"
            assert client.transmit("8010000001AA00") == ["ok", "aa9000"]
    assert "the card does not answer" not in serve.errors


@settings(moves=False)
def test_the_reader_goes_and_comes_back(setting):
    if setting.both:
        serve = setting.serve()
    else:  # it comes first, or last
        with setting.pcscd() as pcscd, pcscd.client() as client:
            wait_for_state(client, "EMPTY")
        serve = setting.serve()
    with serve:
        for _ in range(2):
            with setting.pcscd() as pcscd, pcscd.client() as client:
                wait_for_state(client, "PRESENT")
                assert client.connect()[0] == "ok"
                assert client.transmit("0084000004")[0] == "ok"
                assert serve.card()["powered"]
            wait_for("the reader is gone", lambda: not serve.slots()[0]["driver_connected"])
            assert not serve.card()["powered"]


#
# Readers that these tests play
#


class Reader:
    """vpcd's end of a connection."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(TIMEOUT)

    def send(self, *messages):
        self.connection.sendall(b"".join(struct.pack(">H", len(message)) + message for message in messages))

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            assert more, "the card has hung up"
            data += more
        return bytes(data)

    def receive(self):
        return self.exactly(struct.unpack(">H", self.exactly(2))[0])

    def ask(self, message):
        self.send(message)
        return self.receive()

    def control(self, *controls):
        self.send(*(bytes([control]) for control in controls))

    def atr(self):
        return self.ask(bytes([GET_ATR]))

    def hung_up(self):
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True

    def answered(self):
        """Whether something is there to be received, or the connection's end."""
        return bool(select.select([self.connection], [], [], 0)[0])


@pytest.fixture
def echo(place):
    return card_file(place)


@contextlib.contextmanager
def listening(port, address="127.0.0.1", family=socket.AF_INET):
    with socket.create_server((address, port), family=family) as listener:
        listener.settimeout(TIMEOUT)
        yield listener


@contextlib.contextmanager
def reader_of(listener):
    with listener.accept()[0] as connection:
        yield Reader(connection)


def test_controls(place, port, echo):
    cold, warm = (bytes.fromhex(line.split("ATR ")[1]) for line in run("check", WARM_DIFFERS).stdout.splitlines()[1:3])
    assert cold != warm
    with listening(port) as listener, Serve(place / "rig", "--card", WARM_DIFFERS, "--vpcd", f":{port}") as serve:
        with reader_of(listener) as reader:
            resets = lambda: tuple(serve.card()["resets"][how] for how in ("cold", "warm", "off"))
            assert reader.atr() == cold  # without power: as it would be
            assert resets() == (0, 0, 0) and not serve.card()["powered"]
            reader.control(ON)
            assert reader.atr() == cold and resets() == (1, 0, 0)
            reader.control(RESET)
            assert reader.atr() == warm and resets() == (1, 1, 0)
            assert reader.ask(bytes.fromhex("00FF0000")) == b"\x6D\x00"
            reader.control(OFF, OFF)
            assert reader.atr() == cold and resets() == (1, 1, 1)
            # no power, no answer
            assert reader.ask(bytes.fromhex("00FF0000")) == NO_ANSWER
            # a warm reset of a card without power is a cold one
            reader.control(RESET)
            assert reader.atr() == cold and resets() == (2, 1, 1)
            # the reader gone, its power is gone, too
        wait_for("the power goes", lambda: resets() == (2, 1, 2))
        with reader_of(listener) as reader:
            assert reader.atr() == cold
    assert serve.errors == f"cardrig: serving in {place}/rig\n"


def test_a_failed_reset_has_an_atr_that_is_none(place, port):
    with listening(port) as listener, \
            Serve(place / "rig", "--card", card_file(place, '"mute@1"'), "--vpcd", f":{port}"), \
            reader_of(listener) as reader:
        assert reader.atr() == bytes.fromhex("3B800181")
        for control in (ON, RESET):
            reader.control(control)
            assert reader.atr() == bytes(34)
        assert reader.ask(b"\x80\x10\x00\x00") == NO_ANSWER
        reader.control(OFF)
        assert reader.atr() == bytes.fromhex("3B800181")


def test_what_is_no_control_is_ignored_and_said_once(place, port, echo):
    with listening(port) as listener, Serve(place / "rig", "--card", echo, "--vpcd", f":{port}") as serve:
        with reader_of(listener) as reader:
            reader.send(b"", b"\x03", b"\x05", b"", b"\xff")
            assert reader.atr() == bytes.fromhex("3B800181")
    assert serve.errors == (f"cardrig: serving in {place}/rig\ncardrig: cardrig/0: the vpcd reader sent the unknown "
                            "control 3: ignored\n")


def test_a_reader_does_not_fill_the_log(place, port):
    with listening(port) as listener, Serve(place / "rig", "--vpcd", f":{port}") as serve:
        with reader_of(listener) as reader:
            reader.control(ON)
            for _ in range(1000):
                assert reader.ask(b"abc") == NO_ANSWER
    assert 10 <= serve.errors.count("not a command APDU") < 500


def test_in_pieces_and_in_lumps(place, port, echo):
    command = b"\x80\x10\x00\x00\x04abcd\x00"
    with listening(port) as listener, Serve(place / "rig", "--card", echo, "--vpcd", f":{port}"), \
            reader_of(listener) as reader:
        reader.control(ON)
        reader.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in struct.pack(">H", len(command)) + command:
            reader.connection.sendall(bytes([byte]))
        assert reader.receive() == b"abcd\x90\x00"
        # more than are served in a turn, with resets among them
        count = 300
        reader.send(*(message for _ in range(count) for message in (bytes([RESET]), bytes([GET_ATR]), command)))
        for _ in range(count):
            assert reader.receive() == bytes.fromhex("3B800181")
            assert reader.receive() == b"abcd\x90\x00"


@pytest.mark.parametrize("atr", ["35 39", "3B 80 0E 8E"])  # the second is T=14
def test_an_atr_as_it_is(place, port, atr):
    """There is no protocol, and nothing that a reader would have to choose."""
    card = place / "as_is.lua"
    card.write_text(f'return {{ atr = as_is"{atr}", commands = {{ {{ "00 84", function(cmd) return "four", 0x9000 end }} }} }}')
    with listening(port) as listener, Serve(place / "rig", "--card", card, "--vpcd", f":{port}"):
        with reader_of(listener) as reader:
            reader.control(ON)
            assert reader.atr() == bytes.fromhex(atr)
            assert reader.ask(bytes.fromhex("0084000003")) == b"fou\x61\x01"
            assert reader.ask(bytes.fromhex("00C0000001")) == b"r\x90\x00"


def test_an_atr_of_no_bytes(place, port):
    """The reader would take it as no card, and hang up: it gets an ATR that is too long, as of one that is mute."""
    card = place / "mute.lua"
    card.write_text('return { atr = as_is"" }')
    with listening(port) as listener, Serve(place / "rig", "--card", card, "--vpcd", f":{port}"):
        with reader_of(listener) as reader:
            assert reader.atr() == bytes(34)
            reader.control(ON)
            assert reader.atr() == bytes(34)


LONGEST = bytes.fromhex("0084000000fffd")  # its answer is 65,535 bytes


def ask_more_than_fits(reader):
    """Asks for twice as much as the buffers between card and reader can ever hold. Returns how many answers that are.

    The reader's buffer is fixed, but larger than a segment: with 4096 bytes an answer takes 32 segments, each of which may
    have to wait 50 ms for the acknowledgement of the one before."""
    size = 1 << 17
    reader.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    largest = int(pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
    count = 2 * (largest + 2 * size) // 65535
    reader.send(*[LONGEST] * count)
    return count


def test_answers_that_nobody_takes(place, port, echo):
    """More than any buffer holds: the card waits, others are served meanwhile, and in the end every byte is there."""
    with listening(port) as listener, \
            Serve(place / "rig", "--reader", "v,slots=2", "--card", echo, "--vpcd", f":{port}") as serve:
        with reader_of(listener) as reader:
            reader.control(ON)
            count = ask_more_than_fits(reader)
            # it has begun to answer, and has not done all
            assert len(reader.receive()) == 65535
            assert serve.do("insert", slot="1")["card"]
            assert serve.card()["commands"] < count
            for _ in range(count - 1):
                answer = reader.receive()
                assert len(answer) == 65535 and answer.endswith(b"\x90\x00")
            assert serve.card()["commands"] == count


def test_a_reader_that_hangs_up_at_any_time(place, port, echo):
    with listening(port) as listener, Serve(place / "rig", "--card", echo, "--vpcd", f":{port}") as serve:
        for last in (b"", b"\x00", b"\x00\x04", b"\x00\x04\x80\x10", b"\x00\x01\x04", b"\x00\x07\x00\x84\x00\x00\x00\xff\xfd"):
            with reader_of(listener) as reader:
                reader.control(ON)
                reader.connection.sendall(last)
        with reader_of(listener) as reader:
            assert reader.atr() == bytes.fromhex("3B800181")
            assert not serve.card()["powered"]


def test_nobody_listens_for_a_while(place, port, echo):
    with Serve(place / "rig", "--card", echo, "--vpcd", f"localhost:{port}") as serve:
        assert not serve.slots()[0]["driver_connected"]
        before = cpu_ticks(serve.process.pid)
        time.sleep(0.3)  # it does not keep the processor busy meanwhile
        assert cpu_ticks(serve.process.pid) - before < 10
        with listening(port) as listener, reader_of(listener) as reader:
            assert reader.atr() == bytes.fromhex("3B800181")
            assert serve.slots()[0]["driver_connected"]
    assert serve.errors == (f"cardrig: serving in {place}/rig\ncardrig: cardrig/0: no vpcd reader at 127.0.0.1:{port} yet: "
                            "trying again\n")


def test_ipv6(place, port, echo):
    if not socket.has_ipv6 or not pathlib.Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    with listening(port, "::1", socket.AF_INET6) as listener, \
            Serve(place / "rig", "--card", echo, "--vpcd", f"[::1]:{port}") as serve, reader_of(listener) as reader:
        assert reader.atr() == bytes.fromhex("3B800181")
        assert serve.slots()[0]["vpcd_card"] == {"host": "::1", "port": port, "listens": False}


def connects(port):
    connection = socket.socket()
    connection.settimeout(TIMEOUT)
    try:
        connection.connect(("127.0.0.1", port))
        return Reader(connection)
    except ConnectionRefusedError:
        connection.close()
        return None


def test_who_listens_has_one_reader_and_a_card(place, port, echo):
    with Serve(place / "rig", "--reader", "v,slots=2", "--card", echo, "--vpcd-listen", port) as serve:
        assert connects(port + 1) is None  # no card
        first = connects(port)
        assert first.atr() == bytes.fromhex("3B800181")
        assert connects(port) is None  # a card is in one reader at a time
        serve.do("remove", slot="0")
        assert first.hung_up()
        assert connects(port) is None
        serve.do("insert", slot="0")
        second = connects(port)
        assert second.atr() == bytes.fromhex("3B800181")
        second.connection.close()
        wait_for("the second reader is gone", lambda: not serve.slots()[0]["driver_connected"])
        third = connects(port)
        assert third.atr() == bytes.fromhex("3B800181")
        first.connection.close()
        third.connection.close()


#
# Cards that are at work
#

# Both keep the processor for seconds: until the instructions are used up, and in a function of Lua's libraries.
BURNS = {
    "instructions": "while true do random(65536):rep(8) end",
    "library": 'return string.find(string.rep("a", 50000), ".-.-.-.-.-b") and "x" or "", 0x9000',
}
BURN, GOOD = bytes.fromhex("8010000000"), bytes.fromhex("0084000008")


class Ends:
    """A rig's slots as cards, and these tests as their readers, which listen or connect."""

    def __init__(self, stack, place, port, listens):
        self.stack, self.place, self.port = stack, place, port
        self.listens, self.listeners = listens, []
        self.option = ("--vpcd" if listens else "--vpcd-listen", f"127.0.0.1:{port}")

    def serve(self, *cards, options=()):
        if self.listens:
            self.listeners = [self.stack.enter_context(listening(self.port + slot)) for slot in range(len(cards))]
        words = [word for slot, card in enumerate(cards) for word in ("--card", f"{slot}={card}")]
        return Serve(self.place / "rig", "--reader", f"v,slots={len(cards)}", *words, *self.option,
                     *options)

    def reader(self, slot=0, atr="3B800181"):
        """Of the card that is in the slot, with power."""
        if self.listens:
            reader = Reader(self.stack.enter_context(self.listeners[slot].accept()[0]))
        else:
            reader = wait_for("the card listens", lambda: connects(self.port + slot))
            self.stack.enter_context(reader.connection)
        reader.control(ON)
        assert reader.atr() == bytes.fromhex(atr)
        return reader

    def burner(self, serve, slot=0):
        """Whose card is at work, and will be for a while."""
        reader = self.reader(slot)
        reader.send(BURN)
        wait_for("it is at work", lambda: serve.slots()[slot]["busy"])
        return reader


@pytest.fixture(params=[True, False], ids=["listens", "connects"])
def ends(request, place, port):
    with contextlib.ExitStack() as stack:
        yield Ends(stack, place, port, request.param)


@pytest.fixture(params=BURNS)
def burning_card(request, place):
    (place / "burns.lua").write_text(
        f'return {{ atr = "3B 80 01 81", commands = {{ {{ "80 10", function(cmd) {BURNS[request.param]} end }} }} }}')
    return place / "burns.lua"


@pytest.mark.parametrize("count", [1, 15])
def test_burning_neighbours(ends, burning_card, echo, count):
    """The good card answers a hundred times, and comes and goes, before they answer once; and the rig ends before, too."""
    with ends.serve(*[burning_card] * count, echo) as serve:
        good = ends.reader(count)
        burners = [ends.burner(serve, slot) for slot in range(count)]
        for _ in range(100):
            assert len(good.ask(GOOD)) == 10
        serve.do("fault", slot=str(count), faults=["mute"])
        assert good.ask(GOOD) == NO_ANSWER
        for command in "swap", "remove", "insert":
            serve.do(command, slot=str(count), **({"file": str(echo)} if command == "swap" else {}))
            if command != "insert":
                assert good.hung_up()
            if command != "remove":
                good = ends.reader(count)
                assert len(good.ask(GOOD)) == 10
        assert not any(burner.answered() for burner in burners)
        assert [slot["busy"] for slot in serve.slots()] == [True] * count + [False]
        assert serve.end() == 0
        assert all(burner.hung_up() for burner in burners)  # and nothing before that
    assert all("does not answer" in line for line in serve.errors.splitlines() if f"/{count}:" in line), serve.errors


def test_a_burning_card_answers_in_the_end(ends, burning_card):
    with ends.serve(burning_card) as serve:
        reader = ends.burner(serve)
        reader.connection.settimeout(10 * TIMEOUT)  # it may use up two seconds of processor time
        assert reader.receive() in (b"\x6F\x00", NO_ANSWER)
        reader.control(RESET)
        wait_for("it is done", lambda: not serve.slots()[0]["busy"])


@pytest.mark.parametrize("command", ["remove", "swap"])
def test_a_card_is_taken_out_while_it_burns(ends, burning_card, echo, command):
    """Its reader sees that, and nothing of an answer; the next card is used at once, and the old one's end changes nothing."""
    with ends.serve(burning_card) as serve:
        threads = lambda: len(list(pathlib.Path(f"/proc/{serve.process.pid}/task").iterdir()))
        burner = ends.burner(serve)
        before = threads()
        serve.do(command, slot="0", **({"file": str(echo)} if command == "swap" else {}))
        assert burner.hung_up()
        if command == "remove":
            assert serve.card() is None
            serve.do("insert", slot="0", file=str(echo))
        reader = ends.reader()
        assert len(reader.ask(GOOD)) == 10
        wait_for("the thread of the old one ends", lambda: threads() == before, 10 * TIMEOUT)
        assert len(reader.ask(GOOD)) == 10
        assert serve.card()["powered"] and serve.slots()[0]["driver_connected"]
    assert "v/0:" not in serve.errors  # it is not blamed for that


#
# Real time
#

# T=1, with a BWT of 90 ms, and of 46 s: then only what is interrupted ends in the time that a test has
QUICK, LONG = "3B808131FE00CE", "3B808131FE955B"


def timed_card(place, atr):
    path = place / "timed.lua"
    path.write_text(f'return {{ atr = "{atr}", commands = {{ {{ "00 84", function(cmd) return random(cmd.ne), 0x9000 end }}, '
                    '{ "80 12", function(cmd) return cmd.data, 0x9000 end } } }')
    return path


@contextlib.contextmanager
def waiting_reader(ends, place, fault):
    """A rig whose first card is at work for minutes, and its reader; the second one is another."""
    card = timed_card(place, LONG)
    with ends.serve(card, card, options=["--real-time"]) as serve:
        reader = ends.reader(atr=LONG)
        serve.do("fault", slot="0", faults=[fault])
        reader.send(GOOD)
        wait_for("it is at work", lambda: serve.slots()[0]["busy"])
        yield serve, reader
    assert serve.errors == f"cardrig: serving in {place}/rig\n"


@pytest.mark.parametrize("fault, seconds, length", [("slow", 0.8, 10), ("wtx*3", 0.7, 10), ("mute", 0.5, 1)])
def test_a_reader_waits(ends, place, fault, seconds, length):
    with ends.serve(timed_card(place, QUICK), options=["--real-time"]) as serve:
        reader = ends.reader(atr=QUICK)
        serve.do("fault", slot="0", faults=[fault])
        begun = time.monotonic()
        assert len(reader.ask(GOOD)) == length
        assert time.monotonic() - begun >= seconds
        last = serve.card()["last"]
        assert last["real_time_us"] >= last["card_time_us"] >= seconds * 1e6
    assert ("the card does not answer" in serve.errors) == (fault == "mute")


@settings(moves=False)
def test_an_application_waits(setting):
    with setting.serve(timed_card(setting.place, QUICK), options=["--real-time"]) as serve, setting.pcscd() as pcscd, \
            pcscd.client() as client:
        wait_for_state(client, "PRESENT")
        assert client.connect()[0] == "ok"
        serve.do("fault", slot="0", faults=["slow"])
        begun = time.monotonic()
        assert len(client.transmit(GOOD.hex())[1]) == 2 * 10
        assert time.monotonic() - begun >= 0.8


def test_a_reset_takes_its_time(ends, place):
    """The reader waits for the first character for 40,000 clock cycles: ISO/IEC 7816-3:2006, 6.2.2."""
    with ends.serve(timed_card(place, QUICK), options=["--real-time"]) as serve:
        reader = ends.reader(atr=QUICK)
        serve.do("fault", slot="0", faults=["mute"])
        reader.control(RESET)
        assert reader.atr() == bytes(34)
        last = serve.card()["last"]
        assert last["real_time_us"] >= last["card_time_us"] >= 40000 / 4


def test_characters_take_their_time(ends, place):
    """1,000 bytes each way at 10,752 bit/s, with 12 bits each."""
    with ends.serve(timed_card(place, QUICK), options=["--real-time"]):
        reader = ends.reader(atr=QUICK)
        begun = time.monotonic()
        assert reader.ask(bytes.fromhex("801200000003E8" + "55" * 1000 + "0000")) == b"\x55" * 1000 + b"\x90\x00"
        assert time.monotonic() - begun >= 2 * 1000 * 12 / 10752.7


@pytest.mark.parametrize("fault", ["mute", "slow"])
@pytest.mark.parametrize("command", ["remove", "swap"])
def test_a_card_is_taken_out_while_a_reader_waits(ends, place, fault, command):
    with waiting_reader(ends, place, fault) as (serve, reader):
        assert len(ends.reader(slot=1, atr=LONG).ask(GOOD)) == 10
        assert not reader.answered()
        serve.do(command, slot="0", **({"file": str(place / "timed.lua")} if command == "swap" else {}))
        assert reader.hung_up()
        if command == "remove":
            serve.do("insert", slot="0")
        assert len(ends.reader(atr=LONG).ask(GOOD)) == 10


@pytest.mark.parametrize("fault", ["mute", "slow"])
def test_a_reader_hangs_up_that_has_waited(ends, place, fault):
    """Nothing is said of what comes then, which nobody waits for."""
    with waiting_reader(ends, place, fault) as (serve, reader):
        reader.connection.close()
        assert len(ends.reader(atr=LONG).ask(GOOD)) == 10


@pytest.mark.parametrize("fault", ["mute", "slow"])
def test_the_rig_ends_while_a_reader_waits(ends, place, fault):
    with waiting_reader(ends, place, fault) as (serve, reader):
        assert serve.end() == 0
        assert reader.hung_up()


#
# Readers that keep a card waiting
#


def reader_says_nothing(reader):
    assert len(reader.ask(GOOD)) == 10


def reader_stops_in_a_message(reader):
    reader.send(GOOD)
    reader.connection.sendall(b"\x00\x05\x00\x84")
    assert len(reader.receive()) == 10


def reader_takes_no_answers(reader):
    ask_more_than_fits(reader)
    assert reader.exactly(2) == b"\xff\xff"


@pytest.mark.parametrize("behaviour", [reader_says_nothing, reader_stops_in_a_message, reader_takes_no_answers])
@pytest.mark.parametrize("end", [False, True], ids=["removal", "end"])
def test_nobody_waits_for_a_reader(ends, echo, behaviour, end):
    with ends.serve(echo) as serve:
        reader = ends.reader()
        behaviour(reader)
        if end:
            assert serve.end() == 0
        else:
            serve.do("remove", slot="0")
            assert not serve.slots()[0]["driver_connected"]
        if behaviour == reader_takes_no_answers:  # what has left comes before that
            with contextlib.suppress(ConnectionResetError):
                while reader.connection.recv(1 << 20):
                    pass
        else:
            assert reader.hung_up()
    assert "hung up" not in serve.errors


def test_it_can_listen_at_once_after_another(place, port, echo):
    for _ in range(3):
        with Serve(place / "rig", "--card", echo, "--vpcd-listen", f"127.0.0.1:{port}"):
            reader = connects(port)
            assert reader.atr() == bytes.fromhex("3B800181")
        assert reader.hung_up()
        reader.connection.close()


def test_a_connection_does_not_meet_itself(place):
    """Where the kernel gives a connection the very port that it goes to, and nobody listens there."""
    script = (f"ip link set lo up; sysctl -qw net.ipv4.ip_local_port_range='40000 40001'; "
              f"{CARDRIG} serve --directory {place}/rig --vpcd 127.0.0.1:40000 2>{place}/said.lua & "
              f"until grep -q serving {place}/said.lua; do :; done; sleep 0.5; "
              f"CARDRIG_SOCKET={place}/rig/control {CARDRIG} status; kill $!; wait")
    if subprocess.run(["unshare", "-n", "sh", "-c", "ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range='40000 40001'"],
                      capture_output=True).returncode != 0:
        pytest.skip("no network namespaces, or no ip and sysctl, here")
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=TIMEOUT)
    assert "(no reader connected)" in done.stdout, done.stdout + done.stderr


WRONG = {
    ("--vpcd", "no-such-host.invalid"): (2, "--vpcd host 'no-such-host.invalid': "),
    ("--vpcd", "localhost:0"): (2, "expected HOST:PORT, with PORT from 1 to 65535"),
    ("--vpcd", "localhost:65536"): (2, "expected HOST:PORT, with PORT from 1 to 65535"),
    ("--vpcd-listen", "[fe80::1%lo]:9000"): (2, "host 'fe80::1%lo': expected an address that is no interface's own"),
    ("--vpcd", "localhost:http"): (2, "expected HOST:PORT, with PORT from 1 to 65535"),
    ("--vpcd", "::1"): (2, "expected HOST:PORT, or [HOST]:PORT for an IPv6 address"),
    ("--vpcd", ""): (2, "expected HOST:PORT"),
    ("--vpcd", "localhost", "--vpcd-listen", "9000"): (2, "give --vpcd or --vpcd-listen, and only once"),
    ("--vpcd", "localhost", "--config"): (2, "--config is for cardrig's driver, and does not go with --vpcd"),
    ("--vpcd-listen", "9000", "--pcscd-user", "root"): (2, "--pcscd-user is for cardrig's driver, and does not go with --vpcd-listen"),
    ("--reader", "r,slots=2", "--vpcd", "localhost:65535"): (1, "vpcd: port 65535 and 2 slots: there is no port 65536"),
    ("--vpcd-listen", "192.0.2.1:9000"): (1, "vpcd: cannot listen at 192.0.2.1:9000: Cannot assign requested address"),
    ("--reader", "r,vpcd", "--vpcd", "localhost"): (2, "reader 'r' is for vpcd cards: its slots cannot be cards for others' vpcd readers as well"),
}


@pytest.mark.parametrize("options", WRONG, ids=" ".join)
def test_wrong_options(place, options):
    status, said = WRONG[options]
    done = run("serve", "--directory", place / "rig", *options)
    assert done.returncode == status
    assert said in done.stderr


def test_a_port_that_is_taken(place, port):
    with listening(port + 1):
        done = run("serve", "--directory", place / "rig", "--reader", "v,slots=2", "--vpcd-listen", port)
    assert done.returncode == 1
    assert done.stderr == f"cardrig: vpcd: cannot listen at 127.0.0.1:{port + 1}: Address already in use\n"
