-- SPDX-License-Identifier: BSD-3-Clause
--
-- ntag_locks: the lock bits of Ultralight and NTAG (NXP MF0ICU1, 7.5; NTAG213/215/216, 8.5)
--
-- ntag_locks.is_locked(pages, kind, page)
--     Whether the page may not be written any more.
--
-- ntag_locks.write(pages, kind, page, data)
--     Writes page 2, or the page of the dynamic lock bits: bits can be set, unless others block them, and never
--     cleared.

local ntag_locks = {}

-- Bit n of the static lock bits is for page n, from 3 on. Bits 0 to 2 block those of page 3, 4 to 9, and 10 to 15.
local STATIC_BLOCKED = { [0] = 0x0008, 0x03F0, 0xFC00 }

local function static_bits(pages)
  return string.unpack("<I2", pages[2], 3)
end

local function dynamic_bits(pages, kind)
  return string.unpack("<I3", pages[kind.dynamic])
end

function ntag_locks.is_locked(pages, kind, page)
  if page < 16 then return static_bits(pages) >> page & 1 == 1 end
  if not kind.dynamic or page >= kind.dynamic then return false end
  return dynamic_bits(pages, kind) >> (page - 16) // kind.pages_a_bit & 1 == 1
end

local function write_static(pages, data)
  local old, blocked = static_bits(pages), 0
  for bit, mask in pairs(STATIC_BLOCKED) do
    if old >> bit & 1 == 1 then blocked = blocked | mask end
  end
  pages[2] = pages[2]:sub(1, 2) .. string.pack("<I2", old | string.unpack("<I2", data, 3) & ~blocked)
end

-- Bit n of the third byte blocks bits 2n and 2n + 1 of the first two.
local function write_dynamic(pages, kind, data)
  local old, blocked = dynamic_bits(pages, kind), 0
  for bit = 0, 7 do
    if old >> (16 + bit) & 1 == 1 then blocked = blocked | 3 << 2 * bit end
  end
  pages[kind.dynamic] = string.pack("<I3", old | string.unpack("<I3", data) & ~blocked) .. "\xBD"
end

function ntag_locks.write(pages, kind, page, data)
  if page == 2 then write_static(pages, data) else write_dynamic(pages, kind, data) end
end

return ntag_locks
