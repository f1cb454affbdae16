-- SPDX-License-Identifier: BSD-3-Clause
-- The card that cardrig puts into a reader when it is not told which.
-- A card is a table: what it answers to a reset, and what it answers to commands.

local APP = hex "F0 63 61 72 64 72 69 67"   -- an application identifier of our own: F0 "cardrig"
local FCI = hex "6F 0A 84 08" .. APP        -- file control information that names the application
local FILE = "Hello from cardrig.\n"
local selected                              -- state lives until the card is taken out ...

-- SELECT by application identifier, in full or only its beginning. There is one application,
-- so there is no other one (6A 82: not found), and none after it (P2 02: the next).
local function select(cmd)
  local found = cmd.nc > 0 and cmd.data == APP:sub(1, cmd.nc) and cmd.p2 & 2 == 0
  if not found then return "", 0x6A82 end
  selected = APP
  return FCI, 0x9000
end

local function get_challenge(cmd)
  return random(cmd.ne), 0x9000             -- from the rig's seed: the same in each run
end

local function read_binary(cmd)
  local offset = cmd.p1 << 8 | cmd.p2
  if offset >= #FILE then return "", 0x6B00 end
  return FILE:sub(offset + 1, offset + cmd.ne), 0x9000
end

return {
  name = "cardrig",

  -- T=0 and T=1, and the historical bytes "cardrig"
  atr = "3B 87 80 01 63 61 72 64 72 69 67 6E",

  on_power = function(how)                  -- "cold", "warm" or "off"
    selected = nil                          -- ... so what a reset changes is changed here
  end,

  -- The first match answers. A pattern is the beginning of a command in hex, '.' is any digit.
  -- An answer is data and status word in hex, or a function that returns both.
  commands = {
    { "00 A4 04",    select },
    { "00 84 00 00", get_challenge },
    { "00 B0",       read_binary },
    { "00 CA 00 6E", "63 61 72 64 72 69 67 90 00" },  -- GET DATA, a tag of our own: "cardrig"
    { "00 CA 00 84", function()                       -- ... and the application that is selected
        if selected then return selected, 0x9000 else return "", 0x6A88 end
      end },
    { "00 CA",       "6A 88" },                       -- any other: referenced data not found
  },                                                  -- nothing matches: 6D 00
}
