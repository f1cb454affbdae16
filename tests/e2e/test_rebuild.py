# SPDX-License-Identifier: BSD-3-Clause
"""The rebuild function of libscardmanage: called when it is due and only then, in the caller's thread, and nobody else comes
to the card meanwhile. And scardmanage_transmit_ex(), which reconnects by itself, and repeats only what may be repeated.
"""

import signal

import pytest

from manage_client import FOREVER, count_in, outcome_of, total_in
from managed_rig import COUNT, READER, RunRig, ServiceRig, nothing, reinserts
from waiting import wait_for

SELECT = {"call": "transmit", "command": COUNT}
REBUILD = [[SELECT]]


@pytest.fixture(params=["free", "locked"])
def locked(request):
    return request.param == "locked"


def begin(world, way, locked, **options):
    world.other_connects()
    world.attach(way, options or None)
    if locked:
        assert world.ours.lock() == {"code": "S_OK"}
    assert world.count() == (1, "card")


def assert_lock(world, locked):
    """As it was before, and not once more or less."""
    if locked:
        world.assert_locked_out()
        assert world.ours.unlock() == {"code": "S_OK"}
    world.assert_free()
    assert world.ours.unlock() == {"code": "E_NOT_TRANSACTED"}


DUE = {
    # what happened, options, the code, how often it is called
    "nothing": (nothing, {}, "S_OK", 0),
    "removed and put back": (reinserts, {}, "S_OK", 1),
    "reset by us": (nothing, {"first_step": "warm"}, "S_OK", 1),
    "another protocol": (nothing, {"protocols": 1}, "S_OK", 1),
    "the protocol that is there": (nothing, {"protocols": 2}, "S_OK", 0),
    "removed": (lambda world: world.change_card("remove"), {}, "E_NO_SMARTCARD", 0),
    "another card": (lambda world: world.change_card("swap", "other"), {}, "W_REMOVED_CARD", 0),
    "another card that is accepted": (lambda world: world.change_card("swap", "other"), {"accept_other_card": True}, "S_OK", 1),
    "a protocol that is not available": (lambda world: world.change_card("swap", "other"),
                                         {"accept_other_card": True, "protocols": 2}, "E_PROTO_MISMATCH", 0),
}


@pytest.mark.parametrize("name", DUE)
def test_when_it_is_due(tmp_path, way, locked, name):
    action, options, code, calls = DUE[name]
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        action(world)
        answer = world.ours.reconnect_ex(options={**options, "rebuild": REBUILD})
        assert answer["code"] == code
        called = world.ours.rebuilds()["rebuilds"]
        assert len(called) == calls
        for one in called:
            assert one["callers_thread"] and one["right_object"]
            assert one["answers"][0]["code"] == "S_OK"
            for key in ("step", "verdict", "lock", "attempts", "old_atr", "new_atr", "old_protocol", "new_protocol"):
                assert one["report"][key] == answer["report"][key], key
        if code == "S_OK":
            assert count_in(world.ours.transmit(command=COUNT))[0] == 2  # nobody has reset the card since
            assert_lock(world, locked)


def test_after_a_reset(tmp_path, way):
    with RunRig(tmp_path) as world:
        begin(world, way, False, rebuild=REBUILD)
        for how in ("reset", "unpower"):
            world.other_resets(how)
            assert world.ours.reconnect() == {"code": "S_OK"}  # the one that was set
            assert world.count() == (2, "card")
        assert world.ours.reconnect() == {"code": "S_OK"}
        assert len(world.ours.rebuilds()["rebuilds"]) == 2
        assert_lock(world, False)


def test_for_the_first_card(tmp_path):
    with RunRig(tmp_path) as world:
        world.change_card("remove")
        world.attach("ifd", {"rebuild": REBUILD})
        world.change_card("insert")
        assert world.ours.reconnect() == {"code": "S_OK"}
        assert world.count() == (2, "card")
        assert len(world.ours.rebuilds()["rebuilds"]) == 1


def test_after_a_restart(tmp_path, locked):
    with ServiceRig(tmp_path) as world:
        begin(world, "ifd", locked, rebuild=REBUILD)
        world.restart()
        world.other_connects()
        assert world.ours.reconnect() == {"code": "S_OK"}
        assert world.count() == (2, "card")
        assert len(world.ours.rebuilds()["rebuilds"]) == 1
        assert_lock(world, locked)


def test_nobody_comes_between(tmp_path, way, locked):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        assert world.other.pcsc_reconnect()["code"] == "S_OK"  # hears of it, and could use the card
        world.ours.start("reconnect_ex", options={"rebuild": [[SELECT, {"call": "hold"}, SELECT]]})
        assert world.ours.await_hold() == {"code": "S_OK"}
        world.assert_locked_out()
        world.other.start("pcsc_begin")  # waits
        world.ours.start("status", name="b")  # so does another thread of ours
        world.assert_locked_out()
        assert world.ours.is_done(name="b") == {"done": False}
        assert world.other.is_done(name="a") == {"done": False}
        world.ours.go()
        assert world.ours.finish()["code"] == "S_OK"
        assert [count_in(one) for one in world.ours.rebuilds()["rebuilds"][0]["answers"] if "response" in one] == [
            (1, "card"), (2, "card")]
        if locked:
            assert world.other.is_done(name="a") == {"done": False}
            assert world.ours.unlock() == {"code": "S_OK"}
        assert world.other.finish() == {"code": "S_OK"}
        world.other_ends()
        assert world.ours.finish("b")["code"] == "S_OK"
        assert_lock(world, False)


ALLOWED = [SELECT, {"call": "status"}, {"call": "lock"}, {"call": "lock"}, SELECT, {"call": "unlock"}, {"call": "unlock"},
           {"call": "get_atr"}, {"call": "get_reader"}, {"call": "get_handle"}, SELECT]
FORBIDDEN = [{"call": "reconnect"}, {"call": "reconnect_ex"}, {"call": "detach"}, {"call": "attach_by_handle"},
             {"call": "transmit_ex", "command": COUNT}, {"call": "wait_for_card", "timeout_ms": 0}]


def test_what_it_may_do(tmp_path, way, locked):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        assert world.reconnect(rebuild=[ALLOWED]).code == "S_OK"
        answers = world.ours.rebuilds()["rebuilds"][0]["answers"]
        assert [one["code"] for one in answers] == ["S_OK"] * len(ALLOWED)
        assert answers[1]["state"] == "specific"
        assert_lock(world, locked)


def test_what_it_may_not_do(tmp_path, way, locked):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        forbidden = [*FORBIDDEN, {"call": "attach_by_ifd", "reader": world.reader}, {"call": "set_options", "options": {}}]
        assert world.reconnect(rebuild=[[*forbidden, SELECT]]).code == "S_OK"
        *answers, last = world.ours.rebuilds()["rebuilds"][0]["answers"]
        assert {request["call"]: one["code"] for request, one in zip(forbidden, answers)} == {
            request["call"]: "E_FAIL" for request in forbidden}
        assert count_in(last) == (1, "card")
        assert_lock(world, locked)


def test_another_object_in_it(tmp_path):
    """One of its own is no business of this one."""
    with RunRig(tmp_path) as world:
        begin(world, "ifd", False)
        reinserts(world)
        other = {"object": 1}
        script = [{"call": "create", **other}, {"call": "status", **other}]
        assert world.reconnect(rebuild=[script]).code == "S_OK"
        answers = world.ours.rebuilds()["rebuilds"][0]["answers"]
        assert [one["code"] for one in answers] == ["S_OK", "E_INVALID_HANDLE"]


@pytest.mark.parametrize("code", ["E_FAIL", "E_INVALIDARG", "W_UNRESPONSIVE_CARD", "E_NO_SERVICE", "E_NOT_TRANSACTED"])
def test_it_fails(tmp_path, way, locked, code):
    """The card counts as lost as before, until it succeeds."""
    fails = [[SELECT, {"call": "return", "code": code}]]
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        for _ in range(2):
            answer = world.ours.reconnect_ex(options={"rebuild": fails})
            assert answer["code"] == code
            assert len(world.ours.rebuilds()["rebuilds"]) == 1
            assert world.count() in ("W_REMOVED_CARD", "W_RESET_CARD")
            assert world.ours.lock()["code"] in ("W_REMOVED_CARD", "W_RESET_CARD")
            assert world.ours.status()["code"] in ("W_REMOVED_CARD", "W_RESET_CARD")
        if not locked:
            world.assert_free()
        assert world.reconnect(rebuild=REBUILD).code == "S_OK"
        assert len(world.ours.rebuilds()["rebuilds"]) == 1
        assert world.count()[1] == "card"
        assert_lock(world, locked)


@pytest.mark.parametrize("accepted", [{}, {"accept_other_card": True}])
def test_it_fails_with_another_card(tmp_path, way, locked, accepted):
    """The reconnect that accepted it has not succeeded: it is another card still, and the first one is the right one."""
    fails = [[{"call": "return", "code": "E_FAIL"}]]
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        world.change_card("swap", "other")
        assert world.reconnect(accept_other_card=True, rebuild=fails).code == "E_FAIL"
        assert world.count() == "W_REMOVED_CARD"
        answer = world.reconnect(**accepted)
        assert (answer.code, answer.verdict) == ("S_OK" if accepted else "W_REMOVED_CARD", "different")
        world.change_card("swap", "card")
        answer = world.reconnect()
        assert (answer.code, answer.verdict) == (("W_REMOVED_CARD", "different") if accepted else ("S_OK", "reinserted"))
        if not accepted:
            assert world.count()[1] == "card"
            assert_lock(world, locked)


def test_it_fails_again_for_the_same_card(tmp_path, way, locked):
    """Put back, it is said to be until a reconnect succeeds."""
    fails = [[{"call": "return", "code": "E_FAIL"}]]
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        for options in ({"rebuild": fails}, {"rebuild": fails, "first_step": "warm"}, {}):
            assert world.reconnect(**options).verdict == "reinserted"
        assert world.reconnect().verdict == "unchanged"
        assert_lock(world, locked)


def test_it_takes_too_long(tmp_path, way, locked):
    """The deadline is for it, too. It cannot be stopped, but what it asks for is refused."""
    slow = [[{"call": "sleep", "ms": 2500}, {"call": "transmit", "command": COUNT}]]
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        assert world.reconnect(timeout_ms=2000, rebuild=slow).code == "E_TIMEOUT"
        assert world.ours.rebuilds()["rebuilds"][0]["answers"][1]["code"] == "E_TIMEOUT"
        assert world.count() in ("W_REMOVED_CARD", "W_RESET_CARD")
        assert world.reconnect(rebuild=REBUILD).code == "S_OK"
        assert_lock(world, locked)


def test_it_cancels(tmp_path, way, locked):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        assert world.reconnect(rebuild=[[{"call": "cancel"}, SELECT]]).code == "E_CANCELLED"
        first, second = world.ours.rebuilds()["rebuilds"][0]["answers"]
        assert (first["code"], second["code"]) == ("S_OK", "E_CANCELLED")
        assert world.count() in ("W_REMOVED_CARD", "W_RESET_CARD")
        assert world.reconnect(rebuild=REBUILD).code == "S_OK"
        assert_lock(world, locked)


@pytest.mark.parametrize("ends", [{"call": "cancel"}, {"call": "sleep", "ms": 2500}])
def test_its_own_lock_is_released(tmp_path, way, locked, ends):
    """Though it has no time left for that."""
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        assert world.reconnect(timeout_ms=2000, rebuild=[[{"call": "lock"}, ends, {"call": "unlock"}]]).code != "S_OK"
        assert [one["code"] for one in world.ours.rebuilds()["rebuilds"][0]["answers"]][0::2] in (
            ["S_OK", "E_CANCELLED"], ["S_OK", "E_TIMEOUT"])
        assert world.reconnect(rebuild=REBUILD).code == "S_OK"
        assert_lock(world, locked)


def test_it_is_cancelled(tmp_path, way, locked):
    """From another thread, while it waits for something."""
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        world.ours.start("reconnect_ex", options={"rebuild": [[{"call": "hold"}, SELECT]]})
        world.ours.await_hold()
        assert world.ours.cancel() == {"code": "S_OK"}
        world.ours.go()
        assert world.ours.finish()["code"] == "E_CANCELLED"
        assert world.ours.rebuilds()["rebuilds"][0]["answers"][1]["code"] == "E_CANCELLED"
        assert world.reconnect(rebuild=REBUILD).code == "S_OK"
        assert_lock(world, locked)


# scardmanage_transmit_ex()

def transmit_count(world, repeatable=False, **options):
    answer = world.ours.transmit_ex(command=COUNT, repeatable=repeatable, options=options)
    if answer["code"] != "S_OK":
        assert answer["response"] == ""
    return answer


@pytest.fixture(params=[False, True], ids=["once", "repeatable"])
def repeatable(request):
    return request.param


def test_nothing_in_the_way(tmp_path, way, locked, repeatable):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        answer = transmit_count(world, repeatable, rebuild=REBUILD)
        assert count_in(answer) == (2, "card")
        assert answer["report"]["sent"] == 1
        assert (answer["report"]["step"], answer["report"]["attempts"]) == ("none", 0)
        assert world.ours.rebuilds()["rebuilds"] == []
        assert_lock(world, locked)


def test_lost_before(tmp_path, way, locked, repeatable):
    """What happened before is mended, and the command is sent once; the rebuild function is called first."""
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        for _ in range(2):
            reinserts(world)
            answer = transmit_count(world, repeatable, rebuild=REBUILD)
            assert count_in(answer) == (2, "card")
            assert answer["report"]["sent"] == 1
            assert outcome_of(answer) == ("S_OK", "leave", "reinserted", "reacquired" if locked else "none")
            assert len(world.ours.rebuilds()["rebuilds"]) == 1
        assert_lock(world, locked)


def test_reset_before(tmp_path, way, repeatable):
    with RunRig(tmp_path) as world:
        begin(world, way, False)
        world.other_resets()
        answer = transmit_count(world, repeatable)
        assert (count_in(answer), answer["report"]["sent"]) == ((1, "card"), 1)
        assert outcome_of(answer) == ("S_OK", "leave", "reset", "none")


def test_restarted_before(tmp_path, locked, repeatable):
    with ServiceRig(tmp_path) as world:
        begin(world, "ifd", locked)
        world.restart()
        world.other_connects()
        answer = transmit_count(world, repeatable)
        assert count_in(answer) == (1, "card")
        assert outcome_of(answer)[:3] == ("S_OK", "restart", "reinserted")
        assert answer["report"]["sent"] == 1  # it happened before
        assert_lock(world, locked)


def test_replugged_before(tmp_path, locked, repeatable):
    with RunRig(tmp_path, reader=f"{READER},usb") as world:
        begin(world, "ifd", locked)
        world.other_leaves()
        world.unplug()
        world.plug()
        world.other_connects()
        answer = transmit_count(world, repeatable)
        assert count_in(answer) == (1, "card")
        assert outcome_of(answer)[:3] == ("S_OK", "reopen", "reinserted")
        assert answer["report"]["sent"] == 1
        assert_lock(world, locked)


def test_no_way_back(tmp_path, way, locked, repeatable):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        world.change_card("swap", "other")
        answer = transmit_count(world, repeatable)
        assert (answer["code"], answer["report"]["verdict"], answer["report"]["sent"]) == ("W_REMOVED_CARD", "different", 0)
        world.change_card("remove")
        answer = transmit_count(world, repeatable)
        assert (answer["code"], answer["report"]["verdict"], answer["report"]["sent"]) == ("E_NO_SMARTCARD", "absent", 0)
        world.ours.start("transmit_ex", command=COUNT, repeatable=repeatable, options={"wait_ms": FOREVER})
        world.change_card("swap", "card")
        answer = world.ours.finish()
        assert (count_in(answer), answer["report"]["sent"]) == ((1, "card"), 1)


def test_rebuilding_fails(tmp_path, way, locked, repeatable):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        reinserts(world)
        answer = transmit_count(world, repeatable, rebuild=[[{"call": "return", "code": "E_FAIL"}]])
        assert (answer["code"], answer["report"]["sent"]) == ("E_FAIL", 0)


SILENT = {
    # how often the card does not answer, a reset or the command: the step that cures it
    "mute": ("warm", 2),
    "mute*2": ("cold", 2),
}


@pytest.mark.parametrize("fault", SILENT)
def test_falls_silent_in_the_middle(tmp_path, way, locked, fault):
    """Nobody knows whether the card has carried it out."""
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        world.fault(fault)
        answer = transmit_count(world)
        assert answer["code"] not in ("S_OK", "E_TIMEOUT")
        assert answer["report"]["sent"] == 1
        assert world.reconnect() == ("S_OK", SILENT[fault][0], "unchanged", "kept" if locked else "none")
        assert_lock(world, locked)


@pytest.mark.parametrize("fault", SILENT)
def test_falls_silent_and_is_asked_again(tmp_path, way, locked, fault):
    step, sent = SILENT[fault]
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        world.fault(fault)
        answer = transmit_count(world, True, rebuild=REBUILD)
        assert count_in(answer) == (2, "card")  # the first is of the rebuild function
        assert answer["report"]["sent"] == sent
        assert outcome_of(answer) == ("S_OK", step, "unchanged", "kept" if locked else "none")
        assert len(world.ours.rebuilds()["rebuilds"]) == 1
        assert_lock(world, locked)


def test_falls_silent_again_and_again(tmp_path, way):
    """Sent four times and no more, each time after a harder step; the card answers to resets, but not to this command."""
    with RunRig(tmp_path) as world:
        begin(world, way, False)
        world.fault("power-loss*1000")
        before = world.ours.transmit_ex(command=COUNT, repeatable=False, options={})
        assert before["report"]["sent"] == 1
        answer = transmit_count(world, True)
        assert answer["code"] != "S_OK"
        assert answer["report"]["sent"] == 4
        assert answer["report"]["step"] == "cold"
        world.fault("power-loss*0")
        assert transmit_count(world, True, first_step="warm")["code"] == "S_OK"


def test_is_sent_once(tmp_path, way, locked):
    """What a card that counts says."""
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        for sent in range(2, 5):
            reinserts(world)
            before = total_in(transmit_count(world))
            assert before == 1  # the card is new
        answers = [total_in(transmit_count(world)) for _ in range(3)]
        assert answers == [2, 3, 4]


def test_removed_in_the_middle(tmp_path, way, locked, repeatable):
    with RunRig(tmp_path) as world:
        begin(world, way, locked)
        world.fault("removal")
        world.ours.start("transmit_ex", command=COUNT, repeatable=repeatable, options={"wait_ms": FOREVER})
        if repeatable:
            wait_for("the removal", lambda: not world.rig.card())
            world.change_card("insert")
            answer = world.ours.finish()
            assert (count_in(answer), answer["report"]["sent"]) == ((1, "card"), 2)
        else:
            answer = world.ours.finish()
            assert answer["code"] != "S_OK"
            assert answer["report"]["sent"] == 1


def test_killed_in_the_middle(tmp_path, repeatable):
    """The command is in pcscd, which does not answer, and dies."""
    with ServiceRig(tmp_path) as world:
        begin(world, "ifd", False)
        world.freeze()
        world.ours.start("transmit_ex", command=COUNT, repeatable=repeatable, options={"wait_ms": FOREVER,
                                                                                       "timeout_ms": FOREVER})
        world.restart(signal.SIGUSR2)
        answer = world.ours.finish()
        sent = answer["report"]["sent"]
        if repeatable:
            assert count_in(answer) == (1, "card")
            assert sent in (1, 2)
        elif answer["code"] == "S_OK":  # it had not come that far
            assert sent == 1
        else:
            assert (answer["code"], sent) == ("E_NO_SERVICE", 1)


def test_in_a_rebuild_function(tmp_path, way):
    with RunRig(tmp_path) as world:
        begin(world, way, False)
        reinserts(world)
        assert world.reconnect(rebuild=[[{"call": "transmit_ex", "command": COUNT, "repeatable": True}]]).code == "S_OK"
        assert world.ours.rebuilds()["rebuilds"][0]["answers"][0]["code"] == "E_FAIL"
