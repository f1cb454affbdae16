# SPDX-License-Identifier: BSD-3-Clause
"""Each way to lose a card, and how libscardmanage gets back to it: by reader and by handle, with the lock and without.

What it returns, the step it took, what it says of the card and of the lock is in tables; that the card then really works,
and is locked or free for another client, is looked at after each. Single functions, their arguments and what needs no
rig of its own are in test_scardmanage.c; memory that runs out in test_scardmanage_memory.c; deadlines, cancelling and
waiting in test_deadlines.py; the rebuild function and scardmanage_transmit_ex() in test_rebuild.py.
"""

import pathlib
import random
import signal
import time

import pytest

from manage_client import FOREVER, Outcome, count_in, outcome_of
from managed_rig import COUNT, READER, WAYS, RunRig, ServiceRig, atr, nothing, reinserts
from waiting import TIMEOUT, wait_for

LOCKS = ("free", "locked")


def ok(step, verdict, lock="kept"):
    return Outcome("S_OK", step, verdict, lock)


def by(ifd, handle):
    """What depends on the way of attaching."""
    return {"ifd": ifd, "handle": handle}


UNCHANGED = ok("none", "unchanged")
RESET = ok("leave", "reset")
BACK = ok("leave", "reinserted", "reacquired")
GONE = Outcome("E_NO_SMARTCARD", "none", "absent", "lost")
REFUSED = Outcome("W_REMOVED_CARD", "none", "different", "lost")
ACCEPTED = ok("leave", "different", "reacquired")
ACCEPT = {"accept_other_card": True}


def resets(*how):
    def action(world):
        for one in how:
            world.other_resets(one)
    return action


def cannot_reset(world):
    for how in ("leave", "reset", "unpower"):
        assert world.other.pcsc_reconnect(initialization=how)["code"] == "E_SHARING_VIOLATION"


def card_events(*commands):
    """remove, insert, or the name of a card that is put in the place of the other one."""
    def action(world):
        for command in commands:
            if command in ("remove", "insert"):
                world.change_card(command)
            else:
                world.change_card("swap", command)
    return action


def together(*actions):
    def action(world):
        for one in actions:
            one(world)
    return action


def falls_silent(*faults):
    """At our next command."""
    def action(world):
        world.fault(*faults)
        assert world.ours.transmit(command=COUNT)["code"] not in ("S_OK", "W_RESET_CARD", "W_REMOVED_CARD")
    return action


def is_pulled(world):
    """At our next command, before it answers."""
    before = world.other.pcsc_events()["counter"]
    falls_silent("removal")(world)
    assert not world.other.pcsc_events(before=before, events=1)["present"]


def silent_when_reset(*faults):
    """The other client resets it, and it does not answer."""
    def action(world):
        world.fault(*faults)
        assert world.other.pcsc_reconnect(initialization="reset")["code"] == "W_UNRESPONSIVE_CARD"
    return action


def switched_off(world):
    """By another client, who then comes back without touching the card."""
    world.other_leaves("unpower")
    world.other_is_there = False


def other_chooses(protocols):
    """The card was out; when it is back, the other client is first to connect."""
    def action(world):
        world.other_leaves()
        world.change_card("remove")
        world.change_card("insert")
        world.other_connects(protocols=protocols)
    return action


def other_is_at_it(world):
    """The card was out, and with it our lock; the other client takes its own."""
    world.change_card("remove")
    world.change_card("insert")
    assert world.other.pcsc_reconnect()["code"] == "S_OK"
    world.other_begins()


def other_ends(world):
    world.other_ends()


FIRST_WARM = {"first_step": "warm"}
SILENT_BY_HANDLE = Outcome("W_UNRESPONSIVE_CARD", "cold", "unchanged", "kept")
SILENT_BY_IFD = Outcome("W_UNPOWERED_CARD", "reopen", "unchanged", "lost")

# Others cannot reset a card that we have locked.
WITHOUT_LOCK = {
    "reset warm": [(resets("reset"), RESET)],
    "reset cold": [(resets("unpower"), RESET)],
    "reset several times": [(resets("reset", "unpower", "unpower", "reset"), RESET)],
    "reset, again and again": [(resets("reset"), RESET), (resets("unpower"), RESET), (resets("reset"), RESET)],
    "reset, and only looking is allowed": [(resets("reset"), RESET, {"last_step": "leave"})],
    "switched off": [(switched_off, ok("warm", "reset"))],
    "switched off, and no reset is allowed": [
        (switched_off, Outcome("W_UNRESPONSIVE_CARD", "leave", "reset", "none"), {"last_step": "leave"}),
        (nothing, ok("warm", "reset"))],
    "reset while out of the way": [(together(resets("reset"), card_events("remove", "insert")), BACK)],
    "removed, put back, reset": [(together(card_events("remove", "insert"), resets("reset")), BACK)],
    "swapped, reset": [(together(card_events("other"), resets("reset")), REFUSED), (resets("unpower"), REFUSED),
                       (nothing, ACCEPTED, ACCEPT)],
    "swapped for one with the same ATR, reset": [(together(card_events("twin"), resets("unpower")), BACK)],
    "silent once, cured warm": [(silent_when_reset("mute"), ok("warm", "reset"))],
    "another protocol chosen by a reset": [(resets("reset"), RESET), (lambda world: world.other_resets(protocols=1), RESET)],
}

CAUSES = {
    "nothing": [(nothing, UNCHANGED), (nothing, UNCHANGED)],
    "removed": [(card_events("remove"), GONE), (nothing, GONE), (card_events("insert"), BACK)],
    "removed and put back": [(card_events("remove", "insert"), BACK)],
    "removed and put back, again and again": [(card_events(*["remove", "insert"] * 5), BACK), (card_events("remove"), GONE),
                                              (card_events("insert", "remove"), GONE), (card_events("insert"), BACK)],
    "swapped for another": [(card_events("other"), REFUSED), (nothing, REFUSED), (nothing, ACCEPTED, ACCEPT)],
    "swapped for another, accepted at once": [(card_events("other"), ACCEPTED, ACCEPT), (card_events("card"), REFUSED)],
    "swapped for another, then the right one": [(card_events("other"), REFUSED), (card_events("card"), BACK)],
    "swapped for another, and back, unseen": [(card_events("other", "card"), BACK)],
    "swapped for another, which is removed": [(card_events("other"), REFUSED), (card_events("remove"), GONE), (card_events("card"), BACK)],
    "swapped for one with the same ATR": [(card_events("twin"), BACK)],
    "a locked card is not reset": [(lambda world: world.locked and cannot_reset(world), UNCHANGED)],
    "silent, cured warm": [(falls_silent("mute"), ok("warm", "unchanged"))],
    "silent, cured cold": [(falls_silent("mute*2"), ok("cold", "unchanged"))],
    "silent, and only a warm reset is allowed": [
        (falls_silent("mute*3"), Outcome("W_UNRESPONSIVE_CARD", "warm", "unchanged", "kept"), {"last_step": "warm"}),
        (nothing, ok("cold", "reset"), FIRST_WARM)],
    "silent for good, until it is put back": [
        (falls_silent("mute*1000"), by(SILENT_BY_IFD, SILENT_BY_HANDLE)),
        (card_events("remove", "insert"), by(ok("reopen", "reinserted", "reacquired"), BACK))],
    "silent, removed, put back": [(together(falls_silent("mute*1000"), card_events("remove", "insert")), BACK)],
    "out of power in the middle": [(falls_silent("power-loss"), ok("warm", "unchanged"))],
    "removed in the middle": [(is_pulled, GONE), (card_events("insert"), BACK)],
    "another protocol chosen": [(other_chooses(1), BACK)],
    "a protocol that is wanted was not chosen": [
        (other_chooses(1), Outcome("E_PROTO_MISMATCH", "leave", "reinserted", "lost"), {"protocols": 2, "last_step": "leave"}),
        (nothing, ok("warm", "reinserted", "reacquired"), {"protocols": 2})],
    "somebody else's transaction": [
        (other_is_at_it, Outcome("E_TIMEOUT", "none", "unknown", "lost"), {"timeout_ms": 300}),
        (other_ends, BACK)],
}


def expected(entry, way, locked):
    wanted = entry[way] if isinstance(entry, dict) else entry
    return wanted if locked else wanted._replace(lock="none")


def assert_works(world, locked, card):
    """It really does, and the lock is as it is said to be."""
    status = world.ours.status()
    assert (status["code"], status["state"]) == ("S_OK", "specific")
    assert world.count()[1] == card
    assert world.ours.get_atr()["atr"] == atr(card)
    assert world.reconnect() == (UNCHANGED if locked else UNCHANGED._replace(lock="none"))
    if not world.other_is_there:
        if locked:
            return
        world.other_connects()
        world.other_is_there = True
    if locked:
        world.assert_locked_out()
        assert world.ours.unlock() == {"code": "S_OK"}
        world.assert_free()
        assert world.ours.lock() == {"code": "S_OK"}
        world.assert_locked_out()
    else:
        world.assert_free()
        assert world.ours.unlock() == {"code": "E_NOT_TRANSACTED"}


def assert_refuses(world):
    """What is lost is not used: neither locked, nor sent to."""
    assert world.count() not in ("S_OK", None) and isinstance(world.count(), str)
    assert world.ours.lock()["code"] != "S_OK"


def go_through(world, way, locked, stages):
    for number, (action, entry, *options) in enumerate(stages):
        action(world)
        wanted = expected(entry, way, locked)
        answer = world.ours.reconnect_ex(options=options[0] if options else {})
        assert outcome_of(answer) == wanted, f"{number}: {answer}"
        if wanted.code != "S_OK":
            if wanted.code not in ("E_PROTO_MISMATCH", "E_TIMEOUT"):
                assert_refuses(world)
            continue
        card = world.rig.card()["name"]
        assert answer["report"]["new_atr"] == atr(card)
        assert_works(world, locked, card)


def begin(world, way, locked):
    world.other_connects()
    world.other_is_there = True
    world.locked = locked
    world.attach(way)
    if locked:
        assert world.ours.lock() == {"code": "S_OK"}
        assert world.ours.lock() == {"code": "S_OK"}
        assert world.ours.unlock() == {"code": "S_OK"}
    assert world.count() == (1, "card")


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("cause", CAUSES)
def test_cause(tmp_path, cause, way, lock):
    with RunRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        go_through(world, way, lock == "locked", CAUSES[cause])


@pytest.mark.parametrize("cause", WITHOUT_LOCK)
def test_cause_without_lock(tmp_path, cause, way):
    with RunRig(tmp_path) as world:
        begin(world, way, False)
        go_through(world, way, False, WITHOUT_LOCK[cause])


# The reader is on USB, and there is another one of that name.

UNPLUGGED = Outcome("E_READER_UNAVAILABLE", "none", "unknown", "lost")
REPLUGGED = by(ok("reopen", "reinserted", "reacquired"), Outcome("E_INVALID_HANDLE", "none", "unknown", "lost"))
WRONG_CARD = by(REFUSED, REPLUGGED["handle"])
ANY_INDEX = {"accept_other_index": True}


def unplugs(world):
    world.other_leaves()
    world.unplug("0")
    world.other_is_there = False


def plugs(world):
    world.plug("0")


def with_cards(*commands):
    """While it is unplugged. PC/SC does not hear of that."""
    def action(world):
        for command in commands:
            if command in ("remove", "insert"):
                world.rig.do(command, slot="0")
            else:
                world.rig.do("swap", slot="0", file=world.card(command))
    return action


UNPLUGGING = {
    "unplugged": [(unplugs, UNPLUGGED), (nothing, UNPLUGGED), (plugs, REPLUGGED), (nothing, by(UNCHANGED, REPLUGGED["handle"]))],
    "unplugged and plugged in": [(together(unplugs, plugs), REPLUGGED)],
    "unplugged and plugged in, and reopening is not allowed": [
        (together(unplugs, plugs), by(Outcome("E_INVALID_HANDLE", "none", "reinserted", "lost"), REPLUGGED["handle"]),
         {"last_step": "cold"}),
        (nothing, REPLUGGED)],
    "unplugged, card swapped, plugged in": [
        (together(unplugs, with_cards("other"), plugs), WRONG_CARD),
        (nothing, by(ok("reopen", "different", "reacquired"), REPLUGGED["handle"]), ACCEPT)],
    "unplugged, card removed, plugged in": [
        (together(unplugs, with_cards("remove"), plugs), by(GONE, REPLUGGED["handle"])),
        (card_events("insert"), REPLUGGED)],
    "swapped, unplugged, plugged in": [(together(card_events("other"), unplugs, plugs), WRONG_CARD)],
    # with no handle left to notice that
    "silent for good, unplugged, card swapped, plugged in": [
        (falls_silent("mute*1000"), by(SILENT_BY_IFD, SILENT_BY_HANDLE)),
        (together(unplugs, with_cards("other"), plugs), WRONG_CARD)],
    "reset or not, unplugged and plugged in, reset": [
        (together(lambda world: world.locked or world.other_resets(), unplugs, plugs), REPLUGGED)],
}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("cause", UNPLUGGING)
def test_unplugging(tmp_path, cause, way, lock):
    with RunRig(tmp_path, reader=f"{READER},usb") as world:
        begin(world, way, lock == "locked")
        go_through(world, way, lock == "locked", UNPLUGGING[cause])


def test_replugged_after_a_handle_was_given_up(tmp_path):
    """When unlocking a card that was reset and does not answer."""
    with RunRig(tmp_path, reader=f"{READER},usb") as world:
        begin(world, "ifd", True)
        falls_silent("mute*1000")(world)
        assert world.reconnect(first_step="warm", last_step="warm").code == "W_UNRESPONSIVE_CARD"
        assert world.ours.unlock() == {"code": "W_UNRESPONSIVE_CARD"}
        together(unplugs, with_cards("other"), plugs)(world)
        assert world.reconnect() == REFUSED._replace(lock="none")
        card_events("card")(world)
        assert world.reconnect() == ("S_OK", "reopen", "reinserted", "none")
        assert_works(world, False, "card")


class ThreeReaders(RunRig):
    """Ours, slot 0, and two others of that name, which are not plugged in."""

    def __init__(self, folder):
        more = ("--reader", f"{READER},usb,unplugged")
        super().__init__(folder, *more, *more, reader=f"{READER},usb")


def another_index(world):
    """pcscd gives the lowest number that is free. While ours is out, another reader takes it, and goes again."""
    unplugs(world)
    world.plug("1")
    world.plug("0")
    world.unplug("1")
    assert world.rig.do("status")["slots"][0]["pcsc_name"] == f"{READER} 01 00"


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("accepted", [False, True])
def test_replugged_under_another_index(tmp_path, way, lock, accepted):
    with ThreeReaders(tmp_path) as world:
        begin(world, way, lock == "locked")
        another_index(world)
        if not accepted:
            go_through(world, way, lock == "locked", [(nothing, UNPLUGGED), (nothing, UNPLUGGED)])
            return
        if way == "handle":
            # the reader that its name means is not there, and the handle is not to be moved to another
            answer = world.reconnect(**ANY_INDEX)
            assert answer.code in ("E_READER_UNAVAILABLE", "E_INVALID_HANDLE")
            return
        world.reader = world.ours.reader = world.other.reader = f"{READER} 01 00"
        go_through(world, way, lock == "locked", [(nothing, REPLUGGED, ANY_INDEX), (nothing, UNCHANGED)])
        assert world.ours.get_reader()["reader"] == f"{READER} 01 00"


def test_which_of_several_readers_it_is_cannot_be_known(tmp_path):
    with ThreeReaders(tmp_path) as world:
        begin(world, "ifd", False)
        another_index(world)
        world.plug("1")  # has number 0 for a while
        world.plug("2")
        world.unplug("1")
        go_through(world, "ifd", False, [(nothing, UNPLUGGED, ANY_INDEX)])
        world.unplug("2")
        assert world.reconnect(**ANY_INDEX) == REPLUGGED["ifd"]._replace(lock="none")


# The service goes.

DOWN = by(Outcome("E_NO_SERVICE", "restart", "unknown", "lost"), Outcome("E_NO_SERVICE", "none", "unknown", "lost"))
RESTARTED = by(ok("restart", "reinserted", "reacquired"), Outcome("E_INVALID_HANDLE", "none", "unknown", "lost"))
WRONG_CARD_AFTER_RESTART = by(REFUSED._replace(step="restart"), RESTARTED["handle"])
# When the context was opened, but not the card.
REOPENED = by(ok("reopen", "reinserted", "reacquired"), RESTARTED["handle"])


def stops(world):
    world.stop()
    world.other_is_there = False


def is_killed(world):
    world.kill()
    world.other_is_there = False


def waits_for_activation(world):
    world.stop_until_a_client_comes()
    world.other_is_there = False


def starts(world):
    world.start()
    world.other_connects()
    world.other_is_there = True


def restarts(world):
    world.restart()
    world.other_connects()
    world.other_is_there = True


def is_killed_and_started(world):
    world.restart(signal.SIGUSR2)
    world.other_connects()
    world.other_is_there = True


RESTARTING = {
    "stopped": [(stops, DOWN), (nothing, DOWN), (starts, RESTARTED), (nothing, by(UNCHANGED, RESTARTED["handle"]))],
    "killed": [(is_killed, DOWN), (nothing, DOWN), (starts, RESTARTED)],
    "restarted": [(restarts, RESTARTED), (restarts, RESTARTED)],
    "restarted twice": [(together(restarts, restarts), RESTARTED)],
    "killed and started": [(is_killed_and_started, RESTARTED)],
    "restarted, and that is not allowed": [
        (restarts, by(Outcome("E_NO_SERVICE", "none", "unknown", "lost"), RESTARTED["handle"]), {"last_step": "reopen"}),
        (nothing, RESTARTED)],
    "restarted with another card": [
        (together(stops, with_cards("other"), starts), WRONG_CARD_AFTER_RESTART),
        (nothing, by(ok("reopen", "different", "reacquired"), RESTARTED["handle"]), ACCEPT)],
    "restarted without a card": [
        (together(stops, with_cards("remove")), DOWN),
        (lambda world: world.begin_again() or world.other_starts_over(), by(GONE._replace(step="restart"), RESTARTED["handle"])),
        (card_events("insert"), REOPENED)],
    "removed, put back, restarted": [(together(card_events("remove", "insert"), restarts), RESTARTED)],
    "swapped, restarted": [(together(card_events("other"), restarts), WRONG_CARD_AFTER_RESTART)],
    "restarted, removed, put back": [(together(restarts, card_events("remove", "insert")), RESTARTED)],
    "restarted, reset": [(together(restarts, resets("reset")), RESTARTED)],
    "restarted, and in somebody's exclusive use": [
        (together(restarts, lambda world: world.other_leaves() or world.other_connects(share="exclusive")),
         by(Outcome("E_SHARING_VIOLATION", "restart", "reinserted", "lost"), RESTARTED["handle"])),
        (lambda world: world.other_leaves() or world.other_connects(), REOPENED)],
}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("cause", RESTARTING)
def test_restarting(tmp_path, cause, way, lock):
    with ServiceRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        go_through(world, way, lock == "locked", RESTARTING[cause])


@pytest.mark.parametrize("lock", LOCKS)
def test_activated_again(tmp_path, way, lock):
    """A socket listens while no pcscd runs, and the first client that connects starts one: we. Until it has seen the card,
    the reader is empty."""
    with ServiceRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        waits_for_activation(world)
        assert not world.running()
        wanted = expected(RESTARTED, way, lock == "locked")
        assert world.reconnect(wait_ms=20000) == wanted
        assert world.running()
        world.wait_for_card()
        if way == "ifd":
            assert_works(world, lock == "locked", "card")


@pytest.mark.parametrize("how", ["restarts", "replugs"])
def test_a_new_handle_after_all(tmp_path, how):
    """What the caller does whose handle is gone for good."""
    with ServiceRig(tmp_path) if how == "restarts" else RunRig(tmp_path, reader=f"{READER},usb") as world:
        begin(world, "handle", True)
        (restarts if how == "restarts" else together(unplugs, plugs))(world)
        assert world.reconnect().code == "E_INVALID_HANDLE"
        assert world.ours.detach() == {"code": "S_OK"}
        world.ours.pcsc_disconnect()
        world.ours.pcsc_release()
        assert world.ours.pcsc_establish() == {"code": "S_OK"}
        world.attach("handle")
        assert_works(world, False, "card")


def test_a_handle_that_is_lost_before_its_reader_is_known(tmp_path):
    """It had an event when it was attached, so nothing but that is known of it."""
    with ServiceRig(tmp_path) as world:
        assert world.ours.pcsc_connect()["code"] == "S_OK"
        world.other_connects()
        world.other_resets()
        assert world.ours.attach_by_handle() == {"code": "S_OK"}
        world.stop()
        assert world.reconnect().code == "E_NO_SERVICE"
        world.start()
        assert world.reconnect().code == world.reconnect().code == "E_INVALID_HANDLE"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_card_that_shows_late_that_it_is_another(tmp_path, way, lock):
    """It does not answer at first: a step wakes it up, and what that has locked is let go again."""
    with RunRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        other = pathlib.Path(world.card("other"))
        other.write_text(other.read_text().replace("return {", "return { faults = { \"mute\" },", 1))
        before = world.other.pcsc_events()["counter"]
        world.rig.do("swap", slot=world.slot, file=str(other))
        assert world.other.pcsc_events(before=before, events=2)["code"] == "S_OK"
        for _ in range(2):
            answer = world.reconnect()
            assert (answer.code, answer.verdict) == ("W_REMOVED_CARD", "different")
            world.assert_free()


# A reader that was empty when it was attached.

def test_the_first_card(tmp_path):
    with RunRig(tmp_path) as world:
        world.change_card("remove")
        world.attach("ifd")
        assert world.count() == "E_NO_SMARTCARD"
        assert world.reconnect() == GONE._replace(lock="none")
        world.change_card("insert")
        world.other_connects(share="exclusive")
        assert world.reconnect() == ("E_SHARING_VIOLATION", "reopen", "first", "none")
        world.other_leaves()
        world.other_is_there = False
        assert world.reconnect() == ("S_OK", "reopen", "first", "none")
        assert_works(world, False, "card")


def wait_until_powered_down(world):
    wait_for("pcscd takes the power away", lambda: not world.rig.card()["powered"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lock", LOCKS)
def test_powered_down_by_the_grace_period(tmp_path, way, lock):
    """pcscd does that to a card that was put in and that nobody connects to, some 5 seconds later; a handle from before
    does not count."""
    with RunRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        world.change_card("remove")
        world.change_card("insert")
        wait_until_powered_down(world)
        go_through(world, way, lock == "locked", [(nothing, ok("warm", "reinserted", "reacquired"))])


def test_powered_down_before_it_was_used(tmp_path):
    with RunRig(tmp_path) as world:
        world.change_card("remove")
        world.attach("ifd")
        world.change_card("insert")
        wait_until_powered_down(world)
        world.other_is_there = False
        assert world.reconnect() == ("S_OK", "reopen", "first", "none")
        assert_works(world, False, "card")


# While it is under way: from another thread while it waits, and from inside, in the rebuild function.

@pytest.mark.parametrize("lock", LOCKS)
def test_waits_for_the_card(tmp_path, way, lock):
    with RunRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        world.change_card("remove")
        assert world.reconnect(wait_ms=50) == expected(GONE, way, lock == "locked")
        world.ours.start("reconnect_ex", options={"wait_ms": FOREVER, "timeout_ms": FOREVER})
        world.change_card("insert")
        answer = world.ours.finish()
        assert outcome_of(answer) == expected(BACK, way, lock == "locked")
        assert answer["report"]["waited_us"] <= answer["report"]["elapsed_us"]
        assert_works(world, lock == "locked", "card")


@pytest.mark.parametrize("lock", LOCKS)
def test_the_wrong_card_comes_while_it_waits(tmp_path, way, lock):
    """A card is there, so that waiting has an end."""
    with RunRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        world.change_card("remove")
        world.ours.start("reconnect_ex", options={"wait_ms": FOREVER, "timeout_ms": FOREVER})
        world.change_card("swap", "other")
        assert outcome_of(world.ours.finish()) == expected(REFUSED, way, lock == "locked")
        world.change_card("swap", "card")
        assert world.reconnect() == expected(BACK, way, lock == "locked")


@pytest.mark.parametrize("lock", LOCKS)
def test_the_service_restarts_while_it_waits_for_a_card(tmp_path, way, lock):
    with ServiceRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        world.change_card("remove")
        world.ours.start("reconnect_ex", options={"wait_ms": FOREVER, "timeout_ms": FOREVER})
        world.begin_again()
        if way == "ifd":
            assert world.ours.is_done(name="a") == {"done": False}
            world.rig.do("insert")
        wanted = expected(RESTARTED, way, lock == "locked")
        assert outcome_of(world.ours.finish()) == wanted
        world.other_starts_over()
        world.other_is_there = False
        if way == "ifd":
            assert_works(world, lock == "locked", "card")


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_waits_for_the_service(tmp_path, way, lock, how):
    with ServiceRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        getattr(world, how)()
        assert world.reconnect(wait_ms=50) == expected(DOWN, way, lock == "locked")
        world.ours.start("reconnect_ex", options={"wait_ms": FOREVER, "timeout_ms": FOREVER})
        world.begin_again()
        answer = world.ours.finish()
        assert outcome_of(answer) == expected(RESTARTED, way, lock == "locked")
        world.other_starts_over()
        world.other_is_there = False
        if way == "ifd":
            assert_works(world, lock == "locked", "card")


@pytest.mark.parametrize("lock", LOCKS)
def test_waits_for_the_reader(tmp_path, way, lock):
    with RunRig(tmp_path, reader=f"{READER},usb") as world:
        begin(world, way, lock == "locked")
        unplugs(world)
        assert world.reconnect(wait_ms=50) == expected(UNPLUGGED, way, lock == "locked")
        world.ours.start("reconnect_ex", options={"wait_ms": FOREVER, "timeout_ms": FOREVER})
        plugs(world)
        assert outcome_of(world.ours.finish()) == expected(REPLUGGED, way, lock == "locked")
        if way == "ifd":
            assert_works(world, lock == "locked", "card")


@pytest.mark.parametrize("lock", LOCKS)
def test_unplugged_while_it_waits_for_a_card(tmp_path, way, lock):
    with RunRig(tmp_path, reader=f"{READER},usb") as world:
        begin(world, way, lock == "locked")
        world.change_card("remove")
        world.ours.start("reconnect_ex", options={"wait_ms": FOREVER, "timeout_ms": FOREVER})
        world.other_leaves()
        world.other_is_there = False
        world.unplug()
        world.plug()
        if way == "ifd":
            world.unplug()
            assert world.ours.is_done(name="a") == {"done": False}
            world.rig.do("insert")
            world.plug()
        assert outcome_of(world.ours.finish()) == expected(REPLUGGED, way, lock == "locked")
        if way == "ifd":
            assert_works(world, lock == "locked", "card")


def replugs(world):
    world.unplug("0")
    world.plug("0")


DURING = {
    "removed and put back": (reinserts, 2, BACK),
    "swapped for one with the same ATR": (card_events("twin"), 2, BACK),
    "swapped for another": (card_events("other"), 1, REFUSED),
    "removed": (card_events("remove"), 1, GONE),
}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("cause", DURING)
def test_during_the_recovery(tmp_path, cause, way, lock):
    """In the middle of the rebuild function: what it did is void, and it is called again with what is there then."""
    action, calls, wanted = DURING[cause]
    rebuild = [[{"call": "transmit", "command": COUNT}, {"call": "hold"}, {"call": "transmit", "command": COUNT}],
               [{"call": "transmit", "command": COUNT}]]
    with RunRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        reinserts(world)
        world.ours.start("reconnect_ex", options={"rebuild": rebuild})
        assert world.ours.await_hold() == {"code": "S_OK"}
        action(world)
        world.ours.go()
        answer = world.ours.finish()
        assert outcome_of(answer)[:2] == expected(wanted, way, lock == "locked")[:2]
        assert answer["report"]["lock"] == expected(wanted, way, lock == "locked").lock
        first, *more = world.ours.rebuilds()["rebuilds"]
        assert len(more) == calls - 1
        assert count_in(first["answers"][0]) == (1, "card")
        assert count_in(first["answers"][2]) == "W_REMOVED_CARD"
        if wanted.code == "S_OK":
            name = world.rig.card()["name"]
            assert count_in(more[0]["answers"][0]) == (1, name)
            assert_works(world, lock == "locked", name)
        else:
            assert_refuses(world)


@pytest.mark.parametrize("lock", LOCKS)
def test_restarted_during_the_recovery(tmp_path, way, lock):
    rebuild = [[{"call": "hold"}, {"call": "transmit", "command": COUNT}], [{"call": "transmit", "command": COUNT}]]
    with ServiceRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        reinserts(world)
        world.ours.start("reconnect_ex", options={"rebuild": rebuild})
        assert world.ours.await_hold() == {"code": "S_OK"}
        world.restart()
        world.other_is_there = False
        world.ours.go()
        assert outcome_of(world.ours.finish())._replace(verdict=None) == expected(RESTARTED, way, lock == "locked")._replace(verdict=None)
        assert count_in(world.ours.rebuilds()["rebuilds"][0]["answers"][1]) not in (1, "card")
        if way == "ifd":
            assert_works(world, lock == "locked", "card")


def test_restarted_again_and_again(tmp_path):
    """The time to wait decides, not how often the service goes."""
    times = 6
    rebuild = [[{"call": "hold"}, {"call": "transmit", "command": COUNT}]] * times + [[{"call": "transmit", "command": COUNT}]]
    with ServiceRig(tmp_path) as world:
        begin(world, "ifd", False)
        reinserts(world)
        world.ours.start("reconnect_ex", options={"rebuild": rebuild, "wait_ms": FOREVER, "timeout_ms": FOREVER})
        for _ in range(times):
            assert world.ours.await_hold() == {"code": "S_OK"}
            world.restart()
            world.ours.go()
        assert outcome_of(world.ours.finish())._replace(verdict=None) == expected(RESTARTED, "ifd", False)._replace(verdict=None)
        assert len(world.ours.rebuilds()["rebuilds"]) == times + 1
        world.other_is_there = False
        assert_works(world, False, "card")


@pytest.mark.parametrize("lock", LOCKS)
def test_replugged_during_the_recovery(tmp_path, way, lock):
    rebuild = [[{"call": "hold"}, {"call": "transmit", "command": COUNT}], [{"call": "transmit", "command": COUNT}]]
    with RunRig(tmp_path, reader=f"{READER},usb") as world:
        begin(world, way, lock == "locked")
        reinserts(world)
        world.ours.start("reconnect_ex", options={"rebuild": rebuild})
        assert world.ours.await_hold() == {"code": "S_OK"}
        replugs(world)
        world.other_is_there = False
        world.ours.go()
        assert outcome_of(world.ours.finish())._replace(verdict=None) == expected(REPLUGGED, way, lock == "locked")._replace(verdict=None)
        if way == "ifd":
            assert_works(world, lock == "locked", "card")


def change_at_random(chance, world, more=()):
    """Up to six events, one after the other, and at any moment: nobody waits for what comes of them. In the end there is a
    card."""
    for _ in range(chance.randrange(7)):
        command = chance.choice(["remove", "insert", "card", "twin", "reset", "unpower", *more])
        if command in ("remove", "insert"):
            world.rig.ask(command=command, slot="0")
        elif command in ("card", "twin"):
            world.rig.do("swap", slot="0", file=world.card(command))
        elif command == "restart":
            world.begin_again(chance.choice([signal.SIGUSR1, signal.SIGUSR2]))
        else:
            world.other.pcsc_reconnect(initialization=command)
        time.sleep(chance.choice([0, 0, 0.001, 0.003]))
    if not world.rig.card():
        world.rig.do("insert", slot="0")


def recovers_from_changes_at_random(world, chance, locked, more=()):
    rebuild = [[{"call": "transmit", "command": COUNT}, {"call": "sleep", "ms": chance.choice([0, 1, 3])},
                {"call": "transmit", "command": COUNT}]]
    options = {"wait_ms": FOREVER, "timeout_ms": 1000 * TIMEOUT, "first_step": chance.choice(["leave", "warm", "cold"]),
               **({"rebuild": rebuild} if chance.random() < 0.5 else {})}
    world.ours.start("reconnect_ex", options=options)
    change_at_random(chance, world, more)
    answer = world.ours.finish()
    assert answer["code"] == "S_OK", answer["report"]
    world.ours.rebuilds()
    world.other_starts_over()
    world.start_over()
    assert world.reconnect(wait_ms=FOREVER).code == "S_OK"
    world.other_is_there = False
    if locked:
        world.other.start("pcsc_connect", reader=world.reader)  # waits until we have unlocked
        assert world.count()[1] == "card"
        assert world.other.is_done(name="a") == {"done": False}
        assert world.ours.unlock() == {"code": "S_OK"}
        assert world.other.finish()["code"] == "S_OK"
        world.assert_free()
        assert world.ours.lock() == {"code": "S_OK"}
    else:
        world.other_connects()
        assert world.count()[1] == "card"
        world.assert_free()
        assert world.ours.unlock() == {"code": "E_NOT_TRANSACTED"}


@pytest.mark.parametrize("lock", LOCKS)
def test_card_events_at_any_moment(tmp_path, way, lock):
    """Whatever is done to the card while we try, in the end we are back."""
    chance = random.Random(f"{way} {lock}")
    with RunRig(tmp_path) as world:
        begin(world, way, lock == "locked")
        for _ in range(40):
            recovers_from_changes_at_random(world, chance, lock == "locked")


@pytest.mark.parametrize("lock", LOCKS)
def test_restarted_at_any_moment(tmp_path, lock):
    chance = random.Random(lock)
    with ServiceRig(tmp_path) as world:
        begin(world, "ifd", lock == "locked")
        for _ in range(20):
            recovers_from_changes_at_random(world, chance, lock == "locked", ["restart", "restart"])
