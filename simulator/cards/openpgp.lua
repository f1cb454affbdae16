-- SPDX-License-Identifier: BSD-3-Clause
-- An OpenPGP card (version 3.4), for GnuPG, OpenSC and others
--
-- A new card has no keys, PIN 123456 and admin PIN 12345678. What it generates comes from the rig's seed. Use
-- it for tests only: everybody can know these keys.

local apdu = require "apdu"
local factory = require "openpgp_factory"
local keys = require "openpgp_keys"
local objects = require "openpgp_objects"
local operations = require "openpgp_operations"
local options = require "openpgp_options"
local passwords = require "openpgp_passwords"
local put = require "openpgp_put"

local sw, check = apdu.sw, apdu.check

local SHORTEST = 6                            -- bytes of the application identifier, without the version
local SELECT, ACTIVATE, TERMINATE = 0xA4, 0x44, 0xE6

local card = options.card(args, persistent)

-- A terminated card can only be activated.
local function before(cmd)
  check(card.session.selected or cmd.ins == SELECT, sw.WRONG_INS)
  local permitted = cmd.ins == SELECT or cmd.ins == ACTIVATE or cmd.ins == TERMINATE
  check(not card.kept.terminated or permitted, sw.CONDITIONS)
end

-- By its whole identifier, or by its beginning.
local function select(cmd)
  local aid = card.kept.objects[0x4F]
  check(cmd.p1 == 0x04 and (cmd.p2 == 0x00 or cmd.p2 == 0x0C), sw.NOT_FOUND)
  check(cmd.nc >= SHORTEST and cmd.data == aid:sub(1, cmd.nc), sw.NOT_FOUND)
  factory.end_session(card)
  card.session.selected = true
  return "", card.kept.terminated and sw.TERMINATED or sw.OK
end

-- Who has neither password can still reset the card to factory values: after blocking both.
local function terminate(cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_PARAMETERS)
  if card.PW1.kept.left > 0 or card.PW3.kept.left > 0 then passwords.require(card, passwords.ADMIN) end
  card.kept.terminated = true
end

local function activate(cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_PARAMETERS)
  if not card.kept.terminated then return end
  factory.reset(card)
  card.session.verified = {}
end

local function of_card(answer)
  return function(cmd) return answer(card, cmd) end
end

return {
  name = "openpgp",
  arguments = options.ARGUMENTS,

  -- T=1 with blocks of 254 bytes, and the historical bytes that GET DATA returns, too
  atr = "3B DA 18 FF 81 B1 FE 75 1F 03 00 31 F5 73 C0 01 E0 05 90 00 99",
  chaining = true,
  ne_without_le = 256,                        -- as YubiKeys and Gnuk; ykman does not write Le

  on_power = function() factory.end_session(card) end,

  commands = apdu.commands({
    { "00 20", of_card(passwords.verify) },
    { "00 22", of_card(operations.manage) },
    { "00 24", of_card(passwords.change) },
    { "00 2A", of_card(operations.perform) },
    { "00 2C", of_card(passwords.unblock) },
    { "00 44", activate },
    { "00 47", of_card(keys.generate) },
    { "00 84", of_card(operations.challenge) },
    { "00 88", of_card(operations.authenticate) },
    { "00 A4", select },
    { "00 A5", of_card(objects.select) },
    { "00 CA", of_card(objects.get) },
    { "00 CB", of_card(objects.get_file) },
    { "00 CC", of_card(objects.get_next) },
    { "00 DA", of_card(put.object) },
    { "00 DB", of_card(put.key) },
    { "00 E6", terminate },
    { "00", "6D 00" },
    { "0C", "68 82" },
    { "..", "6E 00" },
  }, before),
}
