-- SPDX-License-Identifier: BSD-3-Clause
--
-- mifare_access: the access conditions in the trailer of a sector (NXP MF1S50yyX, 8.7)
--
-- mifare_access.conditions(trailer, group)
--     C1 C2 C3 as a number from 0 to 7, for the data blocks 0 to 2 of the sector or, with group 3, for the
--     trailer itself. Returns nil if the bits and their inverses differ: the sector is then out of use for good.
--
-- mifare_access.of_data(conditions, what), mifare_access.of_trailer(conditions, what)
--     The keys that allow it: "", "A", "B" or "AB". For data, what is read, write, increment or decrement,
--     which is also for transfer and restore. For a trailer: write_a, read_bits, write_bits, read_b, write_b.

local mifare_access = {}

local DATA = {
  [0] = { read = "AB", write = "AB", increment = "AB", decrement = "AB" },
  { read = "AB", write = "", increment = "", decrement = "AB" },
  { read = "AB", write = "", increment = "", decrement = "" },
  { read = "B", write = "B", increment = "", decrement = "" },
  { read = "AB", write = "B", increment = "", decrement = "" },
  { read = "B", write = "", increment = "", decrement = "" },
  { read = "AB", write = "B", increment = "B", decrement = "AB" },
  { read = "", write = "", increment = "", decrement = "" },
}

local TRAILER = {
  [0] = { write_a = "A", read_bits = "A", write_bits = "", read_b = "A", write_b = "A" },
  { write_a = "A", read_bits = "A", write_bits = "A", read_b = "A", write_b = "A" },
  { write_a = "", read_bits = "A", write_bits = "", read_b = "A", write_b = "" },
  { write_a = "B", read_bits = "AB", write_bits = "B", read_b = "", write_b = "B" },
  { write_a = "B", read_bits = "AB", write_bits = "", read_b = "", write_b = "B" },
  { write_a = "", read_bits = "AB", write_bits = "B", read_b = "", write_b = "" },
  { write_a = "", read_bits = "AB", write_bits = "", read_b = "", write_b = "" },
  { write_a = "", read_bits = "AB", write_bits = "", read_b = "", write_b = "" },
}

function mifare_access.conditions(trailer, group)
  local low, middle, high = trailer:byte(7, 9)
  local c1, c2, c3 = middle >> 4, high & 0x0F, high >> 4
  if c1 ~= ~low & 0x0F or c2 ~= ~low >> 4 & 0x0F or c3 ~= ~middle & 0x0F then return nil end
  return (c1 >> group & 1) << 2 | (c2 >> group & 1) << 1 | c3 >> group & 1
end

function mifare_access.of_data(conditions, what)
  return DATA[conditions][what]
end

function mifare_access.of_trailer(conditions, what)
  return TRAILER[conditions][what]
end

return mifare_access
