-- SPDX-License-Identifier: BSD-3-Clause
--
-- ndef_message: messages of the NFC Data Exchange Format (NFC Forum NDEF 1.0, RTD Text 1.0, RTD URI 1.0)
--
--   local message = require("ndef_message").of { text = "hello", uri = "https://example.org/" }
--
-- ndef_message.of(what)
--     Returns a message with a record for what.text and one for what.uri. Without either, an empty message.

local ndef_message = {}

local PREFIXES = { -- the code is the index; a longer one comes before its beginning
  "http://www.", "https://www.", "http://", "https://", "tel:", "mailto:",
}

local function text_payload(text)
  return "\x02en" .. text -- UTF-8, and the language's code has two bytes
end

local function uri_payload(uri)
  for code, prefix in ipairs(PREFIXES) do
    if uri:sub(1, #prefix) == prefix then return string.char(code) .. uri:sub(#prefix + 1) end
  end
  return "\x00" .. uri
end

-- Flags: first record, last record, short record; well-known type.
local function record(kind, payload, is_first, is_last)
  local flags = 0x01 | (is_first and 0x80 or 0) | (is_last and 0x40 or 0)
  if #payload > 255 then return string.char(flags, 1) .. string.pack(">s4", payload):sub(1, 4) .. kind .. payload end
  return string.char(flags | 0x10, 1, #payload) .. kind .. payload
end

function ndef_message.of(what)
  local text, uri = what.text, what.uri
  if not text and not uri then return "" end
  return (text and record("T", text_payload(text), true, not uri) or "")
    .. (uri and record("U", uri_payload(uri), not text, true) or "")
end

return ndef_message
