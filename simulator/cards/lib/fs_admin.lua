-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_admin: the commands that create and delete files and change their life cycle (ISO/IEC 7816-9); a part of
-- fs. Each function answers one command.
--
-- admin.create, admin.delete, admin.activate, admin.deactivate, admin.terminate_df, admin.terminate_ef

local access = require "fs_access"
local apdu = require "apdu"
local fcp = require "fs_fcp"
local file = require "fs_file"
local select = require "fs_select"

local sw, check = apdu.sw, apdu.check

local admin = {}

local function check_identifiers(files, f)
  if f.id then
    check(not file.child(files.df, f.id) and files.df.id ~= f.id, sw.FILE_EXISTS)
  end
  for other in file.each(files.mf) do
    check(not f.name or other.name ~= f.name, sw.NAME_EXISTS)
  end
end

local function check_room(files, f)
  local used = 0
  for other in file.each(files.mf) do used = used + file.used(other) end
  check(used + (f.size or 0) <= files.room, sw.NO_SPACE)    -- before the bytes are there
  check(used + file.used(file.new(f)) <= files.room, sw.NO_SPACE)
end

-- The card's own function sees the data objects first: access rules and kinds of files of its own.
local function complete(files, f, objects)
  if files.on_create then return files.on_create(f, objects) end
  check(f.structure ~= "own", sw.WRONG_DATA)
  local rules = f.objects[0x8C] or f.objects[0x86]
  if rules then f.access = check(access.parse(rules, file.is_df(f)), sw.WRONG_DATA) end
end

-- The new file is selected. In a DF that is still being created it is being created, too.
function admin.create(files, cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_P1P2)
  local f, objects = fcp.parse(cmd.data)
  local operation = file.is_df(f) and "create_df" or "create_ef"
  check(access.allows(files, files.df, operation), sw.NOT_SATISFIED)
  check(file.in_use(files.df), sw.CONDITIONS)
  check_identifiers(files, f)
  complete(files, f, objects)
  f.state = f.state or files.df.state
  check_room(files, f)
  file.put(files.df, f)
  select.make_current(files, f)
end

-- Without data it is the current file, otherwise the one that SELECT would find.
local function named(files, cmd)
  check(cmd.p2 & 0xF3 == 0, sw.WRONG_P1P2)
  if cmd.p1 == 0 and cmd.nc == 0 then return files.ef or files.df end
  return select.find(files, cmd.p1, cmd.data, 0)
end

function admin.delete(files, cmd)
  local f = named(files, cmd)
  local df = check(file.parent(f), sw.CONDITIONS)
  check(access.allows(files, f, "delete"), sw.NOT_SATISFIED)
  check(access.allows(files, df, "delete_child"), sw.NOT_SATISFIED)
  file.detach(f)
  select.make_current(files, df)
end

local function change_state(files, f, operation, state)
  check(file.parent(f) and f.state ~= "terminated", sw.CONDITIONS)
  check(access.allows(files, f, operation), sw.NOT_SATISFIED)
  f.state = state
end

function admin.activate(files, cmd)
  change_state(files, named(files, cmd), "activate", "active")
end

function admin.deactivate(files, cmd)
  change_state(files, named(files, cmd), "deactivate", "deactivated")
end

function admin.terminate_df(files, cmd)
  check(cmd.p1 ~= 0 or cmd.nc ~= 0 or not files.ef, sw.WRONG_STRUCTURE)
  local f = named(files, cmd)
  check(file.is_df(f), sw.WRONG_STRUCTURE)
  change_state(files, f, "terminate", "terminated")
end

function admin.terminate_ef(files, cmd)
  local f = named(files, cmd)
  check(not file.is_df(f), sw.WRONG_STRUCTURE)
  change_state(files, f, "terminate", "terminated")
end

return admin
