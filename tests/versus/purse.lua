-- SPDX-License-Identifier: BSD-3-Clause
-- A purse that also signs. What SELECT, VERIFY and MSE have done is lost with each reset, as on any card. Its balance
-- is another one each time that it is put in.

local SERIAL  = "0001"
local PIN     = "1234"
local balance = string.unpack(">I2", random(2))
local tries   = 3
local selected, verified, key, session

local function reset()
  selected, verified, key = nil, false, 1
  session = random(2)
end

-- The commands of the purse: not known while another application is selected.
local function of_purse(run)
  return function(cmd)
    if selected == "other" then return "", 0x6D00 end
    if not selected then return "", 0x6985 end
    return run(cmd)
  end
end

local function for_owner(run)
  return of_purse(function(cmd)
    if not verified then return "", 0x6982 end
    return run(cmd)
  end)
end

local function select(cmd)
  reset()
  selected = cmd.data
  return "", 0x9000
end

local function verify(cmd)
  if cmd.nc == 0 then return "", 0x63C0 | tries end -- asks for the tries left
  if tries == 0 then return "", 0x6983 end
  verified = cmd.data == PIN
  tries = verified and 3 or tries - 1
  return "", verified and 0x9000 or 0x63C0 | tries
end

local function tell()
  return string.pack(">I2", balance) .. session, 0x9000
end

local function debit()
  balance = balance - 1 & 0xFFFF
  return tell()
end

reset()

return {
  name = "purse",
  atr  = "3B 95 96 80 01 70 75 72 73 65 E3", -- T=0 and T=1, historical bytes "purse"
  t1   = { ifsc = 254 },

  on_power = reset,

  commands = {
    { "00 A4 04 00 05 70 75 72 73 65", select }, -- "purse"
    { "00 A4 04 00 05 6F 74 68 65 72", select }, -- "other"
    { "00 CA 00 5A", of_purse(function() return SERIAL, 0x9000 end) },
    { "00 20 00 01", verify },
    { "00 22 41 B6 03 84 01", of_purse(function(cmd) key = cmd.data:byte(3); return "", 0x9000 end) },
    { "00 2A 9E 9A", for_owner(function(cmd) return string.char(key) .. cmd.data, 0x9000 end) },
    { "80 50 00 00", for_owner(tell) },
    { "80 54 00 00", for_owner(debit) },
  },
}
