-- SPDX-License-Identifier: BSD-3-Clause
-- A file system without files, to begin with (ISO/IEC 7816-4 and 7816-9)
--
-- Everybody may create files in the MF. The access rules in CREATE FILE can ask for the PIN, whose reference is
-- 1. What is on the card is kept.

local expect = require("arguments").expect
local fs = require "fs"
local pins = require "pins"

local function number(name, text, least, most)
  local value = math.tointeger(tonumber(text))
  return expect(value and value >= least and value <= most and value, name, "a number, " .. least .. " to " .. most)
end

local function value(name, text)
  return expect(#text >= 4 and #text <= 16 and text, name, "4 to 16 characters")
end

local PUK = pins.new { value = value("puk", args.puk or "12345678"), tries = 10 }
local PIN = pins.new {
  value = value("pin", args.pin or "1234"),
  tries = number("tries", args.tries or "3", 1, 15),
  unblocked_by = PUK,
  accepts = function(text) return #text >= 4 and #text <= 16 end,
}

local files = fs.new {
  pins = { [1] = PIN },
  keep = persistent,
  room = number("room", args.room or "65536", 0, 1048576),
}

return {
  name = "blank",
  arguments = {
    pin = "PIN 1, 4 to 16 characters (1234)",
    puk = "what unblocks it (12345678)",
    room = "how many bytes there are for files (65536)",
    tries = "how many wrong PINs block it, 1 to 15 (3)",
  },

  -- T=0 and T=1, with blocks of 254 bytes. What SELECT, short identifiers and records can do; chaining and
  -- commands of extended length. "blank"
  atr = "3B 8B 80 11 FE 80 73 F7 21 C0 55 62 6C 61 6E 6B 3E",
  chaining = true,

  on_power = function() files:reset() end,

  commands = files:commands {
    { "00 84 00 00", function(cmd) return random(cmd.ne) end },
  },
}
