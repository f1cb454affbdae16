-- SPDX-License-Identifier: BSD-3-Clause
-- A purse: READ BALANCE, and a debit after VERIFY, with a MAC over a challenge of the card and the amount.
local apdu = require "apdu"
local pins = require "pins"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local PIN = pins.new { value = args.pin or "1234" }
local KEY = hex "000102030405060708090A0B0C0D0E0F"
local balance = tonumber(args.balance or "100")
local challenge

local function verify(cmd)
  if cmd.nc == 0 then return "", PIN:status() end
  return "", PIN:verify(cmd.data)
end

local function get_challenge(cmd)
  challenge = random(cmd.ne)
  return challenge
end

local function read_balance()
  return string.pack(">I4", balance)
end

-- 81: the amount, 4 bytes. 8E: the first 8 bytes of the AES-CMAC of the challenge and the amount.
local function debit(cmd)
  check(PIN.verified, sw.NOT_SATISFIED)
  local used = check(challenge, sw.CONDITIONS)
  challenge = nil
  local map = check(tlv.map(cmd.data), sw.WRONG_DATA)
  local amount = check(map[0x81] and #map[0x81] == 4 and map[0x81], sw.WRONG_DATA)
  check(map[0x8E] == crypto.cmac("AES", KEY, used .. amount):sub(1, 8), sw.NOT_SATISFIED)
  local value = string.unpack(">I4", amount)
  check(value <= balance, sw.CONDITIONS)
  balance = balance - value
  return read_balance()
end

return {
  name = "purse",
  atr = "3B 85 80 01 70 75 72 73 65 65",
  arguments = { pin = "the PIN (1234)", balance = "the balance at the beginning (100)" },
  on_power = function() PIN:forget() end,
  commands = apdu.commands {
    { "00 20 00 01", verify },
    { "00 84 00 00", get_challenge },
    { "80 50", read_balance },
    { "80 54", debit },
  },
}
