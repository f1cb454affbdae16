-- SPDX-License-Identifier: BSD-3-Clause
-- a reader with a PIN pad and a display of two lines
local function number(name)
  local text = args[name]
  if not text then return nil end
  return math.tointeger(tonumber(text)) or error(name .. "=" .. text .. ": expected a number", 0)
end

return {
  arguments = {
    min = "the fewest digits of a PIN that it takes (0)",
    max = "the most (16)",
    seconds = "how long it waits for keys, if the application leaves that to the reader (30)",
    start = "it also has the features START, FINISH, GET_KEY_PRESSED and ABORT",
    ["no-display"] = "it has no display",
  },
  pinpad = {
    min = number("min"),
    max = number("max"),
    timeout = number("seconds"),
    start = args.start ~= nil,
    lines = args["no-display"] and 0 or nil,
    characters = args["no-display"] and 0 or nil,
  },
}
