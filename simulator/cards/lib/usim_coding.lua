-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_coding: how a SIM writes numbers, names and lists of services (3GPP TS 31.102, TS 51.011)
--
-- coding.digits(text, bytes)
--     Digits with the first one in the low half of a byte, filled up with F.
--
-- coding.imsi(text)
--     EF IMSI.
--
-- coding.address(text, bytes)
--     The length, the type and the digits of a telephone number, in this many bytes. A number with + is an
--     international one. Without a number all is FF.
--
-- coding.entry(name, number, bytes)
--     A record of a phone book: a name of this many bytes at most, and a number.
--
-- coding.name(text, bytes)
--     A name filled up with FF. GSM's default alphabet has ASCII's letters and digits where ASCII has them.
--
-- coding.services(list, bytes)
--     A bit for each service: EF UST and EF EST.
--
-- coding.allocated_services(list, bytes)
--     Two bits for each, allocated and activated: EF SST.

local coding = {}

function coding.name(text, bytes)
  return text .. ("\xFF"):rep(bytes - #text)
end

function coding.digits(text, bytes)
  text = text .. ("F"):rep(2 * bytes - #text)
  return (hex(text:gsub("(.)(.)", "%2%1")))
end

-- The first half of a byte says whether the number of digits is odd.
function coding.imsi(text)
  local digits = (#text % 2 == 1 and "9" or "1") .. text
  local length = (#digits + 1) // 2
  return string.char(length) .. coding.digits(digits, 8)
end

local INTERNATIONAL, UNKNOWN = 0x91, 0x81    -- of the numbering plan for telephones

function coding.address(text, bytes)
  if text == "" then return ("\xFF"):rep(bytes) end
  local digits = text:gsub("+", "")
  local kind = text:sub(1, 1) == "+" and INTERNATIONAL or UNKNOWN
  return string.char(1 + (#digits + 1) // 2, kind) .. coding.digits(digits, bytes - 2)
end

-- Behind the number are the identifiers of a configuration and of an extension, which there are not.
function coding.entry(name, number, bytes)
  return coding.name(name, bytes) .. coding.address(number, 12) .. "\xFF\xFF"
end

local function bits(list, width, bytes)
  local numbers = {}
  for i = 1, bytes do numbers[i] = 0 end
  for _, service in ipairs(list) do
    local position = (service - 1) * width
    local byte = position // 8 + 1
    numbers[byte] = numbers[byte] | ((1 << width) - 1) << position % 8
  end
  return string.char(table.unpack(numbers))
end

function coding.services(list, bytes)
  return bits(list, 1, bytes)
end

function coding.allocated_services(list, bytes)
  return bits(list, 2, bytes)
end

return coding
