-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_fingerprint: the fingerprints of OpenPGP keys
--
-- fingerprint.of(algorithm, key, time)
--     The fingerprint (RFC 4880, 12.2) of a key with an algorithm as in openpgp_algorithms, made at this
--     time, four bytes. A host would compute it and write it to the card.

local fingerprint = {}

local ECDH = 0x12
local VERSION = "\4"
local COMPRESSED = "\x40"  -- before a point that has only one coordinate

-- The KDF of a key for decryption (RFC 6637, 9): hash and cipher by the length of the curve, as GnuPG chooses
-- them.
local function key_derivation(length)
  if length <= 32 then return "\3\1\8\7" end   -- SHA-256, AES-128
  if length <= 48 then return "\3\1\9\9" end   -- SHA-384, AES-256
  return "\3\1\10\9"                           -- SHA-512, AES-256
end

-- The number of bits, and the number without leading zeros.
local function number(bytes)
  bytes = bytes:gsub("^\0+", "")
  local bits, first = #bytes * 8, bytes:byte()
  while first < 0x80 do bits, first = bits - 1, first << 1 end
  return string.pack(">I2", bits) .. bytes
end

local function public_key(algorithm, parts)
  if algorithm.type == "RSA" then return number(parts.n) .. number(parts.e) end
  local point = #parts.point == algorithm.length and COMPRESSED .. parts.point or parts.point
  local decrypts = algorithm.attributes:byte() == ECDH
  return string.pack("s1", algorithm.oid) .. number(point) ..
         (decrypts and key_derivation(algorithm.length) or "")
end

function fingerprint.of(algorithm, key, time)
  local packet = VERSION .. time .. algorithm.attributes:sub(1, 1) .. public_key(algorithm, key:parts())
  return crypto.hash("SHA-1", "\x99" .. string.pack(">s2", packet))
end

return fingerprint
