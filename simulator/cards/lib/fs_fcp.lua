-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_fcp: file control parameters (ISO/IEC 7816-4), of files that are there and of files to create; a part
-- of fs
--
-- fcp.build(files, f)
--     The data objects of a file control parameter template.
--
-- fcp.parse(data)
--     The fields of a file for the template in CREATE FILE, and its data objects as a table. It ends the
--     command if there is anything wrong.

local access = require "fs_access"
local apdu = require "apdu"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local fcp = {}

local DF = 0x38
local descriptors = { transparent = 0x01, fixed = 0x02, variable = 0x04, cyclic = 0x06 }
local structures = {
  [1] = "transparent", [2] = "fixed", [3] = "fixed", [4] = "variable", [5] = "variable", [6] = "cyclic",
  [7] = "cyclic",
}
local states = { creation = 0x01, initialisation = 0x03, active = 0x05, deactivated = 0x04, terminated = 0x0C }
local codings = { once = 0x01, ["or"] = 0x41, ["and"] = 0x61 }   -- what WRITE does, in the data coding byte

-- A file that was created has the first byte that CREATE FILE gave it: shareable or not, records of TLV or not.
local function descriptor(f)
  if f.descriptor then return f.descriptor end
  local first = string.char(f.descriptor_byte or f.files and DF or descriptors[f.structure])
  if f.files then return first end
  if f.data then return f.write and first .. string.char(codings[f.write]) or first end
  return first .. string.pack(">BI2I2", codings[f.write or "or"], f.record_size, #f.records)
end

-- The number of bytes in the file. A file of a kind of its own has the size that it was created with.
local function size(f)
  if f.files then return "" end
  if f.data then return tlv.build(0x80, string.pack(">I2", #f.data)) end
  if f.records then return tlv.build(0x80, string.pack(">I2", #table.concat(f.records))) end
  return tlv.build(0x81, string.pack(">I2", f.size or 0))
end

local function short_identifier(f)
  if f.files or f.sfi == nil then return "" end
  return tlv.build(0x88, f.sfi and string.char(f.sfi << 3) or "")
end

function fcp.build(files, f)
  local parts = { tlv.build(0x82, descriptor(f)), size(f) }
  if f.id then parts[#parts + 1] = tlv.build(0x83, string.pack(">I2", f.id)) end
  if f.name then parts[#parts + 1] = tlv.build(0x84, f.name) end
  parts[#parts + 1] = short_identifier(f)
  parts[#parts + 1] = tlv.build(0x8A, string.char(states[f.state]))
  if not f.objects[0x86] and not f.objects[0x8C] then
    parts[#parts + 1] = tlv.build(0x8C, access.build(files, f))
  end
  for tag, value in pairs(f.objects) do parts[#parts + 1] = tlv.build(tag, value) end
  return table.concat(parts)
end

local function integer(bytes)
  check(#bytes >= 1 and #bytes <= 4, sw.WRONG_DATA)
  return string.unpack(">I" .. #bytes, bytes)
end

-- After the descriptor and the data coding byte come the size of a record, and how many there can be.
local function parse_records(f, value, bytes)
  f.record_size = #value > 2 and integer(value:sub(3, #value == 3 and 3 or 4)) or nil
  check(f.record_size or f.structure == "variable", sw.WRONG_DATA)
  if #value > 4 then
    f.max_records = integer(value:sub(5))
  elseif bytes then
    f.max_records = bytes // (f.record_size or 255)
  end
  f.max_records = math.min(f.max_records or 254, 254)
end

local function parse_coding(byte)
  for name, code in pairs(codings) do
    if byte == code then return name end
  end
end

-- Bit 8 is 0; bit 7 says that the file is shareable. Bits 6 to 4 are 000 and 001 for EFs of the standard, 010 to
-- 110 for those of a kind of their own, and 111 for a DF, if the others are 000: there are no EFs that consist of
-- data objects (39, 3A).
local function parse_descriptor(f, value, bytes)
  check(#value >= 1 and #value <= 6, sw.WRONG_DATA)
  local byte = value:byte()
  local kind = byte >> 3 & 7
  check(byte & 0x80 == 0, sw.WRONG_DATA)
  if kind > 1 and kind < 7 then
    f.structure, f.descriptor, f.size = "own", value, bytes
    return
  end
  f.descriptor_byte = byte
  if kind == 7 then
    check(byte & 0x3F == DF, sw.WRONG_DATA)
    f.files = {}
    return
  end
  f.structure, f.write = check(structures[byte & 7], sw.WRONG_DATA), parse_coding(value:byte(2))
  if f.structure ~= "transparent" then return parse_records(f, value, bytes) end
  f.size = check(bytes, sw.WRONG_DATA)
end

local function parse_state(value)
  local byte = #value == 1 and value:byte() or 0
  if byte & 0xFC == 0x0C then return "terminated" end
  if byte & 0xFD == 0x05 then return "active" end
  if byte & 0xFD == 0x04 then return "deactivated" end
  return byte == 0x01 and "creation" or byte == 0x03 and "initialisation" or nil
end

local function parse_identifiers(f, objects)
  local id, name, sfi = objects[0x83], objects[0x84], objects[0x88]
  if id then
    check(#id == 2, sw.WRONG_DATA)
    f.id = integer(id)
    check(f.id ~= 0x3F00 and f.id ~= 0x3FFF and f.id ~= 0xFFFF and f.id ~= 0, sw.WRONG_DATA)
  end
  if name then check(f.files and #name >= 1 and #name <= 16, sw.WRONG_DATA) end
  f.name = name
  check(f.id or f.name, sw.WRONG_DATA)
  if sfi and not f.files then
    check(#sfi <= 1 and (sfi == "" or sfi:byte() & 7 == 0), sw.WRONG_DATA)
    f.sfi = sfi ~= "" and sfi:byte() >> 3
  end
end

function fcp.parse(data)
  local tag, content, after = tlv.parse(data)
  check((tag == 0x62 or tag == 0x6F) and after == #data + 1, sw.WRONG_DATA)
  local objects = check(tlv.map(content), sw.WRONG_DATA)
  local f = { objects = {} }
  local bytes = objects[0x80] or objects[0x81]
  parse_descriptor(f, check(objects[0x82], sw.WRONG_DATA), bytes and integer(bytes))
  parse_identifiers(f, objects)
  f.state = objects[0x8A] and parse_state(objects[0x8A])
  local rules = objects[0x8C] and 0x8C or objects[0x86] and 0x86
  if rules then f.objects[rules] = objects[rules] end
  if objects[0xA5] then f.objects[0xA5] = objects[0xA5] end
  return f, objects
end

return fcp
