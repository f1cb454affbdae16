-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_binary: the commands for transparent EFs; a part of fs. Each function answers one command.
--
-- binary.read, binary.update, binary.write, binary.erase
--
-- With an odd INS, the offset and the data are in data objects, so that the offset can have any size.

local apdu = require "apdu"
local target = require "fs_target"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local binary = {}

local OFFSET, DATA = 0x54, 0x53

-- A short identifier and an offset of one byte, or an offset of 15 bits.
local function even(files, cmd)
  if cmd.p1 & 0x80 == 0 then return target.current(files), cmd.p1 << 8 | cmd.p2, cmd.data end
  check(cmd.p1 & 0x60 == 0, sw.WRONG_P1P2)
  return target.by_sfi(files, cmd.p1 & 0x1F), cmd.p2, cmd.data
end

local function file_of_odd(files, cmd)
  if cmd.p1 == 0 and cmd.p2 == 0 then return target.current(files) end
  if cmd.p1 == 0 and cmd.p2 < 31 then return target.by_sfi(files, cmd.p2) end
  return target.by_identifier(files, cmd.p1 << 8 | cmd.p2)
end

local function odd(files, cmd)
  local objects = check(tlv.map(cmd.data), sw.WRONG_DATA)
  local offset = check(objects[OFFSET], sw.WRONG_DATA)
  check(#offset >= 1 and #offset <= 4, sw.WRONG_DATA)
  return file_of_odd(files, cmd), string.unpack(">I" .. #offset, offset), objects[DATA] or ""
end

-- The file, the offset and the data. The operation is allowed, and the offset is in the file.
local function parameters(files, cmd, operation)
  local parse = cmd.ins & 1 == 1 and odd or even
  local f, offset, data = parse(files, cmd)
  check(f.structure == "transparent", sw.WRONG_STRUCTURE)
  target.demand(files, f, operation)
  check(offset < #f.data, sw.WRONG_PARAMETERS)
  return f, offset, data
end

-- How many bytes fit into a data object of ne bytes.
local function without_header(ne)
  if ne <= 0x81 then return ne - 2 end
  return ne <= 0x102 and ne - 3 or ne - 4
end

function binary.read(files, cmd)
  check(cmd.ne > 0, sw.WRONG_LENGTH)
  local f, offset = parameters(files, cmd, "read")
  if cmd.ins & 1 == 1 then
    local bytes = math.max(without_header(cmd.ne), 0)
    return tlv.build(DATA, f.data:sub(offset + 1, offset + bytes))
  end
  local data = f.data:sub(offset + 1, offset + cmd.ne)
  local asks_for_all = cmd.ne == 256 or cmd.ne == 65536
  return data, #data < cmd.ne and not asks_for_all and sw.END_OF_FILE or sw.OK
end

local function put(f, offset, data)
  f.data = f.data:sub(1, offset) .. data .. f.data:sub(offset + #data + 1)
end

local function to_write(files, cmd, operation)
  check(cmd.nc > 0, sw.WRONG_LENGTH)
  local f, offset, data = parameters(files, cmd, operation)
  check(#data > 0, sw.WRONG_DATA)
  check(offset + #data <= #f.data, sw.NO_SPACE)
  return f, offset, data
end

function binary.update(files, cmd)
  put(to_write(files, cmd, "update"))
end

function binary.write(files, cmd)
  local f, offset, data = to_write(files, cmd, "write")
  put(f, offset, target.combine(f, f.data:sub(offset + 1, offset + #data), data))
end

-- The data is the offset of the first byte that stays; without data all to the end is erased.
function binary.erase(files, cmd)
  local f, offset, data = parameters(files, cmd, "update")
  check(#data <= 4, sw.WRONG_DATA)
  local last = data ~= "" and string.unpack(">I" .. #data, data) or #f.data
  check(last > offset and last <= #f.data, sw.WRONG_PARAMETERS)
  put(f, offset, ("\0"):rep(last - offset))
end

return binary
