-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_keys: the three keys of an OpenPGP card
--
-- card.kept.keys has a table for each: reference, 1 to 3; attributes, the bytes of its algorithm attributes;
-- der, the private key, nil as long as there is none; origin, as in the data object DE; fingerprint, time,
-- certificate and uif, the values of its data objects.
--
-- keys.SIGNATURE, keys.DECRYPTION, keys.AUTHENTICATION
--     The references.
--
-- keys.new(reference)
--     A key of a new card, without a value.
--
-- keys.algorithm(entry)
--     Its algorithm, as in openpgp_algorithms.
--
-- keys.private(entry)
--     The key. Ends the command with 6A88 if there is none.
--
-- keys.set_algorithm(entry, attributes)
--     What PUT DATA for C1 to C3 does. If the algorithm is another one, the key is deleted.
--
-- keys.make(card, entry)
--     Generates the key and returns it.
--
-- keys.generate(card, cmd)
--     GENERATE ASYMMETRIC KEY PAIR, which also reads public keys.
--
-- keys.import(card, data)
--     PUT DATA with an extended header list.

local algorithms = require "openpgp_algorithms"
local apdu = require "apdu"
local passwords = require "openpgp_passwords"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local keys = { SIGNATURE = 1, DECRYPTION = 2, AUTHENTICATION = 3 }

local NONE, GENERATED, IMPORTED = 0, 1, 2  -- origins
local by_template = { [0xB6] = keys.SIGNATURE, [0xB8] = keys.DECRYPTION, [0xA4] = keys.AUTHENTICATION }

-- Tags in the private key template.
local EXPONENT, FIRST, SECOND = 0x91, 0x92, 0x93  -- a key on a curve has only its number, in 92

local function delete(entry)
  entry.der, entry.origin = nil, NONE
  entry.fingerprint, entry.time = ("\0"):rep(20), ("\0"):rep(4)
end

function keys.new(reference)
  local entry = {
    reference = reference,
    attributes = algorithms.named(reference, "rsa2048").attributes,
    certificate = "",
    uif = "\0",
  }
  delete(entry)
  return entry
end

function keys.algorithm(entry)
  return algorithms.find(entry.reference, entry.attributes)
end

-- The keys that are in use, by their tables.
local loaded = setmetatable({}, { __mode = "k" })

function keys.private(entry)
  check(entry.der, sw.NO_REFERENCE)
  loaded[entry] = loaded[entry] or crypto.key(entry.der)
  return loaded[entry]
end

function keys.set_algorithm(entry, attributes)
  local algorithm = check(algorithms.find(entry.reference, attributes), sw.WRONG_DATA)
  local before = keys.algorithm(entry)
  entry.attributes = attributes
  if algorithm.bits ~= before.bits or algorithm.curve ~= before.curve then delete(entry) end
end

-- The signature counter counts the signatures of one key.
local function set(card, entry, key, origin)
  entry.der, entry.origin = key:der(), origin
  loaded[entry] = key
  if entry.reference == keys.SIGNATURE then card.kept.signatures = 0 end
end

local function public(key)
  local parts = key:parts()
  if key.type == "RSA" then return tlv.build(0x7F49, tlv.build(0x81, parts.n), tlv.build(0x82, parts.e)) end
  return tlv.build(0x7F49, tlv.build(0x86, parts.point))
end

-- The key that a control reference template at the beginning of data names.
local function named(card, data)
  local template = tlv.parse(data)
  return card.kept.keys[check(by_template[template], sw.WRONG_DATA)]
end

function keys.make(card, entry)
  local algorithm = keys.algorithm(entry)
  local is_rsa = algorithm.type == "RSA"
  local key = is_rsa and crypto.generate("RSA", algorithm.bits) or crypto.generate(algorithm.curve)
  set(card, entry, key, GENERATED)
  return key
end

function keys.generate(card, cmd)
  check((cmd.p1 == 0x80 or cmd.p1 == 0x81) and cmd.p2 == 0x00, sw.WRONG_PARAMETERS)
  local entry = named(card, cmd.data)
  if cmd.p1 == 0x80 then
    passwords.require(card, passwords.ADMIN)
    local bits = keys.algorithm(entry).bits
    takes(bits and (bits / 1024) ^ 2 or 0.3) -- about as long as real cards do
    keys.make(card, entry)
  end
  return public(keys.private(entry))
end

-- The length at position, and the position after it.
local function length_at(header, position)
  local first = check(header:byte(position), sw.WRONG_DATA)
  if first < 0x80 then return first, position + 1 end
  local bytes = first & 0x7F
  check(bytes >= 1 and bytes <= 2 and position + bytes <= #header, sw.WRONG_DATA)
  return string.unpack(">I" .. bytes, header, position + 1)
end

-- 7F48 has tags and lengths, and 5F48 all values one after the other.
local function private_parts(header, values)
  local parts, position, start = {}, 1, 1
  while position <= #header do
    local tag, length = header:byte(position), nil
    length, position = length_at(header, position + 1)
    check(start + length <= #values + 1, sw.WRONG_DATA)
    parts[tag] = values:sub(start, start + length - 1)
    start = start + length
  end
  return parts
end

local function import_rsa(algorithm, parts)
  local e, p, q = parts[EXPONENT], parts[FIRST], parts[SECOND]
  check(e and p and q, sw.WRONG_DATA)
  local made, key = pcall(crypto.rsa, { e = e, p = p, q = q })
  return made and key.bits == algorithm.bits and key
end

-- An OpenPGP number is shorter if it begins with zeros. For X25519 it is the other way round than in RFC
-- 7748.
local function import_curve(algorithm, parts)
  local number = check(parts[FIRST], sw.WRONG_DATA)
  check(#number <= algorithm.length, sw.WRONG_DATA)
  number = ("\0"):rep(algorithm.length - #number) .. number
  if algorithm.curve == "X25519" then number = number:reverse() end
  local made, key = pcall(crypto.ec, { curve = algorithm.curve, d = number })
  return made and key
end

-- The public key may come along, but the card computes it itself.
function keys.import(card, data)
  local list = check(tlv.find(data, 0x4D), sw.WRONG_DATA)
  local entry = named(card, list)
  local map = check(tlv.map(list), sw.WRONG_DATA)
  check(map[0x7F48] and map[0x5F48], sw.WRONG_DATA)
  local parts = private_parts(map[0x7F48], map[0x5F48])
  local algorithm = keys.algorithm(entry)
  local import = algorithm.type == "RSA" and import_rsa or import_curve
  set(card, entry, check(import(algorithm, parts), sw.WRONG_DATA), IMPORTED)
end

return keys
