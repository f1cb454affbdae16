-- SPDX-License-Identifier: BSD-3-Clause
--
-- pkcs15_admin: how the card pkcs15 is made ready, and what it says about itself
--
-- admin.new_files()
--     The files of a new card: the MF, and in it the DF of PKCS #15. Nothing is protected.
--
-- admin.on_create(f, objects)
--     For fs.new(): access rules in tag 86, and key files.
--
-- admin.put, admin.get
--     PUT DATA and GET DATA.
--
-- admin.activate, admin.forget
--     ACTIVATE APPLET, which ends the state "creation", and the command after which PINs are not verified.
--
-- admin.remove_session_objects(card)
--     What a reset does with session objects.

local apdu = require "apdu"
local file = require "fs_file"
local keys = require "pkcs15_keys"
local pins = require "pins"

local sw, check = apdu.sw, apdu.check

local admin = {}

admin.AID = hex "A0 00 00 00 63 50 4B 43 53 2D 31 35"

local APPLICATION = 0x5015
local VERSION = "\4\5\5"                      -- of MyEID: RSA up to 4096 bits, P-521, AES, chained commands
local MOST_PINS = 14
local FREE = hex "00 0F FF"                   -- access rules of a DF that protects nothing

-- What the access rules of each kind of file are for, a half byte each.
local operations = {
  df = { "create_df", "create_ef", "delete" },
  ef = { "read", "update", "delete" },
  key = { "use", "update", "delete", "generate" },
}

local function condition(half)
  if half == 0x0 then return "always" end
  if half == 0xF then return "never" end
  return half
end

local function rules(value, kind)
  local access = {}
  for i, operation in ipairs(operations[kind]) do
    local byte = value:byte((i + 1) // 2)
    access[operation] = condition(i % 2 == 1 and byte >> 4 or byte & 0x0F)
  end
  if kind == "df" then access.delete_child = "always" end
  return access
end

local function set_rules(f, value)
  f.access = rules(value, f.files and "df" or f.structure == "own" and "key" or "ef")
  f.objects[0x86] = value
end

function admin.on_create(f, objects)
  check(f.structure == "transparent" or f.files or keys.kind(f), sw.WRONG_DATA)
  local value = check(objects[0x86], sw.WRONG_DATA)
  check(#value == 3, sw.WRONG_DATA)
  set_rules(f, value)
  if objects[0x85] then
    check(#objects[0x85] == 2, sw.WRONG_DATA)
    f.objects[0x85] = objects[0x85]
  end
end

function admin.new_files()
  local mf = { objects = {}, state = "creation" }
  mf.files = { { id = APPLICATION, name = admin.AID, files = {}, objects = {}, state = "creation" } }
  set_rules(mf, FREE)
  set_rules(mf.files[1], FREE)
  return mf
end

-- INITIALISE APPLET: the card is as new. The data is two bytes of size, and the access rules of the MF and the
-- DF.
local function initialise(card, data)
  local files = card.files
  check(#data == 8, sw.WRONG_LENGTH)
  check(files:allows(files.mf, "delete"), sw.NOT_SATISFIED)
  for i = #files.mf.files, 1, -1 do files:remove(files.mf.files[i]) end
  for reference in pairs(files.pins) do files.pins[reference] = nil end
  files.mf.state = "creation"
  set_rules(files.mf, data:sub(3, 5))
  set_rules(files:add(files.mf, admin.new_files().files[1]), data:sub(6, 8))
  files:select(files.mf)
end

-- The data is PIN and PUK, eight bytes each, and how many tries there are for them.
local function put_pin(card, reference, data)
  local files = card.files
  check(#data >= 18, sw.WRONG_LENGTH)
  check(files.mf.state == "creation" or not files.pins[reference], sw.NOT_SATISFIED)
  check(files:allows(files.mf, "create_ef"), sw.NOT_SATISFIED)
  local tries, code_tries = data:byte(17, 18)
  check(tries >= 1 and tries <= 15 and code_tries <= 15, sw.WRONG_DATA)
  local PUK = pins.new { value = data:sub(9, 16), tries = code_tries }
  files.pins[reference] = pins.new { value = data:sub(1, 8), tries = tries, unblocked_by = PUK }
end

function admin.put(card, cmd)
  check(cmd.p1 == 0x01, sw.WRONG_P1P2)
  if cmd.p2 == 0xE0 then return initialise(card, cmd.data) end
  if cmd.p2 >= 1 and cmd.p2 <= MOST_PINS then return put_pin(card, cmd.p2, cmd.data) end
  local f = check(card.files.ef, sw.NO_CURRENT_EF)
  check(card.files:allows(f, "update"), sw.NOT_SATISFIED)
  keys.put(f, cmd.p2, cmd.data)
end

local function information(card)
  return admin.AID:sub(1, 5) .. VERSION .. card.serial .. string.pack(">I2", card.kept.changes & 0xFFFF)
end

local function identifiers(card)
  local list = {}
  for i, f in ipairs(card.files.df.files) do list[i] = string.pack(">I2", f.id) end
  return table.concat(list)
end

-- A version, the algorithms (RSA, 3DES, AES, EC), and the most bits of the keys of each
local function capabilities()
  return string.pack(">BI2I2I2I2I2", 1, 0x000F, 4096, 192, 256, 521)
end

local answers = { [0xA0] = information, [0xA1] = identifiers, [0xAA] = capabilities }

function admin.get(card, cmd)
  check(cmd.p1 == 0x01, sw.NO_REFERENCE)
  if answers[cmd.p2] then return answers[cmd.p2](card) end
  return keys.public(check(card.files.ef, sw.NO_CURRENT_EF), cmd.p2)
end

function admin.activate(card, cmd)
  check(cmd.data == admin.AID, sw.NOT_FOUND)
  for f in card.files:each() do
    if f.state == "creation" then f.state = "active" end
  end
end

-- P2 is the reference of a PIN, or 00 for all.
function admin.forget(card, cmd)
  check(cmd.p1 == 0, sw.WRONG_P1P2)
  check(cmd.p2 == 0 or card.files.pins[cmd.p2], sw.NO_REFERENCE)
  for reference, object in pairs(card.files.pins) do
    if cmd.p2 == 0 or cmd.p2 == reference then object:forget() end
  end
end

function admin.remove_session_objects(card)
  local list = {}
  for f in card.files:each() do
    local value = f.objects[0x85]
    if value and value:byte(2) & 0x01 ~= 0 then list[#list + 1] = f end
  end
  for _, f in ipairs(list) do card.files:remove(f) end
end

return admin
