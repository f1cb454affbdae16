-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_operations: what an OpenPGP card does with its keys
--
-- operations.perform(card, cmd)
--     PERFORM SECURITY OPERATION: COMPUTE DIGITAL SIGNATURE, DECIPHER and ENCIPHER.
--
-- operations.authenticate(card, cmd)
--     INTERNAL AUTHENTICATE.
--
-- operations.manage(card, cmd)
--     MANAGE SECURITY ENVIRONMENT: which key authenticates, and which one decrypts. Each of the two can do
--     both.
--
-- operations.challenge(card, cmd)
--     GET CHALLENGE.

local apdu = require "apdu"
local keys = require "openpgp_keys"
local objects = require "openpgp_objects"
local passwords = require "openpgp_passwords"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local operations = {}

local RSA_PADDING, AES_PADDING = 0x00, 0x02  -- padding indicators, the first byte of what is decrypted
local BLOCK = 16                             -- bytes, of AES

-- The input for RSA is a DigestInfo, or any other data of at most two fifths of the modulus. For Ed25519 it
-- is the message, and for other curves a hash.
local function sign(key, input)
  check(key.curve ~= "X25519", sw.CONDITIONS)
  check(#input > 0, sw.WRONG_LENGTH)
  if key.type == "RSA" then
    check(#input <= key.bits // 8 * 2 // 5, sw.WRONG_LENGTH)
    return key:sign(input)
  end
  if key.curve == "Ed25519" then return key:sign(input) end
  check(#input <= 64, sw.WRONG_LENGTH)
  return key:sign(input, { format = "raw" })
end

local function compute_signature(card, cmd)
  passwords.require(card, passwords.SIGN)
  local key = keys.private(card.kept.keys[keys.SIGNATURE])
  if not card.kept.several_signatures then card.session.verified[passwords.SIGN] = false end
  local signature = sign(key, cmd.data)
  card.kept.signatures = math.min(card.kept.signatures + 1, 0xFFFFFF)
  return signature
end

local function decrypt_aes(card, input)
  local key = check(card.kept.aes_key, sw.NO_REFERENCE)
  check(#input > 0 and #input % BLOCK == 0, sw.WRONG_LENGTH)
  return crypto.decrypt("AES-CBC", key, input)
end

-- The point is in a cipher object: A6, 7F49, 86.
local function derive(key, data)
  check(key.curve ~= "Ed25519", sw.CONDITIONS)
  local cipher = tlv.find(data, 0xA6)
  local public = cipher and tlv.find(cipher, 0x7F49)
  local point = check(public and tlv.find(public, 0x86), sw.WRONG_DATA)
  return check(key:derive(point), sw.WRONG_DATA)
end

local function decrypt(key, data)
  if key.type ~= "RSA" then return derive(key, data) end
  check(data:byte() == RSA_PADDING, sw.WRONG_DATA)
  check(#data == 1 + key.bits // 8, sw.WRONG_LENGTH)
  return check(key:decrypt(data:sub(2)), sw.WRONG_DATA)
end

local function decipher(card, cmd)
  passwords.require(card, passwords.USER)
  if cmd.data:byte() == AES_PADDING then return decrypt_aes(card, cmd.data:sub(2)) end
  return decrypt(keys.private(card.kept.keys[card.session.decrypts]), cmd.data)
end

local function encipher(card, cmd)
  passwords.require(card, passwords.USER)
  local key = check(card.kept.aes_key, sw.NO_REFERENCE)
  check(cmd.nc > 0 and cmd.nc % BLOCK == 0, sw.WRONG_LENGTH)
  return string.char(AES_PADDING) .. crypto.encrypt("AES-CBC", key, cmd.data)
end

local security_operations = { [0x9E9A] = compute_signature, [0x8086] = decipher, [0x8680] = encipher }

function operations.perform(card, cmd)
  return check(security_operations[cmd.p1 << 8 | cmd.p2], sw.WRONG_PARAMETERS)(card, cmd)
end

function operations.authenticate(card, cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_PARAMETERS)
  passwords.require(card, passwords.USER)
  return sign(keys.private(card.kept.keys[card.session.authenticates]), cmd.data)
end

function operations.manage(card, cmd)
  local names = { [0xA4] = "authenticates", [0xB8] = "decrypts" }
  local name = check(cmd.p1 == 0x41 and names[cmd.p2], sw.WRONG_PARAMETERS)
  local reference = tlv.find(cmd.data, 0x83)
  check(reference == "\2" or reference == "\3", sw.WRONG_DATA)
  card.session[name] = reference:byte()
end

function operations.challenge(_, cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_PARAMETERS)
  check(cmd.nc == 0 and cmd.ne > 0 and cmd.ne <= objects.MOST_RANDOM, sw.WRONG_LENGTH)
  return random(cmd.ne)
end

return operations
