-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_record: the commands for EFs of records; a part of fs. Each function answers one command.
--
-- record.read, record.update, record.write, record.append, record.erase, record.search
--
-- Record 1 of a cyclic file is the newest one.

local apdu = require "apdu"
local file = require "fs_file"
local target = require "fs_target"

local sw, check = apdu.sw, apdu.check

local record = {}

local LAST, NEXT, PREVIOUS = 1, 2, 3        -- P2, bits 3 to 1; 0 is the first
local BY_NUMBER, TO_LAST, FROM_LAST = 4, 5, 6

local function file_of(files, cmd, operation)
  local sfi = cmd.p2 >> 3
  local f = sfi == 0 and target.current(files) or target.by_sfi(files, sfi)
  check(f.records, sw.WRONG_STRUCTURE)
  target.demand(files, f, operation)
  return f
end

-- P1 is an identifier, the first byte of a record, or 00 for any.
local function matches(f, number, identifier)
  return identifier == 0 or f.records[number]:byte() == identifier
end

local function by_identifier(files, f, cmd, way)
  local last, current = #f.records, files.record
  local from, to, step = 1, last, 1
  if way == NEXT then from = current + 1 end
  if way == LAST then from, to, step = last, 1, -1 end
  if way == PREVIOUS then from, to, step = (current == 0 and last + 1 or current) - 1, 1, -1 end
  for number = from, to, step do
    if matches(f, number, cmd.p1) then
      files.record = number
      return number
    end
  end
end

-- The number of the record that P1 and P2 name. 00 is the current one.
local function number_of(files, f, cmd)
  local way = cmd.p2 & 7
  check(way <= BY_NUMBER, sw.WRONG_P1P2)
  if way < BY_NUMBER then return check(by_identifier(files, f, cmd, way), sw.NO_RECORD) end
  local number = cmd.p1 == 0 and files.record or cmd.p1
  check(f.records[number], sw.NO_RECORD)
  return number
end

local function several(f, first, last, step)
  check(f.records[first] and f.records[last], sw.NO_RECORD)
  local list = {}
  for number = first, last, step do list[#list + 1] = f.records[number] end
  return table.concat(list)
end

function record.read(files, cmd)
  check(cmd.ne > 0, sw.WRONG_LENGTH)
  check(cmd.nc == 0, sw.WRONG_NC)
  local f = file_of(files, cmd, "read")
  local way, from = cmd.p2 & 7, cmd.p1 == 0 and files.record or cmd.p1
  if way == TO_LAST then return several(f, from, #f.records, 1) end
  if way == FROM_LAST then return several(f, #f.records, from, -1) end
  return f.records[number_of(files, f, cmd)]
end

local function check_length(f, data)
  if f.structure == "variable" then
    check(#data > 0 and #data <= f.record_size, sw.WRONG_LENGTH)
  else
    check(#data == f.record_size, sw.WRONG_LENGTH)
  end
end

-- Only records of variable length can grow.
local function check_room(files, f, more)
  if f.structure ~= "variable" or more <= 0 then return end
  local used = 0
  for other in file.each(files.mf) do used = used + file.used(other) end
  check(used + more <= files.room, sw.NO_SPACE)
end

-- In a cyclic file "previous" names the oldest record, which becomes the newest one.
local function turn(files, f, cmd)
  if f.structure ~= "cyclic" or cmd.p2 & 7 ~= PREVIOUS then return nil end
  check(cmd.p1 == 0, sw.WRONG_P1P2)
  check(#f.records > 0, sw.NO_RECORD)
  table.insert(f.records, 1, table.remove(f.records))
  files.record = 1
  return 1
end

function record.update(files, cmd)
  local f = file_of(files, cmd, "update")
  check_length(f, cmd.data)
  local number = turn(files, f, cmd) or number_of(files, f, cmd)
  check_room(files, f, #cmd.data - #f.records[number])
  f.records[number] = cmd.data
end

function record.write(files, cmd)
  local f = file_of(files, cmd, "write")
  local number = number_of(files, f, cmd)
  check(#cmd.data == #f.records[number], sw.WRONG_LENGTH)
  f.records[number] = target.combine(f, f.records[number], cmd.data)
end

function record.append(files, cmd)
  check(cmd.p1 == 0 and cmd.p2 & 7 == 0, sw.WRONG_P1P2)
  local f = file_of(files, cmd, "write")
  check_length(f, cmd.data)
  local is_full = #f.records >= f.max_records
  if f.structure == "cyclic" then
    table.insert(f.records, 1, cmd.data)
    if is_full then table.remove(f.records) end
    files.record = 1
    return
  end
  check(not is_full, sw.NO_SPACE)
  check_room(files, f, #cmd.data)
  f.records[#f.records + 1] = cmd.data
  files.record = #f.records
end

function record.erase(files, cmd)
  check(cmd.p2 & 7 == BY_NUMBER, sw.WRONG_P1P2)
  local f = file_of(files, cmd, "update")
  local number = number_of(files, f, cmd)
  f.records[number] = f.structure == "variable" and "" or ("\0"):rep(f.record_size)
end

-- Simple search, forward or backward from record P1: the numbers of the records that contain the data.
function record.search(files, cmd)
  local way = cmd.p2 & 7
  check(way == BY_NUMBER or way == TO_LAST, sw.NOT_SUPPORTED)
  check(cmd.nc > 0, sw.WRONG_LENGTH)
  local f = file_of(files, cmd, "read")
  local from = cmd.p1 == 0 and math.max(files.record, 1) or cmd.p1
  check(f.records[from], sw.NO_RECORD)
  local found = {}
  local to, step = way == BY_NUMBER and #f.records or 1, way == BY_NUMBER and 1 or -1
  for number = from, to, step do
    if f.records[number]:find(cmd.data, 1, true) then found[#found + 1] = number end
  end
  if #found == 0 then return "", sw.END_OF_FILE end
  files.record = found[1]
  return string.char(table.unpack(found))
end

return record
