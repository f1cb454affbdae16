-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_pin: the commands for PINs (ISO/IEC 7816-4); a part of fs. Each function answers one command.
--
-- pin.verify, pin.change, pin.unblock
--
-- P2 is the reference of the PIN. A value is followed by the new one without a mark between them: it has as
-- many bytes as the right one.

local apdu = require "apdu"

local sw, check = apdu.sw, apdu.check

local pin = {}

local FORGET = 0xFF

function pin.verify(files, cmd)
  local reference = check(files.pins[cmd.p2], sw.NO_REFERENCE)
  check(cmd.p1 == 0 or cmd.p1 == FORGET, sw.WRONG_P1P2)
  if cmd.p1 == FORGET then
    check(cmd.nc == 0, sw.WRONG_NC)
    return reference:forget()
  end
  if cmd.nc == 0 then return "", reference:status() end
  return "", reference:verify(cmd.data)
end

local function two_values(data, length)
  check(#data > length, sw.WRONG_LENGTH)
  return data:sub(1, length), data:sub(length + 1)
end

function pin.change(files, cmd)
  local reference = check(files.pins[cmd.p2], sw.NO_REFERENCE)
  check(cmd.p1 == 0, sw.WRONG_P1P2)
  return "", reference:change(two_values(cmd.data, #reference.kept.value))
end

-- P1 is 00 if a new value follows, 01 if the PIN keeps its value.
function pin.unblock(files, cmd)
  local reference = check(files.pins[cmd.p2], sw.NO_REFERENCE)
  check(cmd.p1 <= 1, sw.WRONG_P1P2)
  local code = check(reference.unblocked_by, sw.BLOCKED)
  if cmd.p1 == 1 then return "", reference:unblock(cmd.data, reference.kept.value) end
  return "", reference:unblock(two_values(cmd.data, #code.kept.value))
end

return pin
