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

local arguments = {}

function arguments.expect(value, name, expected)
  if not value then error(name .. ": expected " .. expected, 0) end
  return value
end

return arguments
