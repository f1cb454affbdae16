-- SPDX-License-Identifier: BSD-3-Clause
-- A MIFARE Classic card, 1K or 4K: sectors, keys and value blocks
--
-- As it leaves the factory: every sector opens with the key FF FF FF FF FF FF. What is written is kept.

local arguments = require "arguments"
local mifare_classic = require "mifare_classic"

local KINDS = {
  ["1k"] = { storage = "mifare-1k", blocks = 64 },
  ["4k"] = { storage = "mifare-4k", blocks = 256 },
}
local kind = arguments.choose("type", args.type or "1k", KINDS)
local uid = args.uid or "C0FFEE01"

local card = mifare_classic.new {
  uid = arguments.bytes("uid", uid, { 4, 7 }),
  key = arguments.bytes("key", args.key or "FFFFFFFFFFFF", { 6 }),
  blocks = kind.blocks,
  keep = persistent,
}

return {
  name = "mifare",
  arguments = {
    key = "keys A and B of all sectors (FFFFFFFFFFFF)",
    type = "1k or 4k (1k)",
    uid = "4 or 7 bytes (C0FFEE01)",
  },
  antenna = {
    uid = uid,
    storage = kind.storage,
    frame = function(frame) return card:frame(frame) end,
  },
  on_power = function() card:reset() end,
}
