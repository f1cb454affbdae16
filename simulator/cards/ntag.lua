-- SPDX-License-Identifier: BSD-3-Clause
-- An NTAG or MIFARE Ultralight: a tag with pages, and an NDEF message
--
-- What is written is kept.

local arguments = require "arguments"
local ndef_message = require "ndef_message"
local ntag_memory = require "ntag_memory"

local KINDS = { ["213"] = "ntag213", ["215"] = "ntag215", ["216"] = "ntag216", ultralight = "ultralight" }
local kind = arguments.choose("type", args.type or "213", KINDS)
local uid = args.uid or "04C0FFEE010203"
local message = ndef_message.of(args)
arguments.expect(#message <= ntag_memory.room(kind), args.uri and "uri" or "text", "a message that fits into the tag")

local tag = ntag_memory.new {
  kind = kind,
  uid = arguments.bytes("uid", uid, { 7 }),
  keep = persistent,
  message = message,
}

return {
  name = "ntag",
  arguments = {
    text = "a text in its message",
    type = "213, 215, 216 or ultralight (213)",
    uid = "7 bytes (04C0FFEE010203)",
    uri = "an address in its message",
  },
  antenna = {
    uid = uid,
    storage = kind,
    frame = function(frame) return tag:frame(frame) end,
  },
  on_power = function() tag:reset() end,
}
