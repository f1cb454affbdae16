-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_verification: the commands of a UICC for PINs (ETSI TS 102 221, 11.1.9 to 11.1.13)
--
-- verification.verify, verification.change, verification.disable, verification.enable, verification.unblock
--     Each answers one command. VERIFY PIN and UNBLOCK PIN without data tell how many tries are left.

local apdu = require "apdu"
local pins = require "usim_pins"

local sw, check = apdu.sw, apdu.check

local verification = {}

local function check_p1(cmd)
  check(cmd.p1 == 0, sw.WRONG_P1P2)
end

local function tries(left)
  return "", 0x63C0 | check(left, sw.NO_REFERENCE)
end

local function answer(change)
  return function(card, cmd)
    check_p1(cmd)
    return "", change(card, cmd.p2, cmd.data)
  end
end

verification.change = answer(pins.change)
verification.disable = answer(pins.disable)
verification.enable = answer(pins.enable)

local verify, unblock = answer(pins.verify), answer(pins.unblock)

function verification.verify(card, cmd)
  if cmd.nc > 0 then return verify(card, cmd) end
  check_p1(cmd)
  return tries(pins.left(card, cmd.p2))
end

function verification.unblock(card, cmd)
  if cmd.nc > 0 then return unblock(card, cmd) end
  check_p1(cmd)
  return tries(pins.unblock_left(card, cmd.p2))
end

return verification
