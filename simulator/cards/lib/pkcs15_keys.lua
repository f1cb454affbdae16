-- SPDX-License-Identifier: BSD-3-Clause
--
-- pkcs15_keys: key files of the card pkcs15
--
-- A key file is a file of a kind of its own (see fs). Its fields, all of them plain, are descriptor and size
-- (the bits of the key), and what has been put into it: private, an RSA or EC key in DER; secret, the bytes of
-- a symmetric key; and parts, those of an RSA key that is not yet complete.
--
-- keys.kind(f)
--     "RSA", "EC", "AES", "DES" or "generic"; nil if it is not a key file that the card supports.
--
-- keys.private(f), keys.secret(f)
--     The key in the file. They end the command if there is none.
--
-- keys.set_secret(f, value)
--     Puts a symmetric key into the file.
--
-- keys.generate(f, data), keys.put(f, tag, data), keys.public(f, tag)
--     GENERATE KEY PAIR, and PUT DATA and GET DATA for a part of the key, in the file f.

local apdu = require "apdu"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local keys = {}

local kinds = { [0x11] = "RSA", [0x22] = "EC", [0x29] = "AES", [0x19] = "DES", [0x41] = "generic" }
local curves = { [256] = "P-256", [384] = "P-384", [521] = "P-521" }
local lengths = { AES = { [128] = true, [256] = true }, DES = { [64] = true, [128] = true, [192] = true } }

local LEAST_RSA, MOST_RSA, MOST_SECRET = 1024, 4096, 512

local MODULUS, EXPONENT, P, Q = 0x80, 0x81, 0x83, 0x84     -- tags of the parts of RSA keys
local FIRST_HALF, SECOND_HALF = 0x88, 0x89                 -- of the modulus
local POINT, PRIVATE = 0x86, 0x87                          -- of EC keys
local SECRET = 0xA0

local is_supported = {
  RSA = function(bits) return bits >= LEAST_RSA and bits <= MOST_RSA and bits % 256 == 0 end,
  EC = function(bits) return curves[bits] end,
  AES = function(bits) return lengths.AES[bits] end,
  DES = function(bits) return lengths.DES[bits] end,
  generic = function(bits) return bits >= 8 and bits <= MOST_SECRET end,
}

function keys.kind(f)
  local kind = kinds[f.descriptor and f.descriptor:byte()]
  return kind and f.size and is_supported[kind](f.size) and kind or nil
end

-- Files hold bytes. The keys made of them are remembered, because that takes long.
local made = setmetatable({}, { __mode = "k" })

function keys.private(f)
  local bytes = check(f.private, sw.CONDITIONS)
  if not made[f] or made[f].bytes ~= bytes then made[f] = { bytes = bytes, key = crypto.key(bytes) } end
  return made[f].key
end

function keys.secret(f)
  return check(f.secret, sw.CONDITIONS)
end

-- What comes from outside may be no key.
local function attempt(make, ...)
  local done, key = pcall(make, ...)
  return check(done and key, sw.WRONG_DATA)
end

local function set_private(f, key)
  f.private, f.parts = key:der(), nil
end

function keys.set_secret(f, value)
  local kind = keys.kind(f)
  check(kind ~= "RSA" and kind ~= "EC" and #value * 8 == f.size, sw.WRONG_DATA)
  f.secret = value
end

-- The data is the public exponent in 81, in 30.
local function public_exponent(data)
  if data == "" then return 65537 end
  local template = check(tlv.find(data, 0x30), sw.WRONG_DATA)
  local exponent = check(tlv.find(template, 0x81), sw.WRONG_DATA)
  check(#exponent >= 1 and #exponent <= 4, sw.WRONG_DATA)
  return (string.unpack(">I" .. #exponent, exponent))
end

function keys.generate(f, data)
  local kind = keys.kind(f)
  check(kind == "RSA" or kind == "EC", sw.CONDITIONS)
  takes(kind == "RSA" and (f.size / 1024) ^ 2 or 0.3) -- about as long as real cards do
  if kind == "EC" then return set_private(f, crypto.generate(curves[f.size])) end
  set_private(f, attempt(crypto.generate, "RSA", f.size, public_exponent(data)))
end

local function significant(bytes)
  return (bytes:gsub("^\0+", ""))
end

-- The other parts, which the card does not need, may come or not.
local function put_rsa(f, tag, data)
  check(tag >= MODULUS and tag <= SECOND_HALF, sw.NO_REFERENCE)
  f.parts = f.parts or {}
  local parts = f.parts
  parts[tag] = data
  if tag == SECOND_HALF then parts[MODULUS] = (parts[FIRST_HALF] or "") .. data end
  if not (parts[P] and parts[Q] and parts[EXPONENT] and parts[MODULUS]) then return end
  local key = attempt(crypto.rsa, { p = parts[P], q = parts[Q], e = parts[EXPONENT] })
  check(key.bits == f.size and significant(key:parts().n) == significant(parts[MODULUS]), sw.WRONG_DATA)
  set_private(f, key)
end

local function put_ec(f, tag, data)
  local curve = curves[f.size]
  if tag == PRIVATE then return set_private(f, attempt(crypto.ec, { curve = curve, d = data })) end
  check(tag == POINT, sw.NO_REFERENCE)
  check(not f.private or keys.private(f):parts().point == data, sw.WRONG_DATA)
end

function keys.put(f, tag, data)
  local kind = check(keys.kind(f), sw.WRONG_STRUCTURE)
  if kind == "RSA" then return put_rsa(f, tag, data) end
  if kind == "EC" then return put_ec(f, tag, data) end
  check(tag == SECRET, sw.NO_REFERENCE)
  keys.set_secret(f, data)
end

function keys.public(f, tag)
  local kind = check(keys.kind(f), sw.WRONG_STRUCTURE)
  if kind == "EC" and tag == POINT then return tlv.build(POINT, keys.private(f):parts().point) end
  check(kind == "RSA" and (tag == 1 or tag == 2), sw.NO_REFERENCE)
  local parts = keys.private(f):parts()
  return tag == 1 and parts.n or parts.e
end

return keys
