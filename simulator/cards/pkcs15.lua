-- SPDX-License-Identifier: BSD-3-Clause
-- A card that pkcs15-init initializes: files, keys and PINs, with the commands of MyEID cards
--
-- OpenSC supports these cards fully. Its driver takes this one for OsEID, the MyEID card made of software. What
-- is on the card is kept. To begin, erase and create: pkcs15-init -E, then pkcs15-init -C, -P and -F.

local admin = require "pkcs15_admin"
local apdu = require "apdu"
local expect = require("arguments").expect
local file_admin = require "fs_admin"
local fs = require "fs"
local keys = require "pkcs15_keys"
local security = require "pkcs15_security"

local sw, check = apdu.sw, apdu.check

local MOST_CHAINED = 1024

local function serial(text)
  expect(#text >= 1 and #text <= 10, "serial", "1 to 10 characters")
  return ("0"):rep(10 - #text) .. text
end

persistent.changes = persistent.changes or 0

local mf = admin.new_files()
local card = {
  serial = serial(args.serial or "1"),
  kept = persistent,
  files = fs.new {
    files = mf.files, access = mf.access, objects = mf.objects, state = mf.state,
    pins = {},
    on_create = admin.on_create,
    keep = persistent,
  },
}

local changing = { [0xD6] = true, [0xDA] = true, [0xE0] = true, [0xE4] = true, [0x46] = true }

-- The host sees by the number of changes whether what it remembers is still true.
local function before(cmd)
  if changing[cmd.ins] then persistent.changes = persistent.changes + 1 end
end

local function of_card(answer)
  return function(cmd) return answer(card, cmd) end
end

-- The data of chained commands is put together here, and not by chaining = true, because AES answers each of
-- them. A chain ends when another command comes.
local function chained(cmd)
  local chain = card.chain
  local head = cmd.raw:sub(2, 4)
  if not chain or chain.head ~= head then chain = { head = head, data = "" } end
  check(#chain.data + cmd.nc <= MOST_CHAINED, sw.WRONG_LENGTH)
  chain.data = chain.data .. cmd.data
  card.chain = chain
end

local function joined(answer)
  return function(cmd)
    local chain = card.chain
    card.chain = nil
    if chain and chain.head == cmd.raw:sub(2, 4) then
      cmd.data = chain.data .. cmd.data
      cmd.nc = #cmd.data
    end
    return answer(card, cmd)
  end
end

local function generate(cmd)
  local f = check(card.files.ef, sw.NO_CURRENT_EF)
  check(card.files:allows(f, "generate"), sw.NOT_SATISFIED)
  keys.generate(f, cmd.data)
end

return {
  name = "pkcs15",
  arguments = { serial = "the serial number, up to 10 characters (1)" },

  -- T=0 and T=1, with blocks of 254 bytes; "OsEID"
  atr = "3B 85 80 11 FE 4F 73 45 49 44 9E",

  on_power = function()
    card.env, card.chain = nil, nil
    admin.remove_session_objects(card)
    card.files:reset()
  end,

  commands = card.files:commands({
    { "00 44 04 00", of_card(admin.activate) },
    { "00 2E", of_card(admin.forget) },
    { "00 CA", of_card(admin.get) },
    { "00 DA", joined(admin.put) },
    { "00 46 00 00", generate },
    { "00 22", of_card(security.manage) },
    { "00 2A 9E 9A", joined(security.sign) },
    { "00 2A 80 86", joined(security.decipher) },
    { "00 2A 00 86", joined(security.unwrap) },
    { "00 2A 00 84", of_card(security.unwrap_by_secret) },
    { "00 2A 84 00", of_card(security.wrap) },
    { "00 2A 84 80", of_card(security.encrypt) },  { "10 2A 84 80", of_card(security.encrypt) },
    { "00 2A 80 84", of_card(security.decrypt) },  { "10 2A 80 84", of_card(security.decrypt) },
    { "00 86", of_card(security.agree) },
    { "00 84 00 00", function(cmd) return random(cmd.ne) end },
    { "10", chained },
    { "A0 E4", function(cmd) return file_admin.delete(card.files, cmd) end },
  }, before),
}
