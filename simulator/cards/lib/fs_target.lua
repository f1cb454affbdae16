-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_target: the EF that a command reads or writes; a part of fs
--
-- target.current(files)
--     The current EF. It ends the command if there is none.
--
-- target.by_sfi(files, sfi), target.by_identifier(files, id)
--     This EF in the current DF, which becomes the current EF.
--
-- target.demand(files, f, operation)
--     Ends the command unless the operation is allowed, and the file is in use.
--
-- target.combine(f, old, new)
--     What WRITE makes of old and new bytes: or, and, or new bytes where there are only FF (once).

local access = require "fs_access"
local apdu = require "apdu"
local file = require "fs_file"

local sw, check = apdu.sw, apdu.check

local target = {}

function target.current(files)
  return check(files.ef, sw.NO_CURRENT_EF)
end

local function make_current(files, f)
  check(f and not file.is_df(f), sw.NOT_FOUND)
  if files.ef ~= f then files.ef, files.record = f, 0 end
  return f
end

function target.by_sfi(files, sfi)
  return make_current(files, file.by_sfi(files.df, sfi))
end

function target.by_identifier(files, id)
  return make_current(files, file.child(files.df, id))
end

function target.demand(files, f, operation)
  check(access.allows(files, f, operation), sw.NOT_SATISFIED)
  check(file.in_use(f), sw.CONDITIONS)
end

function target.combine(f, old, new)
  if f.write == "once" then
    check(not old:find "[^\xFF]", sw.CONDITIONS)
    return new
  end
  local bytes = {}
  for i = 1, #new do
    local a, b = old:byte(i), new:byte(i)
    bytes[i] = string.char(f.write == "and" and a & b or a | b)
  end
  return table.concat(bytes)
end

return target
