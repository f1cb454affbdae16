-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_telecom: DF TELECOM, and what it has in common with the USIM (3GPP TS 51.011, 10.5; TS 31.102, 4.4)
--
-- telecom.directory(data)
--     DF TELECOM, with what the options say.
--
-- telecom.own(data)
--     A list of the EFs that the directory of the USIM has, too: they share their content.

local coding = require "usim_coding"
local ef = require "usim_ef"
local tlv = require "tlv"

local telecom = {}

local NAME = 14                              -- bytes of a name in a phone book
local ENTRY = NAME + 14
local ENTRIES, MESSAGES = 20, 10
local FREE_EXTENSION = "\0" .. ("\xFF"):rep(12)
local FREE_MESSAGE = "\0" .. ("\xFF"):rep(175)

local function free(record, count)
  local list = {}
  for number = 1, count do list[number] = record end
  return list
end

-- The parameters of short messages: only the number of the service centre is there.
local function message_parameters(data)
  local destination, rest = ("\xFF"):rep(12), "\xFF\xFF\xFF"
  return coding.name("", NAME) .. "\xFD" .. destination .. coding.address(data.smsc, 12) .. rest
end

local function extension(id)
  return ef.linear(id, false, "user", 13, 5, free(FREE_EXTENSION, 5), "extension " .. id)
end

function telecom.own(data)
  return {
    ef.linear(0x6F3B, false, "fixed", ENTRY, 10, nil, "FDN"),
    ef.linear(0x6F3C, false, "user", 176, MESSAGES, free(FREE_MESSAGE, MESSAGES), "SMS"),
    ef.linear(0x6F40, false, "user", ENTRY, 2, { coding.entry("", data.msisdn, NAME) }, "MSISDN"),
    ef.linear(0x6F42, false, "user", NAME + 28, 2, { message_parameters(data) }, "SMSP"),
    ef.transparent(0x6F43, false, "user", hex "FF FF", "SMSS"),
    ef.linear(0x6F47, false, "user", 30, 5, free("\0" .. ("\xFF"):rep(29), 5), "SMSR"),
    ef.linear(0x6F49, false, "network", ENTRY, 5, nil, "SDN"),
    extension(0x6F4B),
    extension(0x6F4C),
  }
end

-- The phone book of all applications has the same names and numbers as that of GSM: its EF PBR says that
-- there is an EF ADN, and where.
local function phone_book()
  local reference = tlv.build(0xA8, tlv.build(0xC0, hex "4F 3A 02"))
  return {
    id = 0x5F3A,
    files = {
      ef.linear(0x4F30, false, "user", 20, 1, { coding.name(reference, 20) }),
      ef.linear(0x4F3A, 2, "user", ENTRY, ENTRIES, nil, "ADN"),
    },
  }
end

function telecom.directory(data)
  local files = {
    ef.arr(0x6F06),
    ef.linear(0x6F3A, false, "user", ENTRY, ENTRIES, nil, "ADN"),
    ef.linear(0x6F3D, false, "user", 14, 5),
    ef.cyclic(0x6F44, false, "location", ENTRY, 10, "\xFF"),
    extension(0x6F4A),
    phone_book(),
  }
  for _, f in ipairs(telecom.own(data)) do files[#files + 1] = f end
  return { id = 0x7F10, files = files }
end

return telecom
