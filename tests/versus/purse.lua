-- SPDX-License-Identifier: BSD-3-Clause
-- A purse. What SELECT and VERIFY have done is lost with each reset, as on any card; what is in it, with the
-- card: one that is put in is another card, with the same ATR.

local PIN     = "1234"
local balance = string.unpack(">I2", random(2))
local selected, verified = false, false

local function select() selected = true; return "", 0x9000 end

local function verify(cmd)
  if not selected then return "", 0x6985 end
  verified = cmd.data == PIN
  return "", verified and 0x9000 or 0x63C2
end

local function tell()
  return string.char(balance >> 8, balance & 0xFF), 0x9000
end

local function read()
  if not verified then return "", 0x6982 end
  return tell()
end

local function debit()
  if not verified then return "", 0x6982 end
  balance = balance - 1 & 0xFFFF
  return tell()
end

return {
  name = "purse",
  atr  = "3B 95 96 80 01 70 75 72 73 65 E3", -- T=0 and T=1, historical bytes "purse"
  t1   = { ifsc = 254 },

  on_power = function() selected, verified = false, false end,

  commands = {
    { "00 A4 04 00 05 70 75 72 73 65", select },
    { "00 20 00 01 04", verify },
    { "80 50 00 00 02", read },
    { "80 54 00 00 02", debit },
  },
}
