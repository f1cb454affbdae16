-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_data: reading and changing the EFs of a SIM (ETSI TS 102 221, 11.1.3 to 11.1.8)
--
-- data.read_binary, data.update_binary, data.read_record, data.update_record, data.search, data.increase,
-- data.deactivate, data.activate
--     Each answers one command. If fewer or more bytes are asked for than there are, the answer is 6C XX.
--
-- They have the card as their first parameter: files.

local admin = require "fs_admin"
local apdu = require "apdu"
local binary = require "fs_binary"
local ef = require "usim_ef"
local record = require "fs_record"
local target = require "fs_target"

local sw, check = apdu.sw, apdu.check

local data = {}

local NEXT, PREVIOUS, ABSOLUTE = 2, 3, 4       -- in P2 of the commands for records
local ENHANCED = 6
local MOST_REACHED = 0x9850                    -- INCREASE cannot go on

-- Le of 00 asks for all, whatever its length is.
local function of_length(cmd, bytes)
  if cmd.ne ~= 256 and cmd.ne ~= #bytes then return "", 0x6C00 | #bytes end
  return bytes
end

function data.read_binary(card, cmd)
  local bytes, status = binary.read(card.files, cmd)
  if status == sw.END_OF_FILE then return "", 0x6C00 | #bytes end
  return bytes
end

function data.update_binary(card, cmd)
  binary.update(card.files, cmd)
  ef.share(card.files, card.files.ef)
end

local function check_mode(cmd)
  local way = cmd.p2 & 7
  check(way >= NEXT and way <= ABSOLUTE, sw.WRONG_P1P2)
  check(way == ABSOLUTE or cmd.p1 == 0, sw.WRONG_P1P2)
  return way
end

local function select_record_file(card, cmd)
  local sfi = cmd.p2 >> 3
  return sfi == 0 and target.current(card.files) or target.by_sfi(card.files, sfi)
end

-- After the last record of a cyclic file comes the first one, and before the first one the last.
local function turn(files, f, way)
  if f.structure ~= "cyclic" then return end
  if way == NEXT and files.record == #f.records then files.record = 0 end
  if way == PREVIOUS and files.record == 1 then files.record = 0 end
end

function data.read_record(card, cmd)
  local way = check_mode(cmd)
  turn(card.files, select_record_file(card, cmd), way)
  return of_length(cmd, record.read(card.files, cmd))
end

-- A record of a cyclic file can only be written over the oldest one.
function data.update_record(card, cmd)
  local way = check_mode(cmd)
  local f = select_record_file(card, cmd)
  check(f.structure ~= "cyclic" or way == PREVIOUS, sw.WRONG_P1P2)
  record.update(card.files, cmd)
  ef.share(card.files, f)
end

-- Where in a record an enhanced search begins: at an offset, or behind the first byte of this value.
local function beginning(text, indication, argument)
  if indication & 8 == 0 then return argument + 1 end
  local found = text:find(string.char(argument), 1, true)
  return found and found + 1
end

-- Forward from record P1, backward from it, forward from the next one, backward from the previous one.
local function range(card, f, indication, p1)
  local way, current, last = indication & 7, card.files.record, #f.records
  local from = p1 == 0 and math.max(current, 1) or p1
  if way == 4 then return from, last, 1 end
  if way == 5 then return from, 1, -1 end
  check(p1 == 0 and way >= 6, sw.WRONG_P1P2)
  if way == 6 then return current + 1, last, 1 end
  return current == 0 and last or current - 1, 1, -1
end

local function enhanced(card, cmd)
  check(cmd.nc >= 3, sw.WRONG_LENGTH)
  local f = select_record_file(card, cmd)
  check(f.records, sw.WRONG_STRUCTURE)
  target.demand(card.files, f, "read")
  local indication, argument, pattern = cmd.data:byte(1), cmd.data:byte(2), cmd.data:sub(3)
  local from, to, step = range(card, f, indication, cmd.p1)
  local found = {}
  for number = from, to, step do
    local text = check(f.records[number], sw.NO_RECORD)
    local start = beginning(text, indication, argument)
    if start and text:find(pattern, start, true) then found[#found + 1] = number end
  end
  if #found == 0 then return "", sw.END_OF_FILE end
  card.files.record = found[1]
  return string.char(table.unpack(found))
end

function data.search(card, cmd)
  if cmd.p2 & 7 == ENHANCED then return enhanced(card, cmd) end
  return record.search(card.files, cmd)
end

-- The sum becomes the newest record. It is returned with what was added.
function data.increase(card, cmd)
  check(cmd.p2 == 0 and (cmd.p1 == 0 or cmd.p1 & 0xE0 == 0x80), sw.WRONG_P1P2)
  local sfi, files = cmd.p1 & 0x1F, card.files
  local f = sfi == 0 and target.current(files) or target.by_sfi(files, sfi)
  check(f.structure == "cyclic", sw.WRONG_STRUCTURE)
  target.demand(files, f, "increase")
  local size = f.record_size
  check(cmd.nc > 0 and cmd.nc <= size, sw.WRONG_LENGTH)
  local sum = string.unpack(">I" .. size, f.records[1]) + string.unpack(">I" .. cmd.nc, cmd.data)
  check(sum < 1 << 8 * size, MOST_REACHED)
  table.insert(f.records, 1, (string.pack(">I" .. size, sum)))
  table.remove(f.records)
  files.record = 1
  ef.share(files, f)
  return f.records[1] .. cmd.data
end

local function change_state(change)
  return function(card, cmd)
    change(card.files, cmd)
    local f = card.files.ef
    if f then ef.share(card.files, f) end
  end
end

data.deactivate = change_state(admin.deactivate)
data.activate = change_state(admin.activate)

return data
