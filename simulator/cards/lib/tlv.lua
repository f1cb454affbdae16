-- SPDX-License-Identifier: BSD-3-Clause
--
-- tlv: data objects in BER-TLV (ISO/IEC 7816-4, 8825-1)
--
--   local tlv = require "tlv"
--   local fci = tlv.build(0x6F, tlv.build(0x84, aid), tlv.build(0xA5))
--   local aid = tlv.find(tlv.find(fci, 0x6F), 0x84)
--
-- Tags are integers as standards write them: 0x5C, 0x7F49, 0x5FC105. They have up to three bytes, and values
-- up to 65535. Parsing is strict: a tag, a length or a value that is cut off, and a length that is
-- indefinite, are errors. Then the functions return nil and a message.
--
-- tlv.build(tag, ...)
--     A data object. Its value is the strings that follow, one after the other.
--
-- tlv.parse(data, position)
--     Reads the object at position (1 if it is not given). Returns its tag, its value and the position after
--     it.
--
-- tlv.each(data)
--     An iterator over the objects in data: for tag, value in tlv.each(data) do ... end All of data is
--     checked before the first one. If data comes from outside the card, do not write the call in a for loop:
--     store the iterator, and see whether it is nil.
--
-- tlv.map(data)
--     A table from tags to values. If a tag occurs again, the first one counts.
--
-- tlv.find(data, tag)
--     The value of the first object with this tag; nil if there is none.

local tlv = {}

local function encode_tag(tag)
  if tag <= 0xFF then return string.char(tag) end
  if tag <= 0xFFFF then return string.pack(">I2", tag) end
  return string.pack(">I3", tag)
end

local function encode_length(length)
  if length < 0x80 then return string.char(length) end
  if length <= 0xFF then return string.pack(">BB", 0x81, length) end
  return string.pack(">BI2", 0x82, length)
end

function tlv.build(tag, ...)
  local value = table.concat { ... }
  return encode_tag(tag) .. encode_length(#value) .. value
end

-- A tag with all five low bits set continues, and goes on while the high bit of the next byte is set.
local function parse_tag(data, position)
  local tag = data:byte(position)
  if not tag then return nil, "no tag" end
  position = position + 1
  if tag & 0x1F ~= 0x1F then return tag, position end
  repeat
    local byte = data:byte(position)
    if not byte then return nil, "a tag is cut off" end
    if tag > 0xFFFF then return nil, "a tag has more than three bytes" end
    tag, position = tag << 8 | byte, position + 1
  until byte & 0x80 == 0
  return tag, position
end

local function parse_length(data, position)
  local first = data:byte(position)
  if not first then return nil, "no length" end
  if first < 0x80 then return first, position + 1 end
  local bytes = first & 0x7F
  if bytes == 0 then return nil, "the length is indefinite" end
  if bytes > 2 then return nil, "a length has more than two bytes" end
  if position + bytes > #data then return nil, "a length is cut off" end
  return string.unpack(">I" .. bytes, data, position + 1), position + 1 + bytes
end

function tlv.parse(data, position)
  local tag, after_tag = parse_tag(data, position or 1)
  if not tag then return nil, after_tag end
  local length, start = parse_length(data, after_tag)
  if not length then return nil, start end
  local after = start + length
  if after > #data + 1 then return nil, "a value is cut off" end
  return tag, data:sub(start, after - 1), after
end

function tlv.each(data)
  local objects, position = {}, 1
  while position <= #data do
    local tag, value, after = tlv.parse(data, position)
    if not tag then return nil, value end
    objects[#objects + 1] = { tag, value }
    position = after
  end
  local i = 0
  return function()
    i = i + 1
    if objects[i] then return objects[i][1], objects[i][2] end
  end
end

function tlv.map(data)
  local map, each, message = {}, tlv.each(data)
  if not each then return nil, message end
  for tag, value in each do map[tag] = map[tag] or value end
  return map
end

function tlv.find(data, tag)
  local map, message = tlv.map(data)
  if not map then return nil, message end
  return map[tag]
end

return tlv
