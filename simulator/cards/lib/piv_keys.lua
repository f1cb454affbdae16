-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_keys: the private keys of a PIV card and their slots
--
-- A slot is a table: algorithm, an entry of keys.algorithms; pin and touch, its policies as YubiKeys number
-- them; origin, whether the key was generated or imported; and key, which is made when it is needed: see
-- keys.private().
--
-- keys.check_reference(reference)
--     Ends the command with 6A 86 unless this key reference is one for a private key.
--
-- keys.slot(card, reference)
--     The slot. Ends the command with 6A 88 if it is empty.
--
-- keys.new_slot(reference, algorithm, policies)
--     A slot with a key that is still to be generated.
--
-- keys.private(slot)
--     Its key. It is generated at the first call, because RSA keys take a while.
--
-- keys.public(slot)
--     The public key as data objects: 81 and 82, modulus and exponent, or 86, a point.
--
-- keys.generate(card, cmd)
--     GENERATE ASYMMETRIC KEY PAIR.
--
-- keys.import(card, cmd)
--     Yubico's IMPORT ASYMMETRIC KEY.

local apdu = require "apdu"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local keys = {}

keys.NEVER, keys.ONCE, keys.ALWAYS = 1, 2, 3  -- policies for the PIN
keys.NO_TOUCH = 1
keys.GENERATED, keys.IMPORTED = 1, 2          -- origins
keys.ATTESTATION = 0xF9                       -- the reference of Yubico's key for attestation

-- part is the tag of the private number in IMPORT ASYMMETRIC KEY. An RSA key has five numbers there, from 01
-- on.
local function rsa(identifier, bits)
  return { identifier = identifier, type = "RSA", bits = bits }
end

local function curve(identifier, name, bits, part)
  return { identifier = identifier, type = "EC", curve = name, bits = bits, part = part }
end

-- The names are for the card's arguments.
keys.algorithms = {
  rsa1024 = rsa(0x06, 1024),
  rsa2048 = rsa(0x07, 2048),
  rsa3072 = rsa(0x05, 3072),
  rsa4096 = rsa(0x16, 4096),
  p256    = curve(0x11, "P-256", 256, 0x06),
  p384    = curve(0x14, "P-384", 384, 0x06),
  ed25519 = curve(0xE0, "Ed25519", 256, 0x07),
  x25519  = curve(0xE1, "X25519", 256, 0x08),
}

local by_identifier = {}
for _, algorithm in pairs(keys.algorithms) do by_identifier[algorithm.identifier] = algorithm end

local function is_retired(reference)
  return reference >= 0x82 and reference <= 0x95
end

local current = { [0x9A] = true, [0x9C] = true, [0x9D] = true, [0x9E] = true }

function keys.check_reference(reference)
  check(current[reference] or is_retired(reference) or reference == keys.ATTESTATION, sw.WRONG_P1P2)
end

function keys.slot(card, reference)
  keys.check_reference(reference)
  return check(card.slots[reference], sw.NO_REFERENCE)
end

-- What SP 800-73-4 says of the PIN. It leaves out the attestation key, which needs none.
local function default_pin_policy(reference)
  if reference == 0x9C then return keys.ALWAYS end
  if reference == 0x9E or reference == keys.ATTESTATION then return keys.NEVER end
  return keys.ONCE
end

function keys.new_slot(reference, algorithm, policies)
  policies = policies or {}
  return {
    algorithm = algorithm,
    pin = policies.pin or default_pin_policy(reference),
    touch = policies.touch or keys.NO_TOUCH,
    origin = keys.GENERATED,
  }
end

local function generate(algorithm)
  if algorithm.type == "RSA" then return crypto.generate("RSA", algorithm.bits) end
  return crypto.generate(algorithm.curve)
end

function keys.private(slot)
  slot.key = slot.key or generate(slot.algorithm)
  return slot.key
end

function keys.public(slot)
  local parts = keys.private(slot):parts()
  if slot.algorithm.type == "RSA" then return tlv.build(0x81, parts.n) .. tlv.build(0x82, parts.e) end
  return tlv.build(0x86, parts.point)
end

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

function keys.generate(card, cmd)
  keys.check_reference(cmd.p2)
  check(cmd.p1 == 0, sw.WRONG_P1P2)
  check(card.session.managed, sw.NOT_SATISFIED)
  local outer = check(tlv.find(cmd.data, 0xAC), sw.WRONG_DATA)
  local template = check(tlv.map(outer), sw.WRONG_DATA)
  local identifier = check(template[0x80], sw.WRONG_DATA)
  local algorithm = check(#identifier == 1 and by_identifier[identifier:byte()], sw.WRONG_DATA)
  local slot = keys.new_slot(cmd.p2, algorithm, policies(template))
  local public = keys.public(slot)
  card.slots[cmd.p2] = slot
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

function keys.import(card, cmd)
  keys.check_reference(cmd.p2)
  local algorithm = check(by_identifier[cmd.p1], sw.WRONG_P1P2)
  check(card.session.managed, sw.NOT_SATISFIED)
  local template = check(tlv.map(cmd.data), sw.WRONG_DATA)
  local import = algorithm.type == "RSA" and imported_rsa or imported_curve
  local slot = keys.new_slot(cmd.p2, algorithm, policies(template))
  slot.key = check(import(algorithm, template), sw.WRONG_DATA)
  slot.origin = keys.IMPORTED
  card.slots[cmd.p2] = slot
end

return keys
