-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_keys: the private keys of a PIV card and their slots
--
-- A slot is a table of plain values, because the card keeps it: algorithm, an identifier; pin and touch, its
-- policies as YubiKeys number them; origin, whether the key was generated or imported; and der, the key. It
-- has no der as long as nobody has needed the key.
--
-- keys.algorithms, keys.identified
--     The algorithms by names for the card's arguments, and by identifiers.
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
-- keys.algorithm(slot)
--     Its algorithm.
--
-- keys.private(slot)
--     Its key. It is generated at the first call, because RSA keys take a while.
--
-- keys.set_private(slot, key)
--     Gives it a key.
--
-- keys.public(slot)
--     The public key as data objects: 81 and 82, modulus and exponent, or 86, a point.

local apdu = require "apdu"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local keys = {}

keys.NEVER, keys.ONCE, keys.ALWAYS = 1, 2, 3  -- policies for the PIN
keys.NO_TOUCH = 1
keys.GENERATED, keys.IMPORTED = 1, 2          -- origins
keys.ATTESTATION = 0xF9                       -- the reference of Yubico's key for attestation

-- part is the tag of the private number in IMPORT ASYMMETRIC KEY. An RSA key has five there, from 01 on.
local function rsa(identifier, bits)
  return { identifier = identifier, type = "RSA", bits = bits }
end

local function curve(identifier, name, bits, part)
  return { identifier = identifier, type = "EC", curve = name, bits = bits, part = part }
end

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

-- The same by identifiers.
keys.identified = {}
for _, algorithm in pairs(keys.algorithms) do keys.identified[algorithm.identifier] = algorithm end

local function is_retired(reference)
  return reference >= 0x82 and reference <= 0x95
end

local current = { [0x9A] = true, [0x9C] = true, [0x9D] = true, [0x9E] = true }

function keys.check_reference(reference)
  check(current[reference] or is_retired(reference) or reference == keys.ATTESTATION, sw.WRONG_P1P2)
end

function keys.slot(card, reference)
  keys.check_reference(reference)
  return check(card.kept.slots[reference], sw.NO_REFERENCE)
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
    algorithm = algorithm.identifier,
    pin = policies.pin or default_pin_policy(reference),
    touch = policies.touch or keys.NO_TOUCH,
    origin = keys.GENERATED,
  }
end

local function generate(algorithm)
  if algorithm.type == "RSA" then return crypto.generate("RSA", algorithm.bits) end
  return crypto.generate(algorithm.curve)
end

function keys.algorithm(slot)
  return keys.identified[slot.algorithm]
end

-- The keys that are in use, by their slots.
local loaded = setmetatable({}, { __mode = "k" })

function keys.set_private(slot, key)
  slot.der = key:der()
  loaded[slot] = key
end

function keys.private(slot)
  if not slot.der then keys.set_private(slot, generate(keys.algorithm(slot))) end
  loaded[slot] = loaded[slot] or crypto.key(slot.der)
  return loaded[slot]
end

function keys.public(slot)
  local parts = keys.private(slot):parts()
  if keys.algorithm(slot).type == "RSA" then return tlv.build(0x81, parts.n) .. tlv.build(0x82, parts.e) end
  return tlv.build(0x86, parts.point)
end

return keys
