-- SPDX-License-Identifier: BSD-3-Clause
--
-- apdu: status words, and commands that end with one
--
--   local apdu = require "apdu"
--   local sw, check = apdu.sw, apdu.check
--
--   local function read(cmd)
--     check(PIN.verified, sw.NOT_SATISFIED)
--     return "the secret"                       -- 90 00 is the default
--   end
--
--   return { atr = "3B 00", commands = apdu.commands { { "00 B0", read } } }
--
-- apdu.sw
--     The status words of ISO/IEC 7816-4 by name, such as apdu.sw.WRONG_DATA, 0x6A80.
--
-- apdu.check(condition, status)
--     Returns condition. If it is false or nil, the command ends with this status word and no data, however
--     deep in calls.
--
-- apdu.command(answer)
--     A function as the card's table takes it. It calls answer(cmd), which returns data and a status word. No
--     data and 90 00 are the defaults.
--
-- apdu.commands(list, before)
--     The list, a card's commands, with each function in it passed through apdu.command(). If before is
--     given, before(cmd) is called first, and can end the command by apdu.check().

local apdu = {}

apdu.sw = {
  OK                 = 0x9000,
  END_OF_FILE        = 0x6282, -- end of file or record reached, or nothing found
  DEACTIVATED        = 0x6283, -- the selected file is deactivated
  TERMINATED         = 0x6285, -- the selected file is terminated
  WRONG_LENGTH       = 0x6700,
  NO_SECURE_MESSAGES = 0x6882, -- secure messaging is not supported
  WRONG_STRUCTURE    = 0x6981, -- the command is not for files of this structure
  NOT_SATISFIED      = 0x6982, -- security status not satisfied
  BLOCKED            = 0x6983, -- authentication method blocked
  CONDITIONS         = 0x6985, -- conditions of use not satisfied
  NO_CURRENT_EF      = 0x6986,
  WRONG_DATA         = 0x6A80,
  NOT_SUPPORTED      = 0x6A81, -- function not supported
  NOT_FOUND          = 0x6A82, -- file or application not found
  NO_RECORD          = 0x6A83, -- record not found
  NO_SPACE           = 0x6A84,
  WRONG_P1P2         = 0x6A86,
  WRONG_NC           = 0x6A87, -- the number of data bytes does not go with P1 and P2
  NO_REFERENCE       = 0x6A88, -- referenced data or reference data not found
  FILE_EXISTS        = 0x6A89,
  NAME_EXISTS        = 0x6A8A,
  WRONG_PARAMETERS   = 0x6B00, -- P1 or P2, such as an offset outside of the file
  WRONG_INS          = 0x6D00,
  WRONG_CLA          = 0x6E00,
}

-- An error that is a status word, to tell it from errors in the script.
local Refusal = {}

function apdu.check(condition, status)
  if not condition then error(setmetatable({ status = status }, Refusal), 0) end
  return condition
end

function apdu.command(answer)
  return function(cmd)
    local done, data, status = pcall(answer, cmd)
    if done then return data or "", status or apdu.sw.OK end
    if getmetatable(data) == Refusal then return "", data.status end
    error(data, 0)
  end
end

function apdu.commands(list, before)
  local wrapped = {}
  for i, entry in ipairs(list) do
    local pattern, answer = entry[1], entry[2]
    if type(answer) == "function" then
      local inner = answer
      answer = apdu.command(function(cmd)
        if before then before(cmd) end
        return inner(cmd)
      end)
    end
    wrapped[i] = { pattern, answer }
  end
  return wrapped
end

return apdu
