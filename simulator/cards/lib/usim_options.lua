-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_options: the arguments of the card usim
--
-- options.ARGUMENTS
--     Their names and what they mean.
--
-- options.read(args)
--     What a new card has. An argument that cannot be is an error that says what was expected, and never
--     names a key or a PIN.

local expect = require("arguments").expect

local options = {}

options.ARGUMENTS = {
  adm = "the PIN of the operator: 4 to 8 digits, or 16 hexadecimal digits (12345678)",
  gsm = "the card is only a SIM, and knows only the commands of class A0",
  iccid = "the number of the card, 18 to 20 digits (8900101000000000019)",
  imsi = "the number of the subscriber, 6 to 15 digits (001010000000001)",
  k = "the subscriber's key, Ki in GSM: 32 hexadecimal digits (465B5CE8B199B49FAA5F0A2EE238A6BC)",
  mnc = "how many digits of the IMSI are the MNC, 2 or 3 (2)",
  msisdn = "the telephone number, up to 20 digits, + before an international one (+15550100)",
  op = "what the operator sets in Milenage, 32 hexadecimal digits, instead of opc",
  opc = "OP combined with the key, 32 hexadecimal digits (CD63CB71954A9F4E48A5994E37A02BAF)",
  pin = "PIN 1, 4 to 8 digits, or off (1234)",
  pin2 = "PIN 2, 4 to 8 digits (5678)",
  puk = "what unblocks PIN 1, 8 digits (12345678)",
  puk2 = "what unblocks PIN 2, 8 digits (87654321)",
  smsc = "the number of the short message service, as msisdn (+15550199)",
  spn = "the name of the operator, up to 16 characters of ASCII (cardrig)",
  sqn = "the highest sequence number that was used, 12 hexadecimal digits (000000000000)",
}

-- Test set 1 of 3GPP TS 35.208
local K, OPC = "465B5CE8B199B49FAA5F0A2EE238A6BC", "CD63CB71954A9F4E48A5994E37A02BAF"

local function digits(name, text, least, most)
  local expected = least == most and least .. " digits" or least .. " to " .. most .. " digits"
  return expect(text:find "^%d+$" and #text >= least and #text <= most and text, name, expected)
end

local function hexadecimal(name, text, count)
  return hex(expect(#text == count and text:find "^%x+$" and text, name, count .. " hexadecimal digits"))
end

local function filled(text)
  return text .. ("\xFF"):rep(8 - #text)
end

local function pin(name, text)
  return filled(digits(name, text, 4, 8))
end

local function adm(text)
  if #text == 16 then return hexadecimal("adm", text, 16) end
  expect(text:find "^%d+$" and #text >= 4 and #text <= 8, "adm", "4 to 8 digits, or 16 hexadecimal digits")
  return filled(text)
end

local function telephone(name, text)
  local number = text:match "^%+?(%d*)$"
  expect(number and #number <= 20 and text ~= "+", name, "up to 20 digits, with or without a +")
  return text
end

local function operator(args)
  expect(not (args.op and args.opc), "op", "either op or opc")
  if args.op then return hexadecimal("op", args.op, 32), nil end
  return nil, hexadecimal("opc", args.opc or OPC, 32)
end

local function operator_name(text)
  return expect(#text <= 16 and not text:find "[^\x20-\x7E]" and text, "spn", "up to 16 characters of ASCII")
end

function options.read(args)
  local op, opc = operator(args)
  expect((args.gsm or "") == "", "gsm", "no value")
  return {
    adm = adm(args.adm or "12345678"),
    iccid = digits("iccid", args.iccid or "8900101000000000019", 18, 20),
    imsi = digits("imsi", args.imsi or "001010000000001", 6, 15),
    k = hexadecimal("k", args.k or K, 32),
    mnc = expect(tonumber((args.mnc or "2"):match "^[23]$"), "mnc", "2 or 3"),
    msisdn = telephone("msisdn", args.msisdn or "+15550100"),
    op = op,
    opc = opc,
    pin = args.pin ~= "off" and pin("pin", args.pin or "1234") or filled "1234",
    pin_off = args.pin == "off",
    pin2 = pin("pin2", args.pin2 or "5678"),
    puk = digits("puk", args.puk or "12345678", 8, 8),
    puk2 = digits("puk2", args.puk2 or "87654321", 8, 8),
    smsc = telephone("smsc", args.smsc or "+15550199"),
    spn = operator_name(args.spn or "cardrig"),
    sqn = hexadecimal("sqn", args.sqn or "000000000000", 12),
  }
end

return options
