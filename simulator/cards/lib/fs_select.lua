-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_select: SELECT, and how commands name a file; a part of fs
--
-- select.find(files, p1, data, occurrence)
--     The file that P1 and the data of SELECT name. The occurrence is that of P2: 0 first, 1 last, 2 next,
--     3 previous. It ends the command if there is no such file.
--
-- select.answer(files, cmd)
--     Answers SELECT.
--
-- select.make_current(files, f)
--     What SELECT changes: the current DF and the current EF.

local apdu = require "apdu"
local fcp = require "fs_fcp"
local file = require "fs_file"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local select = {}

local MF = 0x3F00

local function identifier(data)
  check(#data == 2, sw.WRONG_NC)
  return string.unpack(">I2", data)
end

-- ISO/IEC 7816-4: an identifier alone names the MF, a file in the current DF, the current DF, its parent or a
-- file next to it.
local function by_identifier(files, data)
  if data == "" then return files.mf end
  local id, df = identifier(data), files.df
  if id == MF then return files.mf end
  local found = file.child(df, id)
  if found or df.id == id then return found or df end
  local above = file.parent(df)
  if not above then return nil end
  return above.id == id and above or file.child(above, id)
end

local function child_df(files, data)
  local found = file.child(files.df, identifier(data))
  return found and file.is_df(found) and found
end

local function child_ef(files, data)
  local found = file.child(files.df, identifier(data))
  return found and not file.is_df(found) and found
end

local function parent(files, data)
  check(data == "", sw.WRONG_NC)
  return file.parent(files.df)
end

local function walk(from, path)
  check(#path >= 2 and #path % 2 == 0, sw.WRONG_NC)
  local f = from
  for position = 1, #path, 2 do
    if not file.is_df(f) then return nil end
    f = file.child(f, (string.unpack(">I2", path, position)))
    if not f then return nil end
  end
  return f
end

-- All DFs whose name begins so, in the order of the tree.
local function with_name(files, beginning)
  local list = {}
  for f in file.each(files.mf) do
    if f.name and f.name:sub(1, #beginning) == beginning then list[#list + 1] = f end
  end
  return list
end

local function position_in(list, f)
  for i, candidate in ipairs(list) do
    if candidate == f then return i end
  end
end

-- The next and the previous one count from the current DF, if it is among them.
local function by_name(files, data, occurrence)
  check(#data <= 16, sw.WRONG_NC)
  local list = with_name(files, data)
  local at = position_in(list, files.df)
  if occurrence == 0 then return list[1] end
  if occurrence == 1 then return list[#list] end
  if occurrence == 2 then return list[(at or 0) + 1] end
  return list[(at or #list + 1) - 1]
end

local ways = {
  [0x00] = by_identifier,
  [0x01] = child_df,
  [0x02] = child_ef,
  [0x03] = parent,
  [0x04] = by_name,
  [0x08] = function(files, data) return walk(files.mf, data) end,
  [0x09] = function(files, data) return walk(files.df, data) end,
}

function select.find(files, p1, data, occurrence)
  local find = check(ways[p1], sw.WRONG_P1P2)
  check(occurrence == 0 or p1 == 0x04, sw.WRONG_P1P2)
  return check(find(files, data, occurrence), sw.NOT_FOUND)
end

function select.make_current(files, f)
  local is_df = file.is_df(f)
  files.df, files.ef = is_df and f or file.parent(f), not is_df and f or nil
  files.record = 0
end

local NO_DATA = false
local templates = { [0x00] = 0x6F, [0x04] = 0x62, [0x0C] = NO_DATA }   -- by P2: FCI, FCP, neither

local statuses = { deactivated = sw.DEACTIVATED, terminated = sw.TERMINATED }

function select.answer(files, cmd)
  local template = templates[cmd.p2 & 0x0C]
  check(template ~= nil and cmd.p2 & 0xF0 == 0, sw.WRONG_P1P2)
  local f = select.find(files, cmd.p1, cmd.data, cmd.p2 & 3)
  select.make_current(files, f)
  local answers = template and cmd.ne > 0
  return answers and tlv.build(template, fcp.build(files, f)) or "", statuses[f.state] or sw.OK
end

return select
