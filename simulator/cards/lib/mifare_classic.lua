-- SPDX-License-Identifier: BSD-3-Clause
--
-- mifare_classic: sectors, keys and value blocks of MIFARE Classic (NXP MF1S50yyX, MF1S70yyX)
--
--   local classic = require("mifare_classic").new { uid = hex "01 02 03 04", blocks = 64, keep = persistent }
--   return { antenna = { uid = "01 02 03 04", storage = "mifare-1k",
--                        frame = function(frame) return classic:frame(frame) end },
--            on_power = function() classic:reset() end }
--
-- mifare_classic.new(options)
--     A card as it leaves the factory: both keys of each sector are options.key, FF FF FF FF FF FF if that is
--     not given. blocks is 64 or 256. The blocks are in keep, unless they are already there.
--
-- classic:frame(frame)
--     The answer to a frame: data, 0A (ACK), or another byte (NAK), after which a sector has to be
--     authenticated again. The three passes of an authentication are one frame, as the PN532 takes it: 60 or
--     61, the block, the key, and the last four bytes of the UID.

local access = require "mifare_access"

local ACK, NOT_ALLOWED = "\x0A", "\x04"
local FACTORY_BITS = "\xFF\x07\x80\x69"
local SMALL_SECTORS = 32 -- of 4 blocks; those after them have 16

local Classic = {}
Classic.__index = Classic

local function sector_of(block)
  if block < SMALL_SECTORS * 4 then return block // 4 end
  return SMALL_SECTORS + (block - SMALL_SECTORS * 4) // 16
end

-- The first block and the trailer of a sector.
local function bounds(sector)
  if sector < SMALL_SECTORS then return sector * 4, sector * 4 + 3 end
  local first = SMALL_SECTORS * 4 + (sector - SMALL_SECTORS) * 16
  return first, first + 15
end

local function trailer_of(block)
  local _, trailer = bounds(sector_of(block))
  return trailer
end

-- Which bits of the trailer are for the block; large sectors have groups of five blocks.
local function group_of(block)
  local first, trailer = bounds(sector_of(block))
  if block == trailer then return 3 end
  return (block - first) // ((trailer - first) // 3)
end

local function manufacturer_block(uid, blocks)
  local check = 0
  for i = 1, #uid do check = check ~ uid:byte(i) end
  local kind = blocks == 64 and "\x08\x04\x00" or "\x18\x02\x00" -- SAK, ATQA
  return ((#uid == 4 and uid .. string.char(check) or uid) .. kind .. ("\0"):rep(16)):sub(1, 16)
end

local function new_blocks(options)
  local key, blocks = options.key or ("\xFF"):rep(6), {}
  for block = 1, options.blocks - 1 do
    blocks[block] = block == trailer_of(block) and key .. FACTORY_BITS .. key or ("\0"):rep(16)
  end
  return blocks
end

local function new(options)
  local keep = options.keep
  keep.blocks = keep.blocks or new_blocks(options)
  keep.blocks[0] = manufacturer_block(options.uid, options.blocks)
  return setmetatable({ uid = options.uid, blocks = keep.blocks, count = options.blocks }, Classic)
end

function Classic:reset()
  self.session, self.register = nil, nil
end

-- Returns whether the session's key is among those that allow it.
function Classic:allows(block, what)
  local session = self.session
  if not session or block >= self.count or session.sector ~= sector_of(block) then return false end
  local trailer, group = trailer_of(block), group_of(block)
  local conditions = access.conditions(self.blocks[trailer], group)
  if not conditions then return false end
  local of = block == trailer and access.of_trailer or access.of_data
  return (of(conditions, what) or ""):find(session.key, 1, true) ~= nil
end

-- A key B that can be read opens nothing.
local function key_opens(trailer, letter)
  local conditions = access.conditions(trailer, 3)
  return letter == "A" or conditions and access.of_trailer(conditions, "read_b") == ""
end

function Classic:authenticate(frame)
  local code, block = frame:byte(1, 2)
  self:reset()
  if block >= self.count or frame:sub(9) ~= self.uid:sub(-4) then return nil end
  local trailer = self.blocks[trailer_of(block)]
  local letter = code == 0x60 and "A" or "B"
  local key = letter == "A" and trailer:sub(1, 6) or trailer:sub(11)
  if frame:sub(3, 8) ~= key then return nil end
  self.session = { sector = sector_of(block), key = key_opens(trailer, letter) and letter or "none" }
  return ACK
end

function Classic:read(frame)
  local block = frame:byte(2)
  local is_trailer = block < self.count and block == trailer_of(block)
  if not self:allows(block, is_trailer and "read_bits" or "read") then return nil end
  local data = self.blocks[block]
  if not is_trailer then return data end
  local key_b = self:allows(block, "read_b") and data:sub(11) or ("\0"):rep(6)
  return ("\0"):rep(6) .. data:sub(7, 10) .. key_b
end

-- The parts of a trailer that may not be written stay as they are.
function Classic:write_trailer(block, data)
  local old = self.blocks[block]
  local a, bits, b = self:allows(block, "write_a"), self:allows(block, "write_bits"), self:allows(block, "write_b")
  self.blocks[block] = (a and data or old):sub(1, 6) .. (bits and data or old):sub(7, 10) .. (b and data or old):sub(11)
  return (a or bits or b) and ACK
end

function Classic:write(frame)
  local block, data = frame:byte(2), frame:sub(3)
  if block == 0 or block >= self.count then return nil end
  if block == trailer_of(block) then return self:write_trailer(block, data) end
  if not self:allows(block, "write") then return nil end
  self.blocks[block] = data
  return ACK
end

-- The value and the address byte of a value block; nil: it is not one.
local function value_of(data)
  local value, inverse, again, a, b, c, d = string.unpack("<i4i4i4BBBB", data)
  if value ~= ~inverse or value ~= again or a ~= c or b ~= d or a ~= ~b & 0xFF then return nil end
  return value, a
end

local CHANGES = { [0xC0] = -1, [0xC1] = 1, [0xC2] = 0 } -- decrement, increment, restore

function Classic:change(frame)
  local code, block = frame:byte(1, 2)
  if not self:allows(block, code == 0xC1 and "increment" or "decrement") then return nil end
  local value, address = value_of(self.blocks[block])
  if not value then return nil end
  local changed = value + CHANGES[code] * string.unpack("<i4", frame, 3)
  self.register = { value = string.unpack("<i4", string.pack("<I4", changed & 0xFFFFFFFF)), address = address }
  return ACK
end

function Classic:transfer(frame)
  local block, register = frame:byte(2), self.register
  if not register or block == trailer_of(block) or block == 0 or not self:allows(block, "decrement") then return nil end
  local value, address = register.value, register.address
  self.blocks[block] = string.pack("<i4i4i4BBBB", value, ~value, value, address, ~address & 0xFF, address, ~address & 0xFF)
  return ACK
end

local FRAMES = { -- with their lengths
  [0x60] = { 12, Classic.authenticate },
  [0x61] = { 12, Classic.authenticate },
  [0x30] = { 2, Classic.read },
  [0xA0] = { 18, Classic.write },
  [0xC0] = { 6, Classic.change },
  [0xC1] = { 6, Classic.change },
  [0xC2] = { 6, Classic.change },
  [0xB0] = { 2, Classic.transfer },
}

function Classic:frame(frame)
  local known = FRAMES[frame:byte()]
  local answer = known and #frame == known[1] and known[2](self, frame)
  if not answer then self:reset() end
  return answer or NOT_ALLOWED
end

return { new = new }
