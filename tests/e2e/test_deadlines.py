# SPDX-License-Identifier: BSD-3-Clause
"""Every function of libscardmanage returns in its time and can be cancelled, whatever PC/SC does: while another client holds
a transaction, and while the service does not answer. Nothing is left behind by that. And what waiting for a card is woken by.

That it is in time is measured with much to spare: what does not end by itself would take until the test is given up.
"""

import contextlib
import signal
import time

import pytest

from manage_client import FOREVER, outcome_of
from managed_rig import COUNT, READER, RunRig, ServiceRig
from waiting import wait_for

PROMPT = 20  # seconds: what is not prompt, does not end
SHORT = 300  # milliseconds

# What each function says while another client holds a transaction, and while pcscd is stopped. BLOCKS: it takes until
# the deadline, or cancelling.
BLOCKS = None
FUNCTIONS = {
    # function: arguments, with another's transaction, with a service that does not answer
    "attach_by_ifd": ({"object": 1}, BLOCKS, BLOCKS),
    "attach_by_handle": ({"object": 1}, BLOCKS, BLOCKS),
    "reconnect": ({}, BLOCKS, BLOCKS),
    "reconnect_ex": ({"options": {"timeout_ms": SHORT}}, BLOCKS, BLOCKS),
    "wait_for_card": ({"timeout_ms": SHORT}, "S_OK", BLOCKS),
    "lock": ({}, BLOCKS, BLOCKS),
    "unlock": ({}, "E_NOT_TRANSACTED", "E_NOT_TRANSACTED"),
    "status": ({}, BLOCKS, BLOCKS),
    "get_atr": ({}, BLOCKS, BLOCKS),
    "get_reader": ({}, "S_OK", "S_OK"),
    "get_handle": ({}, "S_OK", "S_OK"),
    "transmit": ({"command": COUNT}, BLOCKS, BLOCKS),
    "transmit_ex": ({"command": COUNT, "options": {"timeout_ms": SHORT}}, BLOCKS, BLOCKS),
    "set_options": ({"options": {"timeout_ms": SHORT}}, "S_OK", "S_OK"),
    "cancel": ({}, "S_OK", "S_OK"),
    "create": ({"object": 2}, "S_OK", "S_OK"),
}
BLOCKING = [(function, blocker) for function, (_, *codes) in FUNCTIONS.items()
            for blocker, code in zip(("transaction", "silence"), codes) if code is BLOCKS]
AT_ONCE = [(function, blocker) for function, (_, *codes) in FUNCTIONS.items()
           for blocker, code in zip(("transaction", "silence"), codes) if code is not BLOCKS]


@contextlib.contextmanager
def must_be_prompt():
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < PROMPT


def forever(arguments):
    """The same call with no deadline."""
    changed = dict(arguments)
    if "options" in arguments:
        changed["options"] = {"timeout_ms": FOREVER}
    if "timeout_ms" in arguments:
        changed["timeout_ms"] = FOREVER
    return changed


class Counted:
    """What the process had before there was an object, it has again when the object is freed."""

    def __init__(self, world, way):
        self.world, self.way = world, way
        ours = world.ours
        ours.free()
        assert ours.pcsc_connect()["code"] == "S_OK"
        self.before = ours.resources()
        assert ours.create() == {"code": "S_OK"}
        assert ours.create(object=1) == {"code": "S_OK"}

    def attach(self, timeout_ms):
        ours = self.world.ours
        assert ours.set_options(options={"timeout_ms": 1000 * PROMPT}) == {"code": "S_OK"}
        assert (ours.attach_by_handle() if self.way == "handle" else ours.attach_by_ifd()) == {"code": "S_OK"}
        for number in (0, 1):
            assert ours.set_options(object=number, options={"timeout_ms": timeout_ms}) == {"code": "S_OK"}

    def free(self):
        for number in range(3):
            self.world.ours.free(object=number)

    def assert_all_is_back(self):
        wait_for("all is given back", lambda: self.world.ours.resources() == self.before)


BLOCKERS = {
    "transaction": (lambda world: world.other_begins(), lambda world: world.other_ends()),
    "silence": (lambda world: world.freeze(), lambda world: world.thaw()),
}


@contextlib.contextmanager
def blocked(world, blocker):
    begin, end = BLOCKERS[blocker]
    begin(world)
    yield
    end(world)


def assert_as_before(world, function):
    """A call that was given up has left nothing: no lock, no attachment, and the card works."""
    ours = world.ours
    assert ours.set_options(options={"timeout_ms": 1000 * PROMPT}) == {"code": "S_OK"}
    assert ours.reconnect() == {"code": "S_OK"}
    assert world.count()[1] == "card"
    assert ours.unlock() == {"code": "E_NOT_TRANSACTED"}
    world.assert_free()
    if function.startswith("attach"):
        assert ours.status(object=1)["code"] == "E_INVALID_HANDLE"
        assert ours.set_options(object=1, options={"timeout_ms": 1000 * PROMPT}) == {"code": "S_OK"}
        assert ours.attach_by_ifd(object=1) == {"code": "S_OK"}
        assert ours.lock(object=1) == {"code": "S_OK"}
        world.assert_locked_out()
        assert ours.detach(object=1) == {"code": "S_OK"}
        world.assert_free()


@pytest.mark.parametrize("function, blocker", BLOCKING)
def test_times_out(tmp_path, way, function, blocker):
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        with blocked(world, blocker):
            with must_be_prompt():
                assert getattr(world.ours, function)(**FUNCTIONS[function][0])["code"] == "E_TIMEOUT"
            with must_be_prompt():  # and so does what comes behind it
                assert getattr(world.ours, function)(**FUNCTIONS[function][0])["code"] == "E_TIMEOUT"
        assert_as_before(world, function)
        count_in.free()
        count_in.assert_all_is_back()


@pytest.mark.parametrize("function, blocker", BLOCKING)
def test_is_cancelled(tmp_path, way, function, blocker):
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(FOREVER)
        arguments = forever(FUNCTIONS[function][0])
        if function == "attach_by_ifd":
            arguments["reader"] = world.reader
        with blocked(world, blocker):
            world.ours.start(function, **arguments)
            with must_be_prompt():
                answer = world.ours.cancel_until_finished(name="a", object=arguments.get("object", 0))
                assert answer["code"] == "E_CANCELLED"
        assert_as_before(world, function)
        count_in.free()
        count_in.assert_all_is_back()


@pytest.mark.parametrize("function, blocker", AT_ONCE)
def test_does_not_wait(tmp_path, way, function, blocker):
    arguments, *codes = FUNCTIONS[function]
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(FOREVER)
        with blocked(world, blocker), must_be_prompt():
            assert getattr(world.ours, function)(**arguments)["code"] == codes[blocker == "silence"]
        assert_as_before(world, function)
        count_in.free()
        count_in.assert_all_is_back()


@pytest.mark.parametrize("blocker", BLOCKERS)
@pytest.mark.parametrize("how", ["detach", "free"])
@pytest.mark.parametrize("in_a_call", [False, True])
def test_getting_rid_of_it_does_not_wait(tmp_path, way, how, blocker, in_a_call):
    """Also while a call that was given up goes on in PC/SC."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        with blocked(world, blocker):
            if in_a_call:
                assert world.ours.status()["code"] == "E_TIMEOUT"
            with must_be_prompt():
                code = getattr(world.ours, how)()["code"]
            if how == "detach":
                assert code in ("S_OK", "E_TIMEOUT")
                assert world.ours.status()["code"] == "E_INVALID_HANDLE"
                with must_be_prompt():
                    assert world.ours.attach_by_ifd()["code"] == "E_TIMEOUT"
                assert world.ours.status()["code"] == "E_INVALID_HANDLE"
            count_in.free()
        count_in.assert_all_is_back()
        world.assert_free()
        assert world.ours.pcsc_status()["code"] == "S_OK"  # the caller's handle is as it was


def test_a_lock_goes_with_what_is_got_rid_of(tmp_path, way):
    """The service does not answer, so that it cannot be released; it is when it answers again."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        assert world.ours.lock() == {"code": "S_OK"}
        world.assert_locked_out()
        with blocked(world, "silence"), must_be_prompt():
            count_in.free()
        wait_for("the lock is given back", lambda: world.other.pcsc_reconnect()["code"] == "S_OK")
        world.assert_free()
        count_in.assert_all_is_back()


def test_unlocking_times_out(tmp_path, way):
    """Released it is, as soon as the service answers."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        assert world.ours.lock() == {"code": "S_OK"}
        with blocked(world, "silence"), must_be_prompt():
            assert world.ours.unlock() == {"code": "E_TIMEOUT"}
        assert world.ours.set_options(options={"timeout_ms": 1000 * PROMPT}) == {"code": "S_OK"}
        assert world.ours.reconnect() == {"code": "S_OK"}
        if world.ours.unlock()["code"] == "S_OK":  # was not released
            pytest.fail("a lock that was to be released is held")
        world.assert_free()
        count_in.free()
        count_in.assert_all_is_back()


def assert_lock_is_free(world):
    """It is not held, and it can be."""
    assert world.ours.set_options(options={"timeout_ms": 1000 * PROMPT}) == {"code": "S_OK"}
    assert world.ours.unlock() == {"code": "E_NOT_TRANSACTED"}
    assert world.ours.lock() == {"code": "S_OK"}
    world.assert_locked_out()
    assert world.ours.unlock() == {"code": "S_OK"}
    world.assert_free()


@pytest.mark.parametrize("how", ["times out", "is cancelled"])
def test_unlocking_behind_a_call_that_does_not_return(tmp_path, way, how):
    """It is the call before that PC/SC does not let go of. The lock is released nonetheless, as soon as it does."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        for _ in range(2):
            assert world.ours.lock() == {"code": "S_OK"}
        with blocked(world, "silence"), must_be_prompt():
            assert world.ours.transmit(command=COUNT)["code"] == "E_TIMEOUT"
            if how == "times out":
                assert world.ours.unlock() == {"code": "E_TIMEOUT"}
                assert world.ours.unlock() == {"code": "E_TIMEOUT"}
            else:
                assert world.ours.set_options(options={"timeout_ms": FOREVER}) == {"code": "S_OK"}
                for _ in range(2):
                    world.ours.start("unlock")
                    assert world.ours.cancel_until_finished(name="a") == {"code": "E_CANCELLED"}
        wait_for("the lock is given back", lambda: world.other.pcsc_reconnect()["code"] == "S_OK")
        world.assert_free()
        assert_lock_is_free(world)
        count_in.free()
        count_in.assert_all_is_back()


def test_a_lock_that_timed_out_is_not_held(tmp_path, way):
    """The call goes on in PC/SC and gets the transaction when the other client ends its own: it is given back."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        for _ in range(5):
            world.other_begins()
            assert world.ours.lock() == {"code": "E_TIMEOUT"}
            assert world.ours.lock() == {"code": "E_TIMEOUT"}
            world.other_ends()
            wait_for("the lock is given back", lambda: world.other.pcsc_reconnect()["code"] == "S_OK")
            assert world.other.pcsc_begin() == {"code": "S_OK"}  # which waits for the one that has it
            world.other_ends()
        assert_lock_is_free(world)
        count_in.free()
        count_in.assert_all_is_back()


def test_a_lock_that_times_out_when_another_is_held(tmp_path, way):
    """It stays at one."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        assert world.ours.lock() == {"code": "S_OK"}
        with blocked(world, "silence"), must_be_prompt():
            assert world.ours.lock() == {"code": "E_TIMEOUT"}
        assert world.ours.set_options(options={"timeout_ms": 1000 * PROMPT}) == {"code": "S_OK"}
        assert world.ours.reconnect() == {"code": "S_OK"}
        world.assert_locked_out()
        assert world.ours.unlock() == {"code": "S_OK"}
        world.assert_free()
        assert world.ours.unlock() == {"code": "E_NOT_TRANSACTED"}
        count_in.free()
        count_in.assert_all_is_back()


def test_cancelling_ends_all_calls(tmp_path, way):
    """Those that wait for the one in front of them, too."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(FOREVER)
        with blocked(world, "transaction"):
            calls = ["lock", "status", "reconnect", "lock"]
            for number, call in enumerate(calls):
                world.ours.start(call, name=str(number))
            with must_be_prompt():
                for number in range(len(calls)):
                    assert world.ours.cancel_until_finished(name=str(number))["code"] == "E_CANCELLED"
        assert_as_before(world, "lock")
        count_in.free()
        count_in.assert_all_is_back()


@pytest.mark.parametrize("function", ["lock", "unlock", "reconnect_ex", "transmit", "status", "attach_by_ifd"])
def test_cancelled_at_any_moment(tmp_path, way, function):
    """It was done, or it was not, and the lock is held as often as is said."""
    arguments = {"lock": {}, "unlock": {}, "reconnect_ex": {"options": {"first_step": "warm", "rebuild": [[]]}},
                 "transmit": {"command": COUNT}, "status": {}, "attach_by_ifd": {"object": 1}}[function]
    # one that has no more to do than to tell pcscd is rarely caught
    wanted = {"S_OK"} if function == "unlock" else {"S_OK", "E_CANCELLED"}
    seen, turn, delay = set(), 0, 0
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(FOREVER)
        if function == "attach_by_ifd":
            arguments["reader"] = world.reader
        while turn < 100 or not wanted <= seen:
            assert turn < 3000, f"only {seen}"
            turn += 1
            if function == "unlock":
                assert world.ours.lock() == {"code": "S_OK"}
            world.ours.start(function, **arguments)
            time.sleep(delay)  # whatever comes of it is right
            world.ours.cancel(object=arguments.get("object", 0))
            code = world.ours.finish()["code"]
            seen.add(code)
            delay = delay * 1.5 + 0.00001 if code == "E_CANCELLED" else delay / 1.5  # to where it is the one or the other
            assert code in ("S_OK", "E_CANCELLED", "W_RESET_CARD")
            if function == "lock" and code == "S_OK":
                assert world.ours.unlock() == {"code": "S_OK"}
            if function == "attach_by_ifd":
                assert world.ours.detach(object=1)["code"] == ("S_OK" if code == "S_OK" else "E_INVALID_HANDLE")
            if function == "reconnect_ex":
                assert world.ours.reconnect() == {"code": "S_OK"}
                world.ours.rebuilds()
                assert world.other.pcsc_reconnect()["code"] == "S_OK"
            if function == "unlock":
                wait_for("the lock is given back", lambda: world.other.pcsc_reconnect()["code"] == "S_OK")
        assert_as_before(world, "lock")
        count_in.free()
        count_in.assert_all_is_back()


def test_detaching_under_a_call(tmp_path, way):
    """A call that waits lets others use the object, but not detach it; cancelled, it ends."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        world.change_card("remove")
        before = world.ours.resources()["threads"]
        world.ours.start("wait_for_card", timeout_ms=FOREVER)
        wait_for("the call waits, and has a watch", lambda: world.ours.resources()["threads"] == before + 2)
        assert world.ours.status() == {"code": "S_OK", "state": "absent", "protocol": 0}
        with must_be_prompt():
            assert world.ours.detach() == {"code": "E_TIMEOUT"}
        assert world.ours.cancel_until_finished(name="a") == {"code": "E_CANCELLED"}
        assert world.ours.detach()["code"] in ("S_OK", "E_TIMEOUT")  # PC/SC may not have let go of it yet
        assert world.ours.status()["code"] == "E_INVALID_HANDLE"
        count_in.free()
        count_in.assert_all_is_back()


@pytest.mark.parametrize("function", [name for name, blocker in BLOCKING if blocker == "transaction"])
def test_where_libpcsclite_does_not_wait(tmp_path, way, function):
    """With PCSCLITE_NO_BLOCKING it says that others have the card, which is nobody's answer to who waits for it."""
    with RunRig(tmp_path) as world, world.client(PCSCLITE_NO_BLOCKING="1") as ours:
        world.other_connects()
        world.ours, first = ours, world.ours
        assert ours.create() == {"code": "S_OK"}
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        with blocked(world, "transaction"), must_be_prompt():
            assert getattr(ours, function)(**FUNCTIONS[function][0])["code"] in ("E_TIMEOUT", "E_SHARING_VIOLATION")
        assert_as_before(world, function)
        count_in.free()
        world.ours = first


def test_cancelling_nothing(tmp_path, way):
    with RunRig(tmp_path) as world:
        assert world.ours.cancel() == {"code": "S_OK"}
        world.attach(way)
        assert world.ours.cancel() == {"code": "S_OK"}
        assert world.count() == (1, "card")
        assert world.ours.cancel(object=3) == {"code": "E_POINTER"}


@pytest.mark.parametrize("function", [name for name, blocker in BLOCKING if blocker == "silence"])
def test_killed_while_it_does_not_answer(tmp_path, way, function):
    """What was given up ends with the service; the attachment gets back to it, or says that its handle is gone."""
    with ServiceRig(tmp_path) as world:
        count_in = Counted(world, way)
        count_in.attach(SHORT)
        world.freeze()
        with must_be_prompt():
            assert getattr(world.ours, function)(**FUNCTIONS[function][0])["code"] == "E_TIMEOUT"
        world.restart(signal.SIGUSR2)
        assert world.ours.set_options(options={"timeout_ms": 1000 * PROMPT}) == {"code": "S_OK"}
        with must_be_prompt():
            code = world.ours.reconnect()["code"]
        assert code == ("S_OK" if way == "ifd" else "E_INVALID_HANDLE")
        if way == "ifd":
            world.other_connects()
            assert world.count() == (1, "card")
            world.assert_free()
        count_in.free()
        world.ours.pcsc_disconnect()
        world.ours.pcsc_release()
        assert world.ours.pcsc_establish() == {"code": "S_OK"}
        count_in.assert_all_is_back()


@pytest.mark.parametrize("function", [name for name, blocker in BLOCKING if blocker == "silence"])
def test_killed_under_a_call(tmp_path, way, function):
    """It ends by itself then, as it has no deadline of its own."""
    with ServiceRig(tmp_path) as world:
        count_in = Counted(world, way)
        count_in.attach(FOREVER)
        arguments = forever(FUNCTIONS[function][0])
        if function == "attach_by_ifd":
            arguments["reader"] = world.reader
        world.freeze()
        world.ours.start(function, **arguments)
        world.restart(signal.SIGUSR2)
        with must_be_prompt():
            answer = world.ours.finish()
        assert answer["code"] not in ("E_TIMEOUT", "E_CANCELLED")
        count_in.free()


def test_ten_times(tmp_path, way):
    """Whatever is given up, the next one is not worse off."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        count_in = Counted(world, way)
        count_in.attach(20)
        for _ in range(10):
            for blocker in BLOCKERS:
                with blocked(world, blocker):
                    assert world.ours.transmit(command=COUNT)["code"] == "E_TIMEOUT"
                    assert world.ours.lock()["code"] == "E_TIMEOUT"
        assert_as_before(world, "lock")
        count_in.free()
        count_in.assert_all_is_back()


# Waiting for a card.

def test_a_card_that_is_there(tmp_path, way):
    with RunRig(tmp_path) as world:
        world.attach(way)
        for timeout_ms in (0, SHORT, FOREVER):
            assert world.ours.wait_for_card(timeout_ms=timeout_ms) == {"code": "S_OK"}
        assert world.count() == (1, "card")


def test_no_card(tmp_path, way):
    with RunRig(tmp_path) as world:
        world.attach(way)
        world.change_card("remove")
        for timeout_ms in (0, SHORT):
            with must_be_prompt():
                assert world.ours.wait_for_card(timeout_ms=timeout_ms) == {"code": "E_TIMEOUT"}
        world.ours.start("wait_for_card", timeout_ms=FOREVER)
        with must_be_prompt():
            assert world.ours.cancel_until_finished(name="a") == {"code": "E_CANCELLED"}
        assert outcome_of(world.ours.reconnect_ex()).code == "E_NO_SMARTCARD"


@pytest.mark.parametrize("timeout_ms", [1000 * PROMPT, FOREVER])
def test_a_card_that_comes(tmp_path, way, timeout_ms):
    """The options' deadline is not for this."""
    with RunRig(tmp_path) as world:
        world.attach(way)
        assert world.ours.set_options(options={"timeout_ms": SHORT}) == {"code": "S_OK"}
        for _ in range(3):
            world.change_card("remove")
            world.ours.start("wait_for_card", timeout_ms=timeout_ms)
            world.change_card("insert")
            with must_be_prompt():
                assert world.ours.finish() == {"code": "S_OK"}
            assert world.count() == "W_REMOVED_CARD"  # judging it is for the reconnect
            assert world.reconnect()[:3] == ("S_OK", "leave", "reinserted")
            assert world.count() == (1, "card")


def test_a_card_that_is_another(tmp_path, way):
    with RunRig(tmp_path) as world:
        world.attach(way)
        world.change_card("remove")
        world.ours.start("wait_for_card", timeout_ms=FOREVER)
        world.change_card("swap", "other")
        assert world.ours.finish() == {"code": "S_OK"}
        assert world.reconnect().code == "W_REMOVED_CARD"


def test_a_card_that_comes_first(tmp_path):
    with RunRig(tmp_path) as world:
        world.change_card("remove")
        world.attach("ifd")
        world.ours.start("wait_for_card", timeout_ms=FOREVER)
        world.change_card("insert")
        assert world.ours.finish() == {"code": "S_OK"}
        assert world.reconnect()[:3] == ("S_OK", "reopen", "first")


def test_waiting_through_unplugging(tmp_path, way):
    with RunRig(tmp_path, reader=f"{READER},usb") as world:
        world.attach(way)
        world.change_card("remove")
        world.ours.start("wait_for_card", timeout_ms=FOREVER)
        world.unplug()
        world.plug()
        world.unplug()
        assert world.ours.is_done(name="a") == {"done": False}
        world.plug()
        world.change_card("insert")
        with must_be_prompt():
            assert world.ours.finish() == {"code": "S_OK"}


@pytest.mark.parametrize("how", ["stop", "kill", "stop_until_a_client_comes"])
def test_waiting_through_a_restart(tmp_path, way, how):
    with ServiceRig(tmp_path) as world:
        world.attach(way)
        world.change_card("remove")
        world.ours.start("wait_for_card", timeout_ms=FOREVER)
        getattr(world, how)()
        if how != "stop_until_a_client_comes":  # then it is the one who has it started, if it asks
            world.begin_again()
        world.other_starts_over()
        assert world.ours.is_done(name="a") == {"done": False}
        world.change_card("insert")
        with must_be_prompt():
            assert world.ours.finish() == {"code": "S_OK"}


def test_waiting_for_a_reader_that_is_not_known(tmp_path):
    """The handle had an event when it was attached, and PC/SC does not tell the reader's name then."""
    with RunRig(tmp_path) as world:
        world.other_connects()
        assert world.ours.pcsc_connect()["code"] == "S_OK"
        world.other_resets()
        assert world.ours.attach_by_handle() == {"code": "S_OK"}
        assert world.ours.wait_for_card(timeout_ms=FOREVER) == {"code": "W_RESET_CARD"}
        world.change_card("remove")
        assert world.ours.attach_by_handle() == {"code": "S_OK"}
        assert world.ours.wait_for_card(timeout_ms=FOREVER) == {"code": "W_REMOVED_CARD"}


def test_waiting_ends_with_the_deadline(tmp_path, way):
    """wait_ms is within timeout_ms."""
    with RunRig(tmp_path) as world:
        world.attach(way)
        world.change_card("remove")
        with must_be_prompt():
            code = world.reconnect(wait_ms=FOREVER, timeout_ms=SHORT).code
        assert code in ("E_TIMEOUT", "E_NO_SMARTCARD")
        world.ours.start("reconnect_ex", options={"wait_ms": FOREVER, "timeout_ms": FOREVER})
        with must_be_prompt():
            assert world.ours.cancel_until_finished(name="a")["code"] == "E_CANCELLED"
        world.change_card("insert")
        assert world.reconnect()[:3] == ("S_OK", "leave", "reinserted")


# Structs of programs that were built with another version of the header.

def test_options_of_other_versions(tmp_path, way):
    garbage = {"garbage": 0xA5}
    with RunRig(tmp_path) as world:
        world.attach(way)
        world.change_card("remove")
        for size in ("timeout_ms", "wait_ms", "accept_other_index", "rebuild"):
            # what it does not have is not read: no rebuild function is called at A5A5A5A5
            older = {"size": size, "timeout_ms": 1000 * PROMPT, "wait_ms": 1, **garbage}
            assert world.ours.set_options(options=older) == {"code": "S_OK"}
            assert world.reconnect(**older).code == "E_NO_SMARTCARD"
        world.change_card("insert")
        assert world.reconnect(size="timeout_ms", **garbage).code == "S_OK"
        assert world.reconnect(size="more").code == "S_OK"
        for refused in ({"size": "more", **garbage}, {"size": 0}, {"size": 8}, {"size": 1 << 40}):
            assert world.ours.set_options(options=refused) == {"code": "E_INVALIDARG"}
            assert world.ours.reconnect_ex(options=refused) == {"code": "E_INVALIDARG"}
        assert world.count() == (1, "card")


def test_reports_of_other_versions(tmp_path, way):
    """Nothing is written behind the end of a smaller one."""
    with RunRig(tmp_path) as world:
        world.attach(way)
        whole = world.ours.reconnect_ex(options={"first_step": "warm"})["report"]
        assert (whole["sent"], whole["waited_us"]) == (0, 0)
        smaller = world.ours.reconnect_ex(options={"first_step": "warm"}, report_size="sent")["report"]
        assert smaller["new_atr"] == whole["new_atr"]
        assert (smaller["sent"], smaller["waited_us"]) == (0xA5A5A5A5, -0x5A5A5A5A5A5A5A5B)
        assert world.ours.reconnect_ex(options={}, report=False) == {"code": "S_OK"}
        assert world.ours.transmit_ex(command=COUNT, options={}, report=False)["code"] == "S_OK"
        for size in (0, 8, 5000):
            assert world.ours.reconnect_ex(options={}, report_size=size) == {"code": "E_INVALIDARG"}
            assert world.ours.transmit_ex(command=COUNT, options={}, report_size=size)["code"] == "E_INVALIDARG"
