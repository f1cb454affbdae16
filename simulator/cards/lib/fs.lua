-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs: files as in ISO/IEC 7816-4 and 7816-9, and the commands for them
--
--   local fs = require "fs"
--   local pins = require "pins"
--
--   local PIN = pins.new { value = "1234" }
--   local files = fs.new {
--     pins = { [1] = PIN },
--     files = {
--       { id = 0x2F00, data = "for everybody", access = { read = "always" } },
--       { id = 0x5000, name = hex "F0 6D 69 6E 65", files = {
--         { id = 0x5001, data = "secret", access = { read = PIN, update = PIN } },
--         { id = 0x5002, structure = "cyclic", record_size = 8, max_records = 10, access = { read = PIN } },
--       } },
--     },
--   }
--
--   return {
--     atr = "3B 00",
--     on_power = function() files:reset() end,
--     commands = files:commands(),
--   }
--
-- Files
--
-- A file is a table with these fields, which a script may read and change at any time:
--     id           an integer, the file identifier. The MF is 3F00.
--     access       who may do what; see below
--     state        "creation", "initialisation", "active" (unless given), "deactivated" or "terminated"
--     objects      a table from tags to values: other data objects in its file control parameters
-- of a DF:
--     files        a list of the files in it
--     name         the DF name, such as an AID: up to 16 bytes
-- of an EF:
--     sfi          the short identifier, 1 to 30, or false for none; the five low bits of id if it is not
--                  given
--     structure    "transparent", "fixed", "variable" or "cyclic"
--     write        what WRITE BINARY and WRITE RECORD do: "or", "and" or "once" (or)
-- of a transparent EF:
--     data         the bytes in it
--     size         if data is not given: the number of zeros in it
-- of another EF:
--     records      a list of strings. The first one of a cyclic file is the newest.
--     record_size  the length of each record; of the longest one if the structure is variable (255)
--     max_records  how many records there can be (254)
--
-- Access
--
-- access is one condition for all operations, or a table from operations to conditions, in which default is
-- that for those that are not named ("never"). If there is none, everything is allowed to everybody.
--     of an EF:  read, update, write (also APPEND RECORD), delete, activate, deactivate, terminate
--     of a DF:   create_ef, create_df, delete_child, delete, activate, deactivate, terminate
-- A condition is "always", "never", a PIN that must be verified, the reference of one of the pins, or a
-- function. It is called with the file and the operation, and returns whether it is allowed.
--
-- As long as the state of a file is "creation" or "initialisation", everything is allowed.
--
-- Functions
--
-- fs.new(fields)
--     The files of a card. The fields are those of the MF, and:
--     pins         a table from references, as in P2 of VERIFY, to PINs (see pin)
--     keep         a table in which files and PINs are kept, such as persistent. If they are there already,
--                  they are used, and the other fields of the MF are not. Conditions must then be plain: no
--                  functions, and references of PINs instead of the PINs.
--     room         how many bytes there are for files (262144). CREATE FILE and APPEND RECORD answer 6A 84 if
--                  a file does not fit. Each file takes 64 bytes in addition to its content.
--     on_create    a function that CREATE FILE calls with a new file and a table of the data objects of the
--                  command, before it is added. It can set the fields of the file, and refuse it by
--                  apdu.check(). It has to set access, which otherwise comes from tag 8C or 86. With it,
--                  files of a kind of the card's own can be created: bits 6 to 4 of the file descriptor are
--                  010 to 110. Their structure is "own", descriptor is the value of tag 82, and size a
--                  number.
--
-- files:commands(list, before)
--     A card's commands: those of list, as apdu.commands() takes them with before, and then those of the
--     files. With pins the latter have VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER. To leave a
--     command out, put its refusal into list, such as { "00 E0", "6D 00" }.
--
-- files:reset()
--     What a reset does: the MF is selected, and no PIN is verified.
--
-- files:parent(file)
--     The DF that it is in; nil for the MF.
--
-- files:find(id, ...)
--     The file at the end of this path from the MF; nil if there is none.
--
-- files:each()
--     An iterator over all files.
--
-- files:add(df, file)
--     Adds a file with all that are in it to a DF. Returns it.
--
-- files:remove(file)
--     Takes a file away.
--
-- files:current()
--     The file that is selected: the current EF, or the current DF if there is none. They are also in
--     files.ef and files.df, and the MF is files.mf.
--
-- files:select(file)
--     Selects it.
--
-- files:allows(file, operation)
--     Whether the operation is allowed now. Operations of a card's own can be named in access, too.
--
-- Commands
--
--     SELECT          P1 00 to 04, 08 and 09; P2 00 (FCI), 04 (FCP) and 0C (nothing). With a DF name (P1 04)
--                     its beginning is enough, and P2 chooses the first, last, next or previous one.
--     READ, UPDATE, WRITE and ERASE BINARY
--                     with the short identifier or the offset in P1 and P2, or, with an odd INS, in data
--                     objects
--     READ, UPDATE, WRITE, APPEND and ERASE RECORD
--                     by number or identifier, and the next, the previous or several records
--     SEARCH RECORD   simple search
--     CREATE FILE     with tags 80 to 84, 88, 8A, 8C or 86 (compact access rules), A5
--     DELETE FILE, ACTIVATE FILE, DEACTIVATE FILE, TERMINATE EF, TERMINATE DF
--                     for the current file, or for one that is named as in SELECT
--
-- In compact access rules a condition with user authentication is the PIN whose reference is its low four
-- bits, or 1 if they are zero; in P2 of VERIFY bit 8 may be set in addition. Other conditions are never
-- satisfied.

local access = require "fs_access"
local admin = require "fs_admin"
local apdu = require "apdu"
local binary = require "fs_binary"
local file = require "fs_file"
local pins = require "pins"
local pin_command = require "fs_pin"
local record = require "fs_record"
local select = require "fs_select"

local ROOM = 262144

local Files = {}
Files.__index = Files

local pin_commands = {
  { "00 20", pin_command.verify },
  { "00 24", pin_command.change },
  { "00 2C", pin_command.unblock },
}

local file_commands = {
  { "00 A4", select.answer },
  { "00 B0", binary.read },    { "00 B1", binary.read },
  { "00 D6", binary.update },  { "00 D7", binary.update },
  { "00 D0", binary.write },   { "00 D1", binary.write },
  { "00 0E", binary.erase },   { "00 0F", binary.erase },
  { "00 B2", record.read },
  { "00 DC", record.update },
  { "00 D2", record.write },
  { "00 E2", record.append },
  { "00 0C", record.erase },
  { "00 A2", record.search },
  { "00 E0", admin.create },
  { "00 E4", admin.delete },
  { "00 44", admin.activate },
  { "00 04", admin.deactivate },
  { "00 E6", admin.terminate_df },
  { "00 E8", admin.terminate_ef },
}

local function append(self, list, commands)
  for _, command in ipairs(commands) do
    local pattern, answer = command[1], command[2]
    list[#list + 1] = { pattern, function(cmd) return answer(self, cmd) end }
  end
end

local function plain(object)
  local kept, code = object.kept, object.unblocked_by
  return { value = kept.value, tries = kept.tries, left = kept.left, code = code and plain(code) }
end

local function store_pins(self)
  local stored = {}
  for reference, object in pairs(self.pins) do stored[reference] = plain(object) end
  self.keep.pins = stored
end

-- The files in keep are the ones that are used. Only PINs have to be stored.
local function keep_after(self, commands)
  for _, command in ipairs(commands) do
    local answer = command[2]
    if type(answer) == "function" then
      command[2] = function(cmd)
        local data, status = answer(cmd)
        store_pins(self)
        return data, status
      end
    end
  end
  return commands
end

function Files:commands(list, before)
  local all = table.move(list or {}, 1, #(list or {}), 1, {})
  if self.has_pins then append(self, all, pin_commands) end
  append(self, all, file_commands)
  local commands = apdu.commands(all, before)
  return self.keep and keep_after(self, commands) or commands
end

function Files:reset()
  self:select(self.mf)
  for _, reference in pairs(self.pins) do reference:forget() end
end

function Files:parent(f)
  return file.parent(f)
end

function Files:find(...)
  local f = self.mf
  for _, id in ipairs { ... } do
    f = f and file.is_df(f) and file.child(f, id)
  end
  return f or nil
end

function Files:each()
  return file.each(self.mf)
end

function Files:add(df, f)
  file.put(df, file.new(f))
  return f
end

function Files:remove(f)
  file.detach(f)
  if not self:contains(self:current()) then self:select(self.mf) end
end

function Files:contains(f)
  while f ~= self.mf and f do f = file.parent(f) end
  return f ~= nil
end

function Files:current()
  return self.ef or self.df
end

function Files:select(f)
  select.make_current(self, f)
end

function Files:allows(f, operation)
  return access.allows(self, f, operation)
end

local function new_mf(fields)
  return {
    id = 0x3F00, name = fields.name, files = fields.files or {}, access = fields.access, state = fields.state,
    objects = fields.objects,
  }
end

-- A PIN that the card has got by a command is not among those of the script.
local function restored(object, stored)
  object = object or pins.new {}
  object.kept = { value = stored.value, tries = stored.tries, left = stored.left }
  object.unblocked_by = stored.code and restored(object.unblocked_by, stored.code)
  return object
end

local function load_kept(self)
  for reference, stored in pairs(self.keep.pins or {}) do
    self.pins[reference] = restored(self.pins[reference], stored)
  end
  self.keep.mf = self.mf
end

local fs = {}

function fs.new(fields)
  local self = setmetatable({}, Files)
  self.pins, self.has_pins = fields.pins or {}, fields.pins ~= nil
  self.room, self.on_create = fields.room or ROOM, fields.on_create
  self.keep = fields.keep
  self.mf = file.new(self.keep and self.keep.mf or new_mf(fields))
  if self.keep then load_kept(self) end
  self:select(self.mf)
  return self
end

return fs
