-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_factory: what is on a new PIV card
--
-- factory.PIN, factory.PUK, factory.MANAGEMENT_KEY
--     The values of a new card; of the management key, as much as the cipher takes.
--
-- factory.management_key(cipher)
--     The management key of a new card; cipher is its identifier.
--
-- factory.card(options, kept)
--     The card: PIN, PUK, serial, version, session (what a reset ends), and kept, a table of plain values
--     that lasts: management (the management key), slots and objects. An empty kept is filled as for a new
--     card. The options: pin, puk, management, serial, version; algorithm, an entry of keys.algorithms, or
--     nil for a card without keys; and retired, the number of retired keys.
--
-- factory.reset(card)
--     What Yubico's RESET does: the values of a new card, and no keys or objects but those for attestation.
--     The management key has the cipher that it had on the new card.

local authenticate = require "piv_authenticate"
local certificates = require "piv_certificates"
local keys = require "piv_keys"
local objects = require "piv_objects"
local pins = require "pins"

local factory = {}

factory.PIN, factory.PUK = "123456\xFF\xFF", "12345678"
factory.MANAGEMENT_KEY = hex("01 02 03 04 05 06 07 08"):rep(4)

local TRIES = 3
local TRIPLE_DES = 0x03                       -- the cipher of a card that was kept before kept.cipher was

-- 6 to 8 bytes of a class, and FF up to 8 bytes.
local function padded(class)
  local pattern = "^" .. class:rep(6) .. (class .. "?"):rep(2) .. "\xFF*$"
  return function(value) return #value == 8 and value:find(pattern) ~= nil end
end

-- In SP 800-73-4 a PIN has only digits, and a PUK always 8 bytes. YubiKeys allow any ASCII in a PIN, and a PUK of
-- 6 or 7 bytes.
local is_pin, is_puk = padded "[\0-\x7F]", padded "[^\xFF]"

-- RSA keys take long, so they are made when a command needs them. All others are made now: so they depend
-- only on the seed, and not on what is done with the card.
local function add_key(card, reference, algorithm)
  local tag = certificates.tag(reference)
  card.kept.slots[reference] = keys.new_slot(reference, algorithm)
  card.kept.objects[tag] = true
  if algorithm.type ~= "RSA" then certificates.settle(card, tag) end
end

-- Ed25519 only signs. X25519 is its counterpart.
local function algorithm_for(reference, algorithm)
  local signs_only = algorithm == keys.algorithms.ed25519
  return signs_only and certificates.is_for_decryption(reference) and keys.algorithms.x25519 or algorithm
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
  local values = card.kept.objects
  values[objects.CHUID] = objects.identification()
  values[objects.CCC] = objects.capabilities()
  values[objects.HISTORY] = objects.history(retired)
  values[0x7E] = objects.DISCOVERY
end

local function fill(card, options)
  card.kept.management, card.kept.cipher = options.management, options.management.identifier
  card.kept.slots, card.kept.objects = {}, {}
  add_key(card, keys.ATTESTATION, keys.algorithms.p256)
  add_objects(card, options.retired)
  if options.algorithm then add_keys(card, options) end
end

function factory.management_key(cipher)
  return authenticate.management_key(cipher, factory.MANAGEMENT_KEY:sub(1, authenticate.ciphers[cipher].length))
end

function factory.card(options, kept)
  kept.PIN, kept.PUK = kept.PIN or {}, kept.PUK or {}
  local PUK = pins.new { value = options.puk, tries = TRIES, accepts = is_puk, kept = kept.PUK }
  local PIN = pins.new {
    value = options.pin, tries = TRIES, accepts = is_pin, unblocked_by = PUK, kept = kept.PIN,
  }
  local card = {
    PIN = PIN, PUK = PUK, kept = kept, session = {},
    serial = options.serial, version = options.version,
  }
  if not kept.slots then fill(card, options) end
  return card
end

function factory.reset(card)
  local kept, certificate_tag = card.kept, certificates.ATTESTATION
  card.PIN:set(factory.PIN, TRIES)
  card.PUK:set(factory.PUK, TRIES)
  kept.management = factory.management_key(kept.cipher or TRIPLE_DES)
  kept.slots = { [keys.ATTESTATION] = kept.slots[keys.ATTESTATION] }
  kept.objects = { [certificate_tag] = kept.objects[certificate_tag], [0x7E] = objects.DISCOVERY }
  card.session = { selected = card.session.selected }
end

return factory
