-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_authenticate: GENERAL AUTHENTICATE, and the management key
--
-- authenticate.general(card, cmd)
--     GENERAL AUTHENTICATE: with the key reference 9B the host authenticates itself by the management key,
--     with all others the card uses a private key.
--
-- authenticate.ciphers
--     From identifiers of algorithms to ciphers for the management key: cipher, the name of it; block, the
--     size of its blocks; and length, that of the key.
--
-- authenticate.management_key(identifier, value)
--     A management key, or nil and a message if it cannot be one.

local apdu = require "apdu"
local keys = require "piv_keys"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local WITNESS, CHALLENGE, RESPONSE, EXPONENTIATION = 0x80, 0x81, 0x82, 0x85  -- in the template 7C

local authenticate = {}

authenticate.ciphers = {
  [0x03] = { cipher = "3DES-ECB", block = 8, length = 24 },
  [0x08] = { cipher = "AES-ECB", block = 16, length = 16 },
  [0x0A] = { cipher = "AES-ECB", block = 16, length = 24 },
  [0x0C] = { cipher = "AES-ECB", block = 16, length = 32 },
}

function authenticate.management_key(identifier, value)
  local cipher = authenticate.ciphers[identifier]
  if not cipher then return nil, "no cipher for a management key" end
  if #value ~= cipher.length then return nil, "a management key of " .. cipher.length .. " bytes" end
  return { identifier = identifier, value = value, touch = keys.NO_TOUCH }
end

local function cipher_of(card)
  return authenticate.ciphers[card.kept.management.identifier]
end

local function encrypt(card, block)
  return crypto.encrypt(cipher_of(card).cipher, card.kept.management.value, block)
end

local function answer(tag, value)
  return tlv.build(0x7C, tlv.build(tag, value))
end

-- The first step: the card sends random bytes, encrypted as a witness or in plain as a challenge.
local function ask(card, tag)
  local block = random(cipher_of(card).block)
  card.session.asked = { tag = tag, block = block }
  return answer(tag, tag == WITNESS and encrypt(card, block) or block)
end

-- The second step: the host returns the witness decrypted, or the challenge encrypted. If it is right, the
-- host has authenticated itself.
local function compare(card, asked, tag, value)
  check(asked and asked.tag == tag, sw.CONDITIONS)
  local expected = tag == CHALLENGE and encrypt(card, asked.block) or asked.block
  card.session.managed = value == expected
  check(card.session.managed, sw.NOT_SATISFIED)
end

-- Mutual authentication: the host's challenge comes with the decrypted witness.
local function mutual(card, asked, template)
  local challenge = check(template[CHALLENGE], sw.WRONG_DATA)
  check(#challenge == cipher_of(card).block, sw.WRONG_DATA)
  compare(card, asked, WITNESS, template[WITNESS])
  return answer(RESPONSE, encrypt(card, challenge))
end

-- External authentication is when the host answers the card's challenge. The card answers no challenge that
-- comes alone, because then anybody could let it encrypt its own. The identifier 00 means 3DES, too.
local function manage(card, cmd, template)
  local identifier = cmd.p1 == 0 and 0x03 or cmd.p1
  check(identifier == card.kept.management.identifier, sw.WRONG_P1P2)
  local asked = card.session.asked
  card.session.asked = nil
  if template[WITNESS] == "" then return ask(card, WITNESS) end
  if template[WITNESS] then return mutual(card, asked, template) end
  if template[CHALLENGE] == "" then return ask(card, CHALLENGE) end
  check(template[RESPONSE] and not template[CHALLENGE], sw.WRONG_DATA)
  return compare(card, asked, CHALLENGE, template[RESPONSE])
end

local function permitted(card, policy)
  if policy == keys.NEVER then return true end
  if policy == keys.ALWAYS then return card.session.just_verified end
  return card.PIN.verified
end

-- Both signatures and decryption: the host has added the padding, or will remove it.
local function raw_rsa(key, input)
  check(#input == key.bits // 8, sw.WRONG_DATA)
  return key:decrypt(input, { padding = "none" })
end

-- The input of ECDSA is a hash, that of Ed25519 is the message.
local function sign(name, key, input)
  check(name ~= "X25519", sw.WRONG_DATA)
  if name ~= "Ed25519" then check(#input > 0 and #input <= key.bits // 8, sw.WRONG_DATA) end
  return key:sign(input)
end

local function derive(name, key, point)
  check(name ~= "Ed25519", sw.WRONG_DATA)
  return key:derive(point)
end

local function use(slot, template)
  local algorithm, key = keys.algorithm(slot), keys.private(slot)
  local input, point = template[CHALLENGE], template[EXPONENTIATION]
  if algorithm.type == "RSA" then return raw_rsa(key, check(input, sw.WRONG_DATA)) end
  if point then return derive(algorithm.curve, key, point) end
  return sign(algorithm.curve, key, check(input, sw.WRONG_DATA))
end

-- A wrong P1 is 6A 86 (SP 800-73-4). YubiKeys answer 6A 80 if it is the algorithm of another key, and by that
-- ykman knows that a certificate is not for this key.
local function check_algorithm(slot, identifier)
  check(keys.identified[identifier], sw.WRONG_P1P2)
  check(identifier == slot.algorithm, sw.WRONG_DATA)
end

function authenticate.general(card, cmd)
  local template = tlv.find(cmd.data, 0x7C)
  template = check(template and tlv.map(template), sw.WRONG_DATA)
  if cmd.p2 == 0x9B then return manage(card, cmd, template) end
  local slot = keys.slot(card, cmd.p2)
  check_algorithm(slot, cmd.p1)
  check(permitted(card, slot.pin), sw.NOT_SATISFIED)
  check(template[RESPONSE] == "", sw.WRONG_DATA)
  return answer(RESPONSE, check(use(slot, template), sw.WRONG_DATA))
end

return authenticate
