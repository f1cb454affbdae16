-- SPDX-License-Identifier: BSD-3-Clause
--
-- pkcs15_security: what the card pkcs15 does with keys (ISO/IEC 7816-8). Each function answers one command.
--
-- security.manage
--     MANAGE SECURITY ENVIRONMENT: which key is used next, and how.
--
-- security.sign, security.decipher, security.unwrap, security.unwrap_by_secret, security.wrap,
-- security.encrypt, security.decrypt
--     PERFORM SECURITY OPERATION.
--
-- security.agree
--     GENERAL AUTHENTICATE: ECDH.
--
-- They have the card as their first parameter: files, and env, the security environment.

local apdu = require "apdu"
local file = require "fs_file"
local keys = require "pkcs15_keys"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local security = {}

local ALGORITHM, KEY_FILE, TARGET, IV = 0x80, 0x81, 0x83, 0x87    -- in MANAGE SECURITY ENVIRONMENT
local SET_PRIVATE, SET_PUBLIC, RESTORE = 0x41, 0x81, 0xF3         -- P1; SET is for private or public keys
local PKCS1, HASHED, PKCS7 = 0x02, 0x10, 0x80                     -- bits of the algorithm reference

local function identifier(value)
  return value and #value == 2 and string.unpack(">I2", value) or nil
end

function security.manage(card, cmd)
  card.env = nil
  if cmd.p1 == RESTORE then return end
  check(cmd.p1 == SET_PRIVATE or cmd.p1 == SET_PUBLIC, sw.WRONG_P1P2)
  check(cmd.p2 == 0xB6 or cmd.p2 == 0xB8 or cmd.p2 == 0xA4, sw.WRONG_P1P2)
  local objects = check(tlv.map(cmd.data), sw.WRONG_DATA)
  local algorithm = objects[ALGORITHM] or "\0"
  check(#algorithm == 1, sw.WRONG_DATA)
  card.env = {
    template = cmd.p2,
    algorithm = algorithm:byte(),
    key = identifier(objects[KEY_FILE]),
    target = identifier(objects[TARGET]),
    iv = objects[IV],
  }
end

-- With user consent, the PIN in the proprietary information has to be verified again before each use.
local function ask_for_consent(card, f)
  local reference = (f.objects[0x85] or "\0"):byte() >> 4
  local pin = card.files.pins[reference]
  if not pin then return end
  check(pin.verified, sw.NOT_SATISFIED)
  pin:forget()
end

local function key_file(card, id, kind)
  local f = card.files:current()
  if id then f = file.child(card.files.df, id) end
  check(f and keys.kind(f), sw.NOT_FOUND)
  check(not kind or keys.kind(f) == kind, sw.CONDITIONS)
  return f
end

-- The environment, and the key file in it that may be used now.
local function usable(card, template, kind)
  local env = check(card.env, sw.CONDITIONS)
  check(env.template == template, sw.CONDITIONS)
  local f = key_file(card, env.key, kind)
  check(card.files:allows(f, "use"), sw.NOT_SATISFIED)
  ask_for_consent(card, f)
  return env, f
end

local function sign_rsa(env, key, data)
  if env.algorithm & PKCS1 == 0 then
    check(#data == key.bits // 8, sw.WRONG_LENGTH)
    return key:decrypt(data, { padding = "none" })
  end
  if env.algorithm & HASHED ~= 0 then
    check(#data == 20, sw.WRONG_LENGTH)
    return key:sign(data, { hash = "SHA-1" })
  end
  check(#data > 0 and #data <= key.bits // 8 - 11, sw.WRONG_LENGTH)
  return key:sign(data)
end

-- The host fills a hash up with zeros to the length of the curve. That is the same number without them, but on
-- P-521 its last bits would be cut off.
local function sign_ec(key, data)
  check(#data > 0 and #data <= (key.bits + 7) // 8, sw.WRONG_LENGTH)
  return key:sign(data:match "^\0*(.+)$")
end

function security.sign(card, cmd)
  local env, f = usable(card, 0xB6)
  local key = keys.private(f)
  if key.type == "RSA" then return check(sign_rsa(env, key, cmd.data), sw.WRONG_DATA) end
  return sign_ec(key, cmd.data)
end

-- The first byte is 00, or 81 and 82 if the two halves come in two commands. Returns nil after the first one.
local function cryptogram(card, data)
  local indicator, value = data:byte(), data:sub(2)
  if indicator == 0x81 then
    card.env.half = value
    return nil
  end
  local half = card.env.half
  card.env.half = nil
  check(indicator == 0x00 or indicator == 0x82 and half, sw.WRONG_DATA)
  return indicator == 0x82 and half .. value or value
end

local function decipher(card, cmd)
  check(card.env and cmd.nc > 0, sw.CONDITIONS)
  local value = cryptogram(card, cmd.data)
  if not value then return nil end
  local env, f = usable(card, 0xB8, "RSA")
  local key = keys.private(f)
  check(#value == key.bits // 8, sw.WRONG_LENGTH)
  local padding = env.algorithm & PKCS1 ~= 0 and "PKCS1" or "none"
  return check(key:decrypt(value, { padding = padding }), sw.WRONG_DATA)
end

security.decipher = decipher

local function put_into_target(card, value)
  local target = key_file(card, check(card.env.target, sw.CONDITIONS))
  check(card.files:allows(target, "update"), sw.NOT_SATISFIED)
  keys.set_secret(target, value)
end

function security.unwrap(card, cmd)
  local value = decipher(card, cmd)
  if value then put_into_target(card, value) end
end

local function iv_of(env)
  local iv = env.chained or env.iv or ("\0"):rep(16)
  check(#iv == 16, sw.WRONG_DATA)
  return iv
end

-- A command with the chaining bit is followed by more data in the same CBC.
local function cbc(card, cmd, run)
  local env, f = usable(card, 0xB8, "AES")
  check(cmd.nc > 0 and cmd.nc % 16 == 0, sw.WRONG_LENGTH)
  local result = run("AES-CBC", keys.secret(f), cmd.data, iv_of(env))
  local encrypted = run == crypto.encrypt and result or cmd.data
  env.chained = cmd.cla & 0x10 ~= 0 and encrypted:sub(-16) or nil
  return result
end

function security.encrypt(card, cmd)
  return cbc(card, cmd, crypto.encrypt)
end

function security.decrypt(card, cmd)
  return cbc(card, cmd, crypto.decrypt)
end

local function without_padding(value)
  local n = value:byte(-1)
  check(n >= 1 and n <= 16 and value:sub(-n) == string.char(n):rep(n), sw.WRONG_DATA)
  return value:sub(1, -n - 1)
end

function security.unwrap_by_secret(card, cmd)
  local value = cbc(card, cmd, crypto.decrypt)
  if card.env.algorithm & PKCS7 ~= 0 then value = without_padding(value) end
  put_into_target(card, value)
end

local EXTRACTABLE = 0x08   -- in the second byte of the proprietary information

local function wrap_by_secret(env, f, value)
  if env.algorithm & PKCS7 ~= 0 then
    local n = 16 - #value % 16
    value = value .. string.char(n):rep(n)
  end
  check(#value % 16 == 0, sw.WRONG_LENGTH)
  return crypto.encrypt("AES-CBC", keys.secret(f), value, iv_of(env))
end

function security.wrap(card)
  local env, f = usable(card, 0xB8)
  local target = key_file(card, check(env.target, sw.CONDITIONS))
  local information = target.objects[0x85] or "\0\0"
  check(information:byte(2) & EXTRACTABLE ~= 0 and card.files:allows(target, "use"), sw.NOT_SATISFIED)
  local value = keys.secret(target)
  if keys.kind(f) == "RSA" then return keys.private(f):public():encrypt(value) end
  check(keys.kind(f) == "AES", sw.CONDITIONS)
  return wrap_by_secret(env, f, value)
end

function security.agree(card, cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_P1P2)
  local _, f = usable(card, 0xA4, "EC")
  local template = tlv.find(cmd.data, 0x7C)
  local point = check(template and tlv.find(template, 0x85), sw.WRONG_DATA)
  return check(keys.private(f):derive(point), sw.WRONG_DATA)
end

return security
