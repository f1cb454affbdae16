-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_gsm: the commands of class A0, by which a phone uses the card as a SIM (3GPP TS 51.011, 9)
--
-- gsm.commands(card)
--     A list of them. Data are fetched by GET RESPONSE, after 9F XX. Status words are those of 9.4.

local apdu = require "apdu"
local authenticate = require "usim_authenticate"
local data = require "usim_data"
local ef = require "usim_ef"
local file = require "fs_file"
local fs_select = require "fs_select"
local header = require "usim_header"
local pins = require "usim_pins"
local target = require "fs_target"

local sw, check = apdu.sw, apdu.check

local gsm = {}

-- What GSM says instead of the status words of TS 102 221.
local statuses = {
  [sw.NO_CURRENT_EF] = 0x9400,   -- no EF selected
  [sw.NO_RECORD]     = 0x9402,   -- out of range
  [sw.NOT_FOUND]     = 0x9404,   -- file not found
  [sw.END_OF_FILE]   = 0x9404,   -- pattern not found
  [sw.WRONG_STRUCTURE] = 0x9408, -- file inconsistent with the command
  [sw.NO_REFERENCE]  = 0x9802,   -- no CHV initialized
  [sw.NOT_SATISFIED] = 0x9804,   -- access condition not fulfilled
  [sw.WRONG_DATA]    = 0x9804,   -- unsuccessful CHV verification: the new value cannot be one
  [0x6984]           = 0x9808,   -- in contradiction with CHV status
  [sw.CONDITIONS]    = 0x9810,   -- in contradiction with invalidation status
  [sw.BLOCKED]       = 0x9840,   -- CHV blocked
  [0x63C0]           = 0x9840,
  [sw.NO_SPACE]      = 0x6700,
  [sw.WRONG_P1P2]    = 0x6B00,
}

local function translate(status)
  if statuses[status] then return statuses[status] end
  if status & 0xFFF0 == 0x63C0 then return 0x9804 end
  if status & 0xFF00 == 0x6C00 then return 0x6700 | status & 0xFF end
  return status
end

-- If the command has data, those of the answer wait for GET RESPONSE.
local function translated(card, answer)
  local run = apdu.command(function(cmd) return answer(card, cmd) end)
  return function(cmd)
    local bytes, status = run(cmd)
    if bytes == "" or cmd.nc == 0 then return bytes, translate(status) end
    card.session.response = bytes
    return "", 0x9F00 | #bytes
  end
end

local function exactly(p1, p2, answer)
  return function(card, cmd)
    check(cmd.p1 == p1 and cmd.p2 == p2, sw.WRONG_PARAMETERS)
    return answer(card, cmd)
  end
end

-- What is asked for has to be there.
local function first_bytes(cmd, bytes)
  if cmd.ne > #bytes then return "", 0x6700 | #bytes end
  return bytes:sub(1, cmd.ne)
end

local function get_response(card, cmd)
  return first_bytes(cmd, check(card.session.response, sw.WRONG_LENGTH))
end

-- The directory of the USIM is not there for GSM.
local function select(card, cmd)
  check(cmd.nc == 2, sw.WRONG_LENGTH)
  local f = fs_select.find(card.files, 0x00, cmd.data, 0)
  local df = f
  while df do
    check(df ~= card.adf, sw.NOT_FOUND)
    df = file.parent(df)
  end
  card.files:select(f)
  return header.build(card, f)
end

local function status(card, cmd)
  return first_bytes(cmd, header.build(card, card.files.df))
end

local function read_binary(card, cmd)
  check(cmd.p1 & 0x80 == 0, sw.WRONG_PARAMETERS)
  local bytes, code = data.read_binary(card, cmd)
  if bytes ~= "" then return first_bytes(cmd, bytes) end
  return bytes, code
end

local function update_binary(card, cmd)
  check(cmd.p1 & 0x80 == 0, sw.WRONG_PARAMETERS)
  return data.update_binary(card, cmd)
end

local function read_record(card, cmd)
  check(cmd.p2 & 0xF8 == 0, sw.WRONG_PARAMETERS)
  local bytes, code = data.read_record(card, cmd)
  if bytes ~= "" then return first_bytes(cmd, bytes) end
  return bytes, code
end

local function update_record(card, cmd)
  check(cmd.p2 & 0xF8 == 0, sw.WRONG_PARAMETERS)
  return data.update_record(card, cmd)
end

-- From the beginning forward, from the end backward, from the next record forward, from the previous one
-- backward.
local function seek_range(current, last, mode)
  if mode == 0 then return 1, last, 1 end
  if mode == 1 then return last, 1, -1 end
  if mode == 2 then return current + 1, last, 1 end
  return current == 0 and last or current - 1, 1, -1
end

-- Finds the record that begins with the data. Type 2 returns its number.
local function seek(card, cmd)
  local kind, mode, files = cmd.p2 >> 4, cmd.p2 & 0x0F, card.files
  check(cmd.p1 == 0 and kind <= 1 and mode <= 3, sw.WRONG_PARAMETERS)
  local f = target.current(files)
  check(f.structure == "fixed", sw.WRONG_STRUCTURE)
  target.demand(files, f, "read")
  check(cmd.nc > 0 and cmd.nc <= math.min(f.record_size, 16), sw.WRONG_LENGTH)
  local from, to, step = seek_range(files.record, #f.records, mode)
  for number = from, to, step do
    if f.records[number]:sub(1, cmd.nc) == cmd.data then
      files.record = number
      return kind == 1 and string.char(number) or ""
    end
  end
  return "", sw.END_OF_FILE
end

local function increase(card, cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_PARAMETERS)
  check(cmd.nc == 3, sw.WRONG_LENGTH)
  return data.increase(card, cmd)
end

local references = { [1] = ef.PIN1, [2] = ef.PIN2, [ef.ADM] = ef.ADM }
local unblocked = { [0] = ef.PIN1, [2] = ef.PIN2 }    -- UNBLOCK CHV names CHV1 by 00

local function chv(change, names)
  return function(card, cmd)
    check(cmd.p1 == 0, sw.WRONG_PARAMETERS)
    return "", change(card, check(names[cmd.p2], sw.NO_REFERENCE), cmd.data)
  end
end

local function nothing() end

local answers = {
  { "A0 A4", exactly(0, 0, select) },
  { "A0 C0", exactly(0, 0, get_response) },
  { "A0 F2", exactly(0, 0, status) },
  { "A0 B0", read_binary },
  { "A0 D6", update_binary },
  { "A0 B2", read_record },
  { "A0 DC", update_record },
  { "A0 A2", seek },
  { "A0 32", increase },
  { "A0 20", chv(pins.verify, references) },
  { "A0 24", chv(pins.change, references) },
  { "A0 26", chv(pins.disable, references) },
  { "A0 28", chv(pins.enable, references) },
  { "A0 2C", chv(pins.unblock, unblocked) },
  { "A0 04", exactly(0, 0, data.deactivate) },
  { "A0 44", exactly(0, 0, data.activate) },
  { "A0 88", authenticate.gsm },
  { "A0 FA", exactly(0, 0, nothing) },                -- SLEEP
}

function gsm.commands(card)
  local list = {}
  for i, entry in ipairs(answers) do list[i] = { entry[1], translated(card, entry[2]) } end
  list[#list + 1] = { "A0", "6D 00" }
  return list
end

return gsm
