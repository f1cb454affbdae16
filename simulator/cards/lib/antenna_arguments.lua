-- SPDX-License-Identifier: BSD-3-Clause
--
-- antenna_arguments: arguments that ready cards with an antenna have
--
-- antenna_arguments.bytes(name, text, lengths)
--     The bytes of the hexadecimal text, whose number is one of the list. Otherwise the card is refused.
--
-- antenna_arguments.choose(name, text, choices)
--     Returns choices[text]. Otherwise the card is refused, with the names of the choices.

local expect = require("arguments").expect

local antenna_arguments = {}

function antenna_arguments.bytes(name, text, lengths)
  local done, value = pcall(hex, text)
  for _, length in ipairs(lengths) do
    if done and #value == length then return value end
  end
  expect(false, name, table.concat(lengths, " or ") .. " bytes, in hexadecimal digits")
end

function antenna_arguments.choose(name, text, choices)
  local names = {}
  for choice in pairs(choices) do names[#names + 1] = choice end
  table.sort(names)
  return expect(choices[text], name, table.concat(names, ", "):gsub(", ([^,]+)$", " or %1"))
end

return antenna_arguments
