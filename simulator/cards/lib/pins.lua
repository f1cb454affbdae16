-- SPDX-License-Identifier: BSD-3-Clause
--
-- pins: PINs with a tries counter, and codes that unblock them
--
--   local pins = require "pins"
--   local PUK = pins.new { value = "12345678" }
--   local PIN = pins.new { value = "1234", tries = 3, unblocked_by = PUK }
--
--   local function verify(cmd)
--     if cmd.nc == 0 then return "", PIN:status() end
--     return "", PIN:verify(cmd.data)
--   end
--
-- pins.new(fields)
--     A PIN. The fields are value, a string; tries, how many wrong ones in a row block it (3); accepts, a
--     function that says whether a string may become its value (any may); unblocked_by, the PIN that
--     unblocks it (none does); and kept, the table that has what the PIN has to keep: value, tries, and left,
--     how many tries are left. What is there already counts. With
--       persistent.PIN = persistent.PIN or {}
--     it is persistent.PIN, and a blocked PIN stays blocked while the card is out of the reader.
--
-- A PIN has the fields verified, accepts and kept. Its functions return status words:
--
-- PIN:verify(value)
--     Compares. 90 00: verified, and all tries are there again. 63 CX: wrong, and X tries are left. 69 83:
--     blocked. After both it is not verified.
--
-- PIN:status()
--     What VERIFY without data answers: 90 00 if it is verified, else 63 CX or 69 83.
--
-- PIN:change(old, new)
--     Verifies the old value and sets the new one. 6A 80: the old value is right, but it cannot have the new
--     one, and nothing has changed.
--
-- PIN:unblock(code, new)
--     Verifies the PIN that unblocks this one, sets the new value and gives all tries again. Whether it is
--     verified does not change, nor is the other one verified afterwards. 6A 80: as above. 69 83: the other
--     one is blocked, or there is none.
--
-- PIN:forget()
--     It is not verified any longer. A card does this at each reset.
--
-- PIN:set(value, tries)
--     Sets it as if it were new. Without arguments it keeps its value and its number of tries.

local sw = require("apdu").sw

local Pin = {}
Pin.__index = Pin

function Pin:set(value, tries)
  local kept = self.kept
  kept.value = value or kept.value
  kept.tries = tries or kept.tries
  kept.left = kept.tries
  self.verified = false
end

function Pin:forget()
  self.verified = false
end

-- The low digit of 63 CX holds at most 15.
local function failed(kept)
  return 0x63C0 | math.min(kept.left, 15)
end

function Pin:status()
  if self.verified then return sw.OK end
  return self.kept.left > 0 and failed(self.kept) or sw.BLOCKED
end

function Pin:verify(value)
  local kept = self.kept
  self.verified = false
  if kept.left == 0 then return sw.BLOCKED end
  if value ~= kept.value then
    kept.left = kept.left - 1
    return failed(kept)
  end
  kept.left = kept.tries
  self.verified = true
  return sw.OK
end

function Pin:is_right(value)
  return self.kept.left > 0 and value == self.kept.value
end

-- A wrong value costs a try, whatever the new one is.
function Pin:change(old, new)
  if self:is_right(old) and not self.accepts(new) then return sw.WRONG_DATA end
  local status = self:verify(old)
  if status == sw.OK then self.kept.value = new end
  return status
end

function Pin:unblock(code, new)
  local other = self.unblocked_by
  if not other then return sw.BLOCKED end
  if other:is_right(code) and not self.accepts(new) then return sw.WRONG_DATA end
  local status = other:verify(code)
  if status ~= sw.OK then return status end
  other:forget()
  self.kept.value = new
  self.kept.left = self.kept.tries
  return sw.OK
end

local function accepts_all()
  return true
end

local pins = {}

function pins.new(fields)
  local self = setmetatable({ kept = fields.kept or {}, verified = false }, Pin)
  self.accepts = fields.accepts or accepts_all
  self.unblocked_by = fields.unblocked_by
  if not self.kept.value then self:set(fields.value, fields.tries or 3) end
  return self
end

return pins
