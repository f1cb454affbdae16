-- SPDX-License-Identifier: BSD-3-Clause
--
-- arguments: checks of the arguments that a card was given
--
--   local expect = require("arguments").expect
--   local pin = args.pin or "1234"
--   expect(#pin >= 4, "pin", "at least 4 characters")
--
-- arguments.expect(value, name, expected)
--     Returns value. If it is false or nil, the card is refused, with a message that names the argument and
--     what was expected.
--
-- arguments.bytes(name, text, lengths)
--     The bytes of the hexadecimal text, whose number is one of the list. Otherwise the card is refused.
--
-- arguments.choose(name, text, choices)
--     Returns choices[text]. Otherwise the card is refused, with the names of the choices.

local arguments = {}

function arguments.expect(value, name, expected)
  if not value then error(name .. ": expected " .. expected, 0) end
  return value
end

function arguments.bytes(name, text, lengths)
  local done, value = pcall(hex, text)
  for _, length in ipairs(lengths) do
    if done and #value == length then return value end
  end
  arguments.expect(false, name, table.concat(lengths, " or ") .. " bytes, in hexadecimal digits")
end

function arguments.choose(name, text, choices)
  local names = {}
  for choice in pairs(choices) do names[#names + 1] = choice end
  table.sort(names)
  return arguments.expect(choices[text], name, table.concat(names, ", "):gsub(", ([^,]+)$", " or %1"))
end

return arguments
