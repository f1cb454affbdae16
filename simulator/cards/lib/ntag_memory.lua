-- SPDX-License-Identifier: BSD-3-Clause
--
-- ntag_memory: the pages of MIFARE Ultralight, NTAG213, NTAG215 and NTAG216 (NXP MF0ICU1, NTAG213/215/216)
--
--   local tag = require("ntag_memory").new { kind = "ntag213", uid = hex "04 01 02 03 04 05 06", keep = persistent,
--                                            message = require("ndef_message").of { text = "hello" } }
--   return { antenna = { uid = "04 01 02 03 04 05 06", storage = "ntag213",
--                        frame = function(frame) return tag:frame(frame) end },
--            on_power = function() tag:reset() end }
--
-- ntag_memory.new(options)
--     A tag as it leaves the factory, with the message in its memory. The pages are in keep, unless they are
--     already there.
--
-- ntag_memory.room(kind)
--     The longest message in bytes.
--
-- tag:frame(frame)
--     The answer to a frame: data, 0A (ACK), or 00 or 04 (NAK).

local locks = require "ntag_locks"

local ACK, INVALID, NO_MORE_TRIES = "\x0A", "\x00", "\x04"

-- pages; those of the dynamic lock bits, each of which is for so many pages; the data's size in CC; the size in
-- GET_VERSION. CFG0, CFG1, PWD and PACK follow the dynamic lock bits.
local KINDS = {
  ultralight = { pages = 16, size = 0x06 },
  ntag213 = { pages = 45, dynamic = 40, pages_a_bit = 2, size = 0x12, version = 0x0F },
  ntag215 = { pages = 135, dynamic = 130, pages_a_bit = 16, size = 0x3E, version = 0x11 },
  ntag216 = { pages = 231, dynamic = 226, pages_a_bit = 16, size = 0x6D, version = 0x13 },
}

local Tag = {}
Tag.__index = Tag

-- The message in its TLV, and the terminator: NFC Forum T2T 1.1, 2.3.
local function in_tlv(message)
  local length = #message < 255 and string.char(#message) or string.pack(">BI2", 255, #message)
  return "\x03" .. length .. message .. "\xFE"
end

local function room(name)
  local bytes = KINDS[name].size * 8
  return bytes - (bytes > 256 and 5 or 3)
end

local function new_pages(kind, message)
  local pages, data = { [2] = ("\0"):rep(4), [3] = string.char(0xE1, 0x10, kind.size, 0x00) }, in_tlv(message)
  for page = 4, kind.pages - 1 do
    pages[page] = (data:sub(4 * (page - 4) + 1, 4 * (page - 4) + 4) .. ("\0"):rep(4)):sub(1, 4)
  end
  if kind.dynamic then
    pages[kind.dynamic] = "\x00\x00\x00\xBD"
    pages[kind.dynamic + 1] = "\x04\x00\x00\xFF"
    pages[kind.dynamic + 2] = "\x00\x05\x00\x00"
    pages[kind.dynamic + 3] = "\xFF\xFF\xFF\xFF"
  end
  return pages
end

-- The UID with its check bytes: pages 0, 1 and half of 2.
local function put_uid(pages, uid)
  local a, b, c, d, e, f, g = uid:byte(1, 7)
  pages[0] = string.char(a, b, c, 0x88 ~ a ~ b ~ c)
  pages[1] = uid:sub(4)
  pages[2] = string.char(d ~ e ~ f ~ g, 0x48) .. pages[2]:sub(3)
end

local function new(options)
  local keep, kind = options.keep, KINDS[options.kind]
  keep.pages = keep.pages or new_pages(kind, options.message)
  put_uid(keep.pages, options.uid)
  return setmetatable({ kind = kind, pages = keep.pages, keep = keep }, Tag)
end

function Tag:reset()
  self.open, self.counted = false, false
end

-- Byte n of the configuration pages, from 0.
function Tag:setting(n)
  return self.pages[self.kind.dynamic + 1 + n // 4]:byte(n % 4 + 1)
end

-- The first page that takes a password to write, or if is_read is true, to read.
function Tag:first_protected(is_read)
  if not self.kind.dynamic or self.open or (is_read and self:setting(4) & 0x80 == 0) then return self.kind.pages end
  return self:setting(3)
end

-- What READ shows of a page: not the password.
function Tag:shown(page)
  return self.kind.dynamic and page >= self.kind.dynamic + 3 and "\0\0\0\0" or self.pages[page]
end

-- Reading counts once after each reset, if the counter is on.
function Tag:count()
  if self.kind.dynamic and self:setting(4) & 0x10 ~= 0 and not self.counted then
    self.counted = true
    self.keep.count = math.min((self.keep.count or 0) + 1, 0xFFFFFF)
  end
end

-- READ goes on with page 0 after the last page that can be read.
function Tag:read(frame)
  local first, last = frame:byte(2), math.min(self:first_protected(true), self.kind.pages)
  if first >= last then return INVALID end
  self:count()
  local data = {}
  for i = 0, 3 do data[i + 1] = self:shown((first + i) % last) end
  return table.concat(data)
end

function Tag:fast_read(frame)
  local first, last = frame:byte(2, 3)
  if not self.kind.dynamic or first > last or last >= math.min(self:first_protected(true), self.kind.pages) then
    return INVALID
  end
  self:count()
  local data = {}
  for page = first, last do data[#data + 1] = self:shown(page) end
  return table.concat(data)
end

-- Bits of page 3, the capability container, can only be set.
local function with_set_bits(old, data)
  return string.pack("<I4", string.unpack("<I4", old) | string.unpack("<I4", data))
end

function Tag:write_page(page, data)
  local kind = self.kind
  local is_settings = kind.dynamic and (page == kind.dynamic + 1 or page == kind.dynamic + 2)
  if page < 2 or page >= kind.pages or page >= self:first_protected(false) or locks.is_locked(self.pages, kind, page)
    or (is_settings and self:setting(4) & 0x40 ~= 0) then
    return INVALID
  end
  if page == 2 or page == kind.dynamic then
    locks.write(self.pages, kind, page, data)
  else
    self.pages[page] = page == 3 and with_set_bits(self.pages[3], data) or data
  end
  return ACK
end

function Tag:write(frame)
  return self:write_page(frame:byte(2), frame:sub(3, 6))
end

function Tag:get_version()
  if not self.kind.version then return INVALID end
  return "\x00\x04\x04\x02\x01\x00" .. string.char(self.kind.version) .. "\x03"
end

function Tag:read_count(frame)
  if not self.kind.dynamic or frame:byte(2) ~= 2 or self:setting(4) & 0x10 == 0
    or (self:setting(4) & 0x08 ~= 0 and not self.open) then
    return INVALID
  end
  return string.pack("<I3", self.keep.count or 0)
end

-- AUTHLIM: how many wrong passwords in a row there may be; 0 is no limit.
function Tag:authenticate(frame)
  if not self.kind.dynamic then return INVALID end
  local limit, keep = self:setting(4) & 0x07, self.keep
  if limit > 0 and (keep.failures or 0) >= limit then return NO_MORE_TRIES end
  self.open = frame:sub(2) == self.pages[self.kind.dynamic + 3]
  keep.failures = self.open and 0 or (keep.failures or 0) + 1
  return self.open and self.pages[self.kind.dynamic + 4]:sub(1, 2) or INVALID
end

-- The originality signature: only NXP can make one.
function Tag:read_signature()
  return self.kind.version and ("\0"):rep(32) or INVALID
end

local FRAMES = { -- with their lengths
  [0x30] = { 2, Tag.read },
  [0x3A] = { 3, Tag.fast_read },
  [0xA2] = { 6, Tag.write },
  [0xA0] = { 18, Tag.write }, -- COMPATIBILITY_WRITE, of which the first four bytes count
  [0x60] = { 1, Tag.get_version },
  [0x39] = { 2, Tag.read_count },
  [0x1B] = { 5, Tag.authenticate },
  [0x3C] = { 2, Tag.read_signature },
}

function Tag:frame(frame)
  local known = FRAMES[frame:byte()]
  return known and #frame == known[1] and known[2](self, frame) or INVALID
end

return { new = new, room = room }
