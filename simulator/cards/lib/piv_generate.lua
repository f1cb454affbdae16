-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_generate: new keys for a PIV card
--
-- generate.key_pair(card, cmd)
--     GENERATE ASYMMETRIC KEY PAIR.
--
-- generate.import(card, cmd)
--     Yubico's IMPORT ASYMMETRIC KEY.

local apdu = require "apdu"
local certificates = require "piv_certificates"
local keys = require "piv_keys"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local generate = {}

-- A policy is one byte: from 1 to largest, or 0 for the default.
local function policy(value, largest)
  if not value then return nil end
  check(#value == 1 and value:byte() <= largest, sw.WRONG_DATA)
  return value:byte() > 0 and value:byte() or nil
end

-- Policies may follow in GENERATE and IMPORT: AA for the PIN, AB for the touch, which this card takes as
-- given.
local function policies(template)
  return { pin = policy(template[0xAA], 3), touch = policy(template[0xAB], 3) }
end

function generate.key_pair(card, cmd)
  keys.check_reference(cmd.p2)
  check(cmd.p1 == 0, sw.WRONG_P1P2)
  check(card.session.managed, sw.NOT_SATISFIED)
  local outer = check(tlv.find(cmd.data, 0xAC), sw.WRONG_DATA)
  local template = check(tlv.map(outer), sw.WRONG_DATA)
  local identifier = check(template[0x80], sw.WRONG_DATA)
  local algorithm = check(#identifier == 1 and keys.identified[identifier:byte()], sw.WRONG_DATA)
  local slot = keys.new_slot(cmd.p2, algorithm, policies(template))
  takes(algorithm.type == "RSA" and (algorithm.bits / 1024) ^ 2 or 0.3) -- about as long as real cards do
  local public = keys.public(slot)
  certificates.settle(card, certificates.tag(cmd.p2))
  card.kept.slots[cmd.p2] = slot
  return tlv.build(0x7F49, public)
end

-- The numbers of an RSA key that are imported. The primes are enough, but the others must be there.
local function imported_rsa(algorithm, template)
  for tag = 1, 5 do
    check(template[tag] and #template[tag] == algorithm.bits // 16, sw.WRONG_DATA)
  end
  local made, key = pcall(crypto.rsa, { p = template[1], q = template[2] })
  return made and key.bits == algorithm.bits and key
end

local function imported_curve(algorithm, template)
  local number = check(template[algorithm.part], sw.WRONG_DATA)
  check(#number == algorithm.bits // 8, sw.WRONG_DATA)
  local made, key = pcall(crypto.ec, { curve = algorithm.curve, d = number })
  return made and key
end

function generate.import(card, cmd)
  keys.check_reference(cmd.p2)
  local algorithm = check(keys.identified[cmd.p1], sw.WRONG_P1P2)
  check(card.session.managed, sw.NOT_SATISFIED)
  local template = check(tlv.map(cmd.data), sw.WRONG_DATA)
  local import = algorithm.type == "RSA" and imported_rsa or imported_curve
  local slot = keys.new_slot(cmd.p2, algorithm, policies(template))
  keys.set_private(slot, check(import(algorithm, template), sw.WRONG_DATA))
  slot.origin = keys.IMPORTED
  certificates.settle(card, certificates.tag(cmd.p2))
  card.kept.slots[cmd.p2] = slot
end

return generate
