-- SPDX-License-Identifier: BSD-3-Clause
--
-- contactless_storage: commands for storage cards, which the reader turns into frames (PC/SC part 3, 3.2.2.1)
--
--   storage.answer(cmd, antenna, frame)
--
-- LOAD KEYS (FF 82), GENERAL AUTHENTICATE (FF 86, and FF 88 of older readers), READ BINARY (FF B0), UPDATE
-- BINARY (FF D6), and value blocks as ACS' readers have them (FF D7, FF B1). frame(bytes) sends a frame and
-- returns the answer of the card. Keys are kept as long as the reader.

local apdu = require "apdu"

local check, sw = apdu.check, apdu.sw
local FAILED, MEMORY_FAILURE, NO_KEY = 0x6300, 0x6581, 0x6988
local ACK = "\x0A"

-- Addresses of each kind: blocks of 16 bytes, or pages of 4, of which READ returns four.
local KINDS = {
  ["mifare-1k"] = { size = 64, step = 1, bytes = 16, write = 0xA0, keys = true },
  ["mifare-4k"] = { size = 256, step = 1, bytes = 16, write = 0xA0, keys = true },
  ultralight = { size = 16, step = 4, bytes = 4, write = 0xA2 },
  ntag213 = { size = 45, step = 4, bytes = 4, write = 0xA2 },
  ntag215 = { size = 135, step = 4, bytes = 4, write = 0xA2 },
  ntag216 = { size = 231, step = 4, bytes = 4, write = 0xA2 },
}

local storage = {}
local keys = {}

-- What a NAK of the card means: a frame that is not allowed, one that failed to be written, another reason.
local function refused(nak)
  local code = nak:byte() & 0x0F
  return code == 4 and sw.NOT_SATISFIED or code == 5 and MEMORY_FAILURE or FAILED
end

local function acknowledged(answer)
  check(answer == ACK, refused(answer))
end

local function load_key(cmd)
  check(cmd.p1 & 0x80 == 0, 0x6983) -- a key of the reader
  check(cmd.p1 & 0x40 == 0, 0x6985) -- an encrypted key
  check(cmd.p2 <= 0x20, NO_KEY)
  check(cmd.nc == 6, 0x6989)
  keys[cmd.p2] = cmd.data
end

local function authenticate(kind, antenna, frame, block, key_type, number)
  check(kind.keys, sw.NOT_SUPPORTED)
  check(key_type == 0x60 or key_type == 0x61, 0x6986)
  check(block < kind.size, sw.NOT_FOUND)
  local key = check(keys[number], NO_KEY)
  local answer = frame(string.char(key_type, block) .. key .. antenna.uid:sub(-4))
  check(answer == ACK, FAILED)
end

local function general_authenticate(cmd, kind, antenna, frame)
  check(cmd.nc == 5, sw.WRONG_LENGTH)
  local version, high, low, key_type, number = cmd.data:byte(1, 5)
  check(version == 1, sw.WRONG_DATA)
  authenticate(kind, antenna, frame, high << 8 | low, key_type, number)
end

-- FF 88 00 BLOCK TYPE NUMBER is no command APDU, so there is only cmd.raw.
local function old_authenticate(cmd, kind, antenna, frame)
  local _, _, high, low, key_type, number = cmd.raw:byte(1, 6)
  authenticate(kind, antenna, frame, high << 8 | low, key_type, number)
end

function storage.is_old(cmd)
  return #cmd.raw == 6 and cmd.raw:sub(1, 2) == "\xFF\x88"
end

local function address_of(cmd, kind)
  local address = cmd.p1 << 8 | cmd.p2
  return check(address < kind.size and address, sw.NOT_FOUND)
end

local function read_block(frame, block)
  local data = frame(string.char(0x30, block))
  check(#data > 1, #data == 1 and refused(data) or FAILED)
  return data
end

-- Le of 00 asks for one block. What is longer is read block by block.
local function read(cmd, kind, _, frame)
  local address = address_of(cmd, kind)
  check(cmd.nc == 0 and cmd.ne > 0, sw.WRONG_LENGTH)
  local count, data = cmd.ne == 256 and 16 or cmd.ne, ""
  while #data < count and address < kind.size do
    data = data .. read_block(frame, address)
    address = address + kind.step
  end
  return data:sub(1, count), #data < count and sw.END_OF_FILE or sw.OK
end

local function update(cmd, kind, _, frame)
  local address = address_of(cmd, kind)
  check(cmd.nc > 0 and cmd.nc % kind.bytes == 0, sw.WRONG_LENGTH)
  check(address + cmd.nc // kind.bytes <= kind.size, sw.NOT_FOUND)
  for at = 1, cmd.nc, kind.bytes do
    acknowledged(frame(string.char(kind.write, address) .. cmd.data:sub(at, at + kind.bytes - 1)))
    address = address + 1
  end
end

local function store(frame, block, value)
  local number = string.pack("<i4", value)
  local inverse = string.pack("<i4", ~value)
  local address = string.char(block, ~block & 0xFF, block, ~block & 0xFF)
  acknowledged(frame(string.char(0xA0, block) .. number .. inverse .. number .. address))
end

local VALUE_FRAMES = { [1] = 0xC1, [2] = 0xC0 } -- increment, decrement

local function change_value(cmd, kind, _, frame)
  local block = address_of(cmd, kind)
  check(kind.keys, sw.NOT_SUPPORTED)
  check(cmd.nc > 0, sw.WRONG_LENGTH)
  local operation = cmd.data:byte()
  if operation == 3 then
    check(cmd.nc == 2, sw.WRONG_LENGTH)
    acknowledged(frame(string.char(0xC2, block) .. "\0\0\0\0"))
    acknowledged(frame("\xB0" .. cmd.data:sub(2)))
    return
  end
  check(operation < 3, sw.WRONG_DATA)
  check(cmd.nc == 5, sw.WRONG_LENGTH)
  local value = string.unpack(">i4", cmd.data, 2)
  if operation == 0 then return store(frame, block, value) end
  acknowledged(frame(string.char(VALUE_FRAMES[operation], block) .. string.pack("<i4", value)))
  acknowledged(frame(string.char(0xB0, block)))
end

local function read_value(cmd, kind, _, frame)
  local block = address_of(cmd, kind)
  check(kind.keys, sw.NOT_SUPPORTED)
  local data = read_block(frame, block)
  local value, inverse, again = string.unpack("<i4i4i4", data)
  check(value == ~inverse and value == again, FAILED)
  return string.pack(">i4", value)
end

local ANSWERS = {
  [0x86] = general_authenticate,
  [0xB0] = read,
  [0xB1] = read_value,
  [0xD6] = update,
  [0xD7] = change_value,
}

function storage.answer(cmd, antenna, frame)
  if cmd.ins == 0x82 then return load_key(cmd) end -- keys go into the reader, whatever the card is
  local kind = check(KINDS[antenna.storage], sw.NOT_SUPPORTED)
  local answer = storage.is_old(cmd) and old_authenticate or ANSWERS[cmd.ins]
  return check(answer, sw.NOT_SUPPORTED)(cmd, kind, antenna, frame)
end

return storage
