-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_factory: what is on a new OpenPGP card
--
-- factory.card(serial, kept)
--     The card with this serial number, four bytes. Its fields: PW1, PW3 and RC, the passwords; session, what
--     SELECT and a reset end; serial; and kept, a table of plain values that lasts: keys, see openpgp_keys;
--     objects, see openpgp_objects; aes_key; signatures, the signature counter; several_signatures, whether
--     PW1 allows more than one; terminated; and what the passwords keep. An empty kept is filled as for a new
--     card.
--
-- factory.reset(card)
--     Makes it a new card again, with the same serial number.
--
-- factory.end_session(card)
--     No password is verified, and the application is not selected.

local keys = require "openpgp_keys"
local objects = require "openpgp_objects"
local passwords = require "openpgp_passwords"

local factory = {}

-- Version 3.4, and the manufacturer that stands for random serial numbers that nobody manages.
local AID = hex "D2 76 00 01 24 01" .. hex "03 04" .. hex "FF FE"

function factory.end_session(card)
  card.session = {
    selected = false,
    verified = {},
    occurrence = 0,
    decrypts = keys.DECRYPTION,
    authenticates = keys.AUTHENTICATION,
  }
end

function factory.reset(card)
  local kept = card.kept
  passwords.reset(card)
  kept.objects = objects.new(AID .. card.serial .. "\0\0")
  kept.keys = {}
  for reference = keys.SIGNATURE, keys.AUTHENTICATION do kept.keys[reference] = keys.new(reference) end
  kept.aes_key, kept.signatures, kept.several_signatures = nil, 0, false
  kept.terminated = false
end

function factory.card(serial, kept)
  local card = { serial = serial, kept = kept }
  passwords.attach(card)
  if not kept.keys then factory.reset(card) end
  factory.end_session(card)
  return card
end

return factory
