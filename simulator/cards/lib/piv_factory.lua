-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_factory: what is on a new PIV card
--
-- factory.PIN, factory.PUK, factory.MANAGEMENT_KEY
--     The values of a new card.
--
-- factory.new(options)
--     A card: PIN, PUK, management (the management key), slots, objects, serial, version, and session, what a
--     reset ends. The options: pin, puk, management, serial, version; algorithm, an entry of keys.algorithms,
--     or nil for a card without keys; and retired, the number of retired keys.
--
-- factory.reset(card)
--     What Yubico's RESET does: the values of a new card, and no keys or objects but those for attestation.

local authenticate = require "piv_authenticate"
local keys = require "piv_keys"
local objects = require "piv_objects"
local pins = require "pins"

local factory = {}

factory.PIN, factory.PUK = "123456\xFF\xFF", "12345678"
factory.MANAGEMENT_KEY = hex("01 02 03 04 05 06 07 08"):rep(4)  -- as much of it as the cipher takes

local TRIES = 3
local TRIPLE_DES = 0x03

local names = {
  [0x9A] = "PIV Authentication",
  [0x9C] = "Digital Signature",
  [0x9D] = "Key Management",
  [0x9E] = "Card Authentication",
  [keys.ATTESTATION] = "PIV Attestation",
}

-- SP 800-73-4: 6 to 8 digits, and FF up to 8 bytes.
local function is_pin(value)
  return #value == 8 and value:find "^%d%d%d%d%d%d%d?%d?\xFF*$" ~= nil
end

-- Any bytes but FF. YubiKeys allow a PUK of 6 or 7 bytes, filled up with FF.
local function is_puk(value)
  return #value == 8 and value:find("^" .. ("[^\xFF]"):rep(6) .. "[^\xFF]?[^\xFF]?\xFF*$") ~= nil
end

local function is_for_decryption(reference)
  return reference == 0x9D or reference <= 0x95
end

local function usage(reference, algorithm)
  if reference == keys.ATTESTATION then return { "keyCertSign" } end
  if is_for_decryption(reference) then
    return { algorithm.type == "RSA" and "keyEncipherment" or "keyAgreement" }
  end
  if reference == 0x9C then return { "digitalSignature", "nonRepudiation" } end
  return { "digitalSignature" }
end

-- A key that cannot sign is certified by the key 9A.
local function certificate(reference, slot, authentication)
  local name = names[reference] or "Retired Key " .. reference - 0x81
  local fields = {
    subject = "CN=" .. name .. ",O=cardrig",
    serial = string.char(reference),
    key = keys.private(slot),
    usage = usage(reference, slot.algorithm),
    ca = reference == keys.ATTESTATION,
  }
  if slot.algorithm == keys.algorithms.x25519 then
    fields.signer = keys.private(authentication)
    fields.issuer = "CN=" .. names[0x9A] .. ",O=cardrig"
  end
  return objects.with_certificate(crypto.certificate(fields))
end

-- RSA keys take long, so they are made when a command needs them. All others are made now: so they depend
-- only on the seed, and not on what is done with the card.
local function add_key(card, reference, algorithm)
  local slot = keys.new_slot(reference, algorithm)
  local authentication = card.slots[0x9A]
  local tag, made = objects.of_certificate(reference), nil
  local function make()
    made = made or certificate(reference, slot, authentication)
    return made
  end
  card.slots[reference] = slot
  card.objects[tag] = algorithm.type == "RSA" and make or make()
end

-- Ed25519 only signs. X25519 is its counterpart.
local function algorithm_for(reference, algorithm)
  local signs_only = algorithm == keys.algorithms.ed25519
  return signs_only and is_for_decryption(reference) and keys.algorithms.x25519 or algorithm
end

local function add_keys(card, options)
  for _, reference in ipairs { 0x9A, 0x9C, 0x9D, 0x9E } do
    add_key(card, reference, algorithm_for(reference, options.algorithm))
  end
  for reference = 0x82, 0x81 + options.retired do
    add_key(card, reference, algorithm_for(reference, options.algorithm))
  end
end

local function add_objects(card, retired)
  card.objects[objects.CHUID] = objects.identification()
  card.objects[objects.CCC] = objects.capabilities()
  card.objects[objects.HISTORY] = objects.history(retired)
  card.objects[0x7E] = objects.DISCOVERY
end

function factory.new(options)
  local PUK = pins.new { value = options.puk, tries = TRIES, accepts = is_puk }
  local PIN = pins.new { value = options.pin, tries = TRIES, accepts = is_pin, unblocked_by = PUK }
  local card = {
    PIN = PIN, PUK = PUK, management = options.management,
    serial = options.serial, version = options.version,
    slots = {}, objects = {}, session = {},
  }
  add_key(card, keys.ATTESTATION, keys.algorithms.p256)
  add_objects(card, options.retired)
  if options.algorithm then add_keys(card, options) end
  return card
end

function factory.reset(card)
  local attestation, certified = card.slots[keys.ATTESTATION], card.objects[objects.ATTESTATION]
  card.PIN:set(factory.PIN, TRIES)
  card.PUK:set(factory.PUK, TRIES)
  card.management = authenticate.management_key(TRIPLE_DES, factory.MANAGEMENT_KEY:sub(1, 24))
  card.slots = { [keys.ATTESTATION] = attestation }
  card.objects = { [objects.ATTESTATION] = certified, [0x7E] = objects.DISCOVERY }
  card.session = { selected = card.session.selected }
end

return factory
