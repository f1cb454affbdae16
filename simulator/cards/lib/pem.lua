-- SPDX-License-Identifier: BSD-3-Clause
--
-- pem: certificates, keys and other data as text (RFC 7468)
--
--   local pem = require "pem"
--   local blocks = assert(pem.decode(file "chain.pem"))
--   local der = blocks[1].der
--
-- crypto.key() and crypto.read_certificate() read PEM themselves, also encrypted keys. This module is for
-- chains of certificates, and for what they do not know.
--
-- pem.decode(text)
--     A list of the blocks in text, at least one: tables with label, such as "CERTIFICATE", and der. What is
--     outside of the blocks does not count. Decoding is strict: a block without its end, wrong base64, and
--     headers as in keys that are encrypted (Proc-Type), are errors. Then it returns nil and a message.
--
-- pem.encode(label, der)
--     A block with this label.

local pem = {}

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local LINE = 64                               -- characters

local values = {}
for i = 1, #DIGITS do values[DIGITS:byte(i)] = i - 1 end

local function decode_four(digits)
  local a, b, c, d = digits:byte(1, 4)
  return string.pack(">I3", values[a] << 18 | values[b] << 12 | values[c] << 6 | values[d])
end

-- The bits that the last digit has too many must be 0, so each value has one text only.
local function decode_base64(text)
  if #text % 4 ~= 0 or not text:find "^[%w+/]*=?=?$" then return nil end
  local missing = #text:match "=*$"
  local bytes = text:gsub("=", "A"):gsub("....", decode_four)
  local rest = bytes:sub(#bytes - missing + 1)
  return not rest:find "[^\0]" and bytes:sub(1, #bytes - missing) or nil
end

local function encode_three(bytes)
  local value = string.unpack(">I3", bytes .. ("\0"):rep(3 - #bytes))
  local digits = {}
  for i = 1, #bytes + 1 do
    local digit = (value >> (24 - 6 * i) & 63) + 1
    digits[i] = DIGITS:sub(digit, digit)
  end
  return table.concat(digits) .. ("="):rep(3 - #bytes)
end

local function lines_of(text)
  local list = {}
  for line in (text .. "\n"):gmatch "([^\r\n]*)\r?\n" do list[#list + 1] = line:match "^(.-)[ \t]*$" end
  return list
end

-- The block that begins at this line. Returns nil and what is wrong with it, or the block and its last line.
local function read_block(lines, first, label)
  local digits = {}
  for number = first + 1, #lines do
    local line = lines[number]
    if line == "-----END " .. label .. "-----" then
      local der = decode_base64(table.concat(digits))
      if not der then return nil, "is not in base64" end
      return { label = label, der = der }, number
    end
    if line:find(":", 1, true) then return nil, "has headers" end
    if line:find("-----", 1, true) then return nil, "has no end" end
    digits[#digits + 1] = line
  end
  return nil, "has no end"
end

function pem.decode(text)
  local lines, blocks, number = lines_of(text), {}, 1
  while number <= #lines do
    local label = lines[number]:match "^%-%-%-%-%-BEGIN ([^%-]+)%-%-%-%-%-$"
    if label then
      local block, last = read_block(lines, number, label)
      if not block then return nil, ("the %s at line %d %s"):format(label, number, last) end
      blocks[#blocks + 1] = block
      number = last
    end
    number = number + 1
  end
  if #blocks == 0 then return nil, "no PEM" end
  return blocks
end

function pem.encode(label, der)
  local digits = der:gsub("..?.?", encode_three)
  local lines = { "-----BEGIN " .. label .. "-----" }
  for position = 1, #digits, LINE do lines[#lines + 1] = digits:sub(position, position + LINE - 1) end
  lines[#lines + 1] = "-----END " .. label .. "-----\n"
  return table.concat(lines, "\n")
end

return pem
