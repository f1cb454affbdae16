-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_put: PUT DATA
--
-- put.object(card, cmd)
--     PUT DATA: an object that the card keeps, or one that changes passwords or keys.
--
-- put.key(card, cmd)
--     PUT DATA with odd INS: a private key.

local apdu = require "apdu"
local keys = require "openpgp_keys"
local objects = require "openpgp_objects"
local passwords = require "openpgp_passwords"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local put = {}

local ITERATED = "\3"                              -- the only kind of KDF
local HASH_LENGTHS = { ["\8"] = 32, ["\10"] = 64 }  -- by RFC 4880's numbers: SHA-256, SHA-512
local PERMANENT = 2                                -- a user interaction flag that nobody can clear

local function certificate(card, value)
  check(#value <= objects.LONGEST_CERTIFICATE, sw.WRONG_LENGTH)
  objects.with_certificate(card).certificate = value
end

-- 00: PW1 allows one signature. 01: PW1 allows any number. The longest lengths may follow, but cannot change.
local function password_status(card, value)
  check(#value == 1 or #value == 4, sw.WRONG_LENGTH)
  check(value:byte() <= 1, sw.WRONG_DATA)
  check(#value == 1 or value:sub(2) == passwords.status(card):sub(2, 4), sw.WRONG_DATA)
  card.kept.several_signatures = value:byte() == 1
end

local function aes_key(card, value)
  check(#value == 16 or #value == 32, sw.WRONG_LENGTH)
  card.kept.aes_key = value
end

-- The length of the hashes that this KDF object (F9) wants as passwords; nil if it wants none.
local function hash_length(object)
  local map = check(tlv.map(object), sw.WRONG_DATA)
  if map[0x81] == "\0" then return nil, map end
  local length = map[0x81] == ITERATED and HASH_LENGTHS[map[0x82]]
  check(length and #(map[0x83] or "") == 4 and map[0x84], sw.WRONG_DATA)
  return length, map
end

-- It is the host that hashes. Hosts also change the passwords to hashes and back, but some leave this to the
-- card: then the object has initial hashes (87, 88), which replace a password that is not such a hash, or
-- that was made with other salts.
local function key_derivation(card, value)
  check(#value <= objects.LONGEST_SPECIAL, sw.WRONG_LENGTH)
  local length, map = hash_length(value)
  local length_before = hash_length(card.kept.objects[0xF9])
  for tag = 0x87, 0x88 do check(not map[tag] or #map[tag] == length, sw.WRONG_DATA) end
  for tag, password in pairs { [0x87] = card.PW1, [0x88] = card.PW3 } do
    local initial, now = map[tag], #password.kept.value
    if initial and (length_before or now ~= length) then password:set(initial) end
    if not length and now == length_before then passwords.take_initial(password) end
  end
  card.kept.objects[0xF9] = value
end

-- Writes a field of a key.
local function field(reference, name, length)
  return function(card, value)
    check(#value == length, sw.WRONG_LENGTH)
    card.kept.keys[reference][name] = value
  end
end

-- There is nobody to touch the card, so it takes each key's confirmation as given.
local function user_interaction(reference)
  return function(card, value)
    local entry = card.kept.keys[reference]
    check(#value == 2, sw.WRONG_LENGTH)
    check(value:byte() <= PERMANENT and value:sub(2) == objects.BUTTON, sw.WRONG_DATA)
    check(entry.uif:byte() ~= PERMANENT, sw.CONDITIONS)
    entry.uif = value:sub(1, 1)
  end
end

local special = {
  [objects.CERTIFICATE] = certificate,
  [0xC4] = password_status,
  [0xD3] = passwords.set_resetting_code,
  [0xD5] = aes_key,
  [0xF9] = key_derivation,
}
for reference = keys.SIGNATURE, keys.AUTHENTICATION do
  local offset = reference - 1
  special[0xC1 + offset] = function(card, value) keys.set_algorithm(card.kept.keys[reference], value) end
  special[objects.FINGERPRINT + offset] = field(reference, "fingerprint", 20)
  special[objects.TIME + offset] = field(reference, "time", 4)
  special[objects.UIF + offset] = user_interaction(reference)
end

function put.object(card, cmd)
  local tag = cmd.p1 << 8 | cmd.p2
  if special[tag] then
    passwords.require(card, passwords.ADMIN)
    return special[tag](card, cmd.data)
  end
  local rule = objects.KEPT[tag]
  check(rule and rule.write, sw.NO_REFERENCE)
  passwords.require(card, rule.write)
  check(#cmd.data <= (rule.longest or rule.length), sw.WRONG_LENGTH)
  check(not rule.length or #cmd.data == rule.length, sw.WRONG_LENGTH)
  check(not rule.pattern or cmd.data:find(rule.pattern), sw.WRONG_DATA)
  card.kept.objects[tag] = cmd.data
end

function put.key(card, cmd)
  check(cmd.p1 == 0x3F and cmd.p2 == 0xFF, sw.WRONG_PARAMETERS)
  passwords.require(card, passwords.ADMIN)
  keys.import(card, cmd.data)
end

return put
