# SPDX-License-Identifier: BSD-3-Clause
"""Who the card is: libscardmanage's identify function, and what it does not do for a card that nobody has identified. "card"
and "twin" have one ATR.
"""

import pytest

from manage_client import count_in
from managed_rig import COUNT, NAME, RunRig, ServiceRig, reinserts
from waiting import wait_for

WHO = [[{"call": "transmit", "command": NAME}]]
REBUILD = [[{"call": "transmit", "command": COUNT}]]
BOTH = {"identify": WHO, "rebuild": REBUILD}


def calls(world):
    """How often the functions were called since."""
    return len(world.ours.identifications()["identifications"]), len(world.ours.rebuilds()["rebuilds"])


def attach(world, way, **options):
    world.other_connects()
    world.attach(way, options)


def twin(world):
    world.change_card("swap", "twin")


def test_a_rebuild_function_is_not_called_for_a_card_that_was_out(tmp_path, way):
    with RunRig(tmp_path) as world:
        attach(world, way)
        reinserts(world)
        for _ in range(2):
            answer = world.reconnect(rebuild=REBUILD, accept_unidentified=False)
            assert (answer.code, answer.verdict) == ("W_REMOVED_CARD", "reinserted")
            assert world.count() == "W_REMOVED_CARD"
        assert calls(world) == (0, 0)
        world.assert_free()
        assert world.reconnect(rebuild=REBUILD, accept_unidentified=True).code == "S_OK"
        assert calls(world) == (0, 1)
        world.other_resets()
        assert world.reconnect(rebuild=REBUILD, accept_unidentified=False).code == "S_OK"  # it was not out
        assert calls(world) == (0, 1)


@pytest.mark.parametrize("locked", [False, True], ids=["free", "locked"])
def test_the_same_card(tmp_path, way, locked):
    with RunRig(tmp_path) as world:
        attach(world, way, **BOTH)
        assert calls(world) == (1, 0)
        if locked:
            assert world.ours.lock() == {"code": "S_OK"}
        reinserts(world)
        answer = world.reconnect(**BOTH)
        assert (answer.code, answer.verdict) == ("S_OK", "reinserted")
        assert calls(world) == (1, 1)
        assert world.count() == (2, "card")
        if locked:
            world.assert_locked_out()
            assert world.ours.unlock() == {"code": "S_OK"}
        else:
            world.other_resets()
            assert world.reconnect(**BOTH).code == "S_OK"
            assert calls(world) == (0, 1)  # it was not out
        world.assert_free()


@pytest.mark.parametrize("locked", [False, True], ids=["free", "locked"])
def test_a_stranger(tmp_path, way, locked):
    with RunRig(tmp_path) as world:
        attach(world, way, **BOTH)
        if locked:
            assert world.ours.lock() == {"code": "S_OK"}
        twin(world)
        for _ in range(3):
            answer = world.reconnect(**BOTH)
            assert (answer.code, answer.verdict) == ("W_REMOVED_CARD", "different")
            assert world.count() == world.ours.lock()["code"] == "W_REMOVED_CARD"
        assert calls(world) == (4, 0)
        if not locked:
            world.assert_free()
        world.change_card("swap", "card")
        answer = world.reconnect(**BOTH)
        assert (answer.code, answer.verdict) == ("S_OK", "reinserted")
        assert world.count() == (2, "card")
        if locked:
            assert world.ours.unlock() == {"code": "S_OK"}
        world.assert_free()


def test_nobody_has_to_be_asked(tmp_path, way):
    """The card was reset but not out, and there is no rebuild function: the card does not stay locked."""
    with RunRig(tmp_path) as world:
        attach(world, way, identify=WHO)
        calls(world)
        world.other_resets()
        assert world.reconnect(identify=WHO).code == "S_OK"
        assert calls(world) == (0, 0)
        world.assert_free()


def test_a_stranger_that_is_accepted(tmp_path, way):
    with RunRig(tmp_path) as world:
        attach(world, way, **BOTH)
        twin(world)
        answer = world.reconnect(**BOTH, accept_other_card=True)
        assert (answer.code, answer.verdict) == ("S_OK", "different")
        assert calls(world) == (2, 1)
        reinserts(world, "twin")
        assert world.reconnect(**BOTH).verdict == "reinserted"
        world.change_card("swap", "card")  # is the stranger now
        assert world.reconnect(**BOTH).code == "W_REMOVED_CARD"


def test_a_stranger_for_a_command(tmp_path, way):
    with RunRig(tmp_path) as world:
        attach(world, way, **BOTH)
        twin(world)
        answer = world.ours.transmit_ex(command=COUNT, repeatable=True)
        assert (answer["code"], answer["report"]["verdict"], answer["report"]["sent"]) == ("W_REMOVED_CARD", "different", 0)
        assert calls(world) == (2, 0)
        world.change_card("swap", "card")
        assert count_in(world.ours.transmit_ex(command=COUNT, repeatable=True)) == (2, "card")


def test_a_stranger_that_came_while_nobody_asked(tmp_path, way):
    """A reconnect without the function goes on with a card of the same ATR. The next one with it finds out."""
    with RunRig(tmp_path) as world:
        attach(world, way, identify=WHO)
        twin(world)
        assert world.reconnect(first_step="leave").verdict == "reinserted"
        assert world.count() == (1, "twin")
        assert world.reconnect(rebuild=REBUILD, accept_unidentified=False, first_step="warm").code == "W_REMOVED_CARD"
        assert world.reconnect(rebuild=REBUILD, accept_unidentified=True).code == "S_OK"
        calls(world)
        answer = world.reconnect(**BOTH)
        assert (answer.code, answer.verdict) == ("W_REMOVED_CARD", "different")
        assert calls(world) == (1, 0)
        assert world.count() == "W_REMOVED_CARD"


def test_who_it_was_is_not_known(tmp_path, way):
    """The function is there only after the card was out."""
    with RunRig(tmp_path) as world:
        attach(world, way)
        reinserts(world)
        assert world.reconnect(**BOTH).code == "W_REMOVED_CARD"
        assert calls(world) == (1, 0)
        assert world.reconnect(**BOTH, accept_unidentified=True).code == "S_OK"
        assert calls(world) == (1, 1)
        twin(world)
        assert world.reconnect(**BOTH, accept_unidentified=True).verdict == "different"  # now it is


def test_the_first_card(tmp_path):
    with RunRig(tmp_path) as world:
        world.change_card("remove")
        world.attach("ifd", BOTH)
        assert calls(world) == (0, 0)
        world.change_card("insert", "card")
        answer = world.reconnect(**BOTH)
        assert (answer.code, answer.verdict) == ("S_OK", "first")
        assert calls(world) == (1, 1)
        twin(world)
        assert world.reconnect(**BOTH).verdict == "different"


def test_after_a_restart(tmp_path):
    with ServiceRig(tmp_path) as world:
        attach(world, "ifd", **BOTH)
        calls(world)
        world.restart()
        world.other_starts_over()
        assert world.ours.reconnect() == {"code": "S_OK"}
        assert calls(world) == (1, 1)


def test_a_rebuild_function_for_the_first_session(tmp_path, way):
    with RunRig(tmp_path) as world:
        attach(world, way, rebuild=REBUILD, rebuild_at_attach=True, accept_unidentified=False)
        assert calls(world) == (0, 1)
        assert world.count() == (2, "card")
        world.assert_free()
        assert world.ours.reconnect() == {"code": "S_OK"}
        assert calls(world) == (0, 0)


@pytest.mark.parametrize("function", ["identify", "rebuild"])
@pytest.mark.parametrize("code", ["E_FAIL", "W_UNRESPONSIVE_CARD", "W_REMOVED_CARD"])
def test_one_that_fails_at_first(tmp_path, way, function, code):
    options = {**BOTH, function: [[{"call": "return", "code": code}]], "rebuild_at_attach": True}
    with RunRig(tmp_path) as world:
        world.other_connects()
        assert world.ours.set_options(options=options) == {"code": "S_OK"}
        if way == "handle":
            assert world.ours.pcsc_connect(share="shared")["code"] == "S_OK"
            assert world.ours.attach_by_handle() == {"code": code}
        else:
            assert world.ours.attach_by_ifd() == {"code": code}
        assert world.ours.status()["code"] == "E_INVALID_HANDLE"  # not attached
        world.assert_free()


@pytest.mark.parametrize("identity", ["", "00" * 65, "00" * 1000])
def test_an_identity_of_a_wrong_length(tmp_path, identity):
    with RunRig(tmp_path) as world:
        attach(world, "ifd")
        who = [[{"call": "return", "code": "S_OK", "identity": identity}]]
        assert world.reconnect(identify=who).code == "E_FAIL"
        assert world.reconnect(identify=[[{"call": "return", "code": "S_OK", "identity": "00" * 64}]]).code == "S_OK"
        world.assert_free()


@pytest.mark.parametrize("function", ["identify", "rebuild"])
def test_a_result_that_is_no_failure(tmp_path, way, function):
    """PC/SC's codes are positive where LONG has 64 bits; S_FALSE is no success either."""
    with RunRig(tmp_path) as world:
        attach(world, way, identify=WHO)
        reinserts(world)
        options = {**BOTH, function: [[{"call": "return", "code": "S_FALSE"}]]}
        assert world.reconnect(**options).code == "E_FAIL"
        assert world.count() == "W_REMOVED_CARD"
        assert world.reconnect(**BOTH).code == "S_OK"


def test_the_card_goes_while_it_is_identified(tmp_path, way):
    """What was said is void: the function is called again for what is there then."""
    with RunRig(tmp_path) as world:
        attach(world, way, **BOTH)
        reinserts(world)
        calls(world)
        who = [[{"call": "hold"}, *WHO[0]], WHO[0]]
        world.ours.start("reconnect_ex", options={**BOTH, "identify": who})
        assert world.ours.await_hold() == {"code": "S_OK"}
        twin(world)
        world.ours.go()
        answer = world.ours.finish()
        assert (answer["code"], answer["report"]["verdict"]) == ("W_REMOVED_CARD", "different")
        identified, rebuilt = calls(world)
        assert identified >= 2 and rebuilt == 0


@pytest.mark.parametrize("function", ["identify", "rebuild"])
def test_the_card_is_pulled_out_in_the_middle_of_a_command(tmp_path, way, function):
    """PC/SC first says only that the card does not answer, and notices the removal later."""
    with RunRig(tmp_path) as world:
        attach(world, way, **BOTH)
        reinserts(world)
        calls(world)
        twice = [[{"call": "hold"}, *BOTH[function][0]], BOTH[function][0]]
        world.ours.start("reconnect_ex", options={**BOTH, function: twice, "wait_ms": 20000})
        assert world.ours.await_hold() == {"code": "S_OK"}
        world.fault("removal")
        world.ours.go()
        wait_for("the removal", lambda: world.rig.card() is None)
        world.rig.do("insert", slot=world.slot)
        answer = world.ours.finish()
        assert (answer["code"], answer["report"]["verdict"]) == ("S_OK", "reinserted")


# The PIN of one card, and a stranger with the same ATR: a program that has learnt from the manual page asks who the card is.

PIN_CARD = """local left, verified = 3, false
return {{ name = "{name}", atr = "3B 83 80 01 70 69 6E 75", on_power = function() verified = false end, commands = {{
  {{ "80 12", "{serial} 90 00" }},
  {{ "80 14", function() return string.char(left), 0x9000 end }},
  {{ "00 20 00 01", function(cmd)
    if left == 0 then return "", 0x6983 end
    if cmd.data == "{pin}" then left, verified = 3, true return "", 0x9000 end
    left = left - 1
    return "", 0x63C0 | left
  end }},
}} }}"""
VERIFY = "00200001043132 3334".replace(" ", "")


@pytest.mark.parametrize("loses", ["swap", "replug", "restart"])
def test_no_pin_goes_to_a_stranger(tmp_path, loses):
    """Case C2: the card is another one after a swap, while the reader was unplugged, or the service down."""
    for name, pin in (("mine", "1234"), ("stranger", "8888")):
        (tmp_path / f"{name}.lua").write_text(PIN_CARD.format(name=name, pin=pin, serial="01" if pin == "1234" else "02"))
    mine, stranger = str(tmp_path / "mine.lua"), str(tmp_path / "stranger.lua")
    verifies = {"identify": WHO, "rebuild": [[{"call": "transmit", "command": VERIFY}]], "rebuild_at_attach": True}
    rigs = {"swap": RunRig, "replug": lambda folder: RunRig(folder, reader="reader,usb"), "restart": ServiceRig}
    with rigs[loses](tmp_path) as world:
        world.rig.do("swap", slot=world.slot, file=mine)
        wait_for("my card", lambda: world.other.pcsc_events().get("atr") == "3b83800170696e75")
        world.attach("ifd", {**verifies, "accept_other_index": True})
        if loses == "swap":
            world.rig.do("swap", slot=world.slot, file=stranger)
        elif loses == "replug":
            world.unplug()
            world.rig.do("swap", slot=world.slot, file=stranger)
            world.plug()
        else:
            world.rig.do("swap", slot=world.slot, file=stranger)
            world.restart()
        options = {**verifies, "wait_ms": 20000, "accept_other_index": True}
        for _ in range(5):
            answer = world.ours.transmit_ex(command="8014000001", repeatable=True, options=options)
            assert answer["code"] == "W_REMOVED_CARD"
        assert world.reconnect(accept_other_card=True, accept_other_index=True).code == "S_OK"
        assert world.ours.transmit(command="8014000001")["response"] == "039000"  # not one try is gone
