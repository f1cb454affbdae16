-- SPDX-License-Identifier: BSD-3-Clause
--
-- contactless: what a reader with an antenna answers itself (PC/SC part 3, 3.2.2)
--
--   local commands = require "contactless"
--
--   return {
--     antenna = true,
--     command = commands.answer,
--     control = { [commands.ESCAPE] = commands.escape },
--   }
--
-- contactless.answer(cmd, slot)
--     Answers GET DATA (FF CA); for storage cards, the commands of the module contactless_storage; and those
--     of class FF, INS 00, that readers with a PN532 have (contactless_pn532). Leaves the commands of a card
--     that takes APDUs to the card. Does nothing in a slot without an antenna.
--
-- contactless.escape(input, slot)
--     The same as a control code, also without a card.
--
-- contactless.ESCAPE
--     The control code by which libccid passes commands to a reader.

local apdu = require "apdu"
local pn532 = require "contactless_pn532"
local storage = require "contactless_storage"

local check, sw = apdu.check, apdu.sw
local CLASS, GET_DATA, VENDOR, NO_ANSWER = 0xFF, 0xCA, 0x00, 0x6400

local contactless = { ESCAPE = 0x42000001 }

-- An Le that is too small is refused with the right one; one that is too large gets a warning.
local function to_length(data, ne)
  check(ne == 0 or ne >= #data, 0x6C00 | #data)
  return data, (ne > #data and ne ~= 256) and sw.END_OF_FILE or sw.OK
end

local function get_data(cmd, antenna)
  check(cmd.nc == 0, sw.WRONG_LENGTH)
  check(cmd.p1 <= 1 and cmd.p2 == 0, sw.WRONG_PARAMETERS)
  if cmd.p1 == 0 then return to_length(antenna.uid, cmd.ne) end
  return to_length(check(antenna.ats or antenna.pmm, sw.NOT_SUPPORTED), cmd.ne)
end

local function answer(cmd, antenna, frame)
  if cmd.cla == CLASS and cmd.ins == VENDOR then return pn532.answer(cmd, antenna, frame) end
  check(antenna and (cmd.cla == CLASS or storage.is_old(cmd)), sw.NOT_SUPPORTED)
  if cmd.ins == GET_DATA then return get_data(cmd, antenna) end
  return storage.answer(cmd, antenna, frame)
end

-- Returns nil if the card has not answered a frame.
local function carry_out(cmd, antenna)
  local lost = false
  local function frame(bytes)
    local response = transmit(bytes)
    lost = not response
    return check(response, NO_ANSWER)
  end
  local data, status = apdu.command(function(c) return answer(c, antenna, frame) end)(cmd)
  if lost then return nil end
  return data, status
end

function contactless.answer(cmd, slot)
  local antenna = slot.antenna
  if not antenna or (not antenna.storage and cmd.cla ~= CLASS) then return false end
  return carry_out(cmd, antenna)
end

-- The fields of a command with at most 255 bytes of data; nil: there is no header.
local function decode(raw)
  local cla, ins, p1, p2, p3 = raw:byte(1, 5)
  if not p2 then return nil end
  local nc = #raw > 5 and p3 or 0
  return { raw = raw, cla = cla, ins = ins, p1 = p1, p2 = p2, nc = nc, data = raw:sub(6, 5 + nc),
           ne = #raw == 5 and (p3 == 0 and 256 or p3) or 0 }
end

function contactless.escape(input, slot)
  local cmd = decode(input)
  if not cmd or cmd.cla ~= CLASS then return false end
  local data, status = carry_out(cmd, slot.antenna)
  return data and data .. string.pack(">I2", status)
end

return contactless
