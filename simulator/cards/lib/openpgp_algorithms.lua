-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_algorithms: algorithm attributes (4.4.3.9 of the specification), the data objects C1 to C3
--
-- An algorithm is a table: type, "RSA" or "EC"; bits or curve, for crypto.generate(); length, the bytes of a
-- private number on the curve; oid, that of the curve; and attributes, the bytes of its data object.
--
-- algorithms.find(reference, attributes)
--     The algorithm with these attributes; nil if the key with this reference cannot have it.
--
-- algorithms.named(reference, name)
--     The algorithm with this name, such as "rsa2048" or "nistp256"; nil if there is none. "ed25519" is
--     X25519 for the decryption key, and "cv25519" is Ed25519 for the others.
--
-- algorithms.list(reference)
--     A list of all algorithms that the key with this reference can have.

local algorithms = {}

local RSA, ECDH, ECDSA, EDDSA = 0x01, 0x12, 0x13, 0x16  -- as in RFC 4880 and RFC 6637
local DECRYPTION = 2                                    -- the reference of that key
local LAST_FORMAT = 3                                   -- of an RSA key that is imported
local WITH_PUBLIC_KEY = "\xFF"                          -- behind an OID: the public key is imported, too

local sizes = { rsa2048 = 2048, rsa3072 = 3072, rsa4096 = 4096 }

local curves = {
  nistp256        = { curve = "P-256", length = 32, oid = hex "2A 86 48 CE 3D 03 01 07" },
  nistp384        = { curve = "P-384", length = 48, oid = hex "2B 81 04 00 22" },
  nistp521        = { curve = "P-521", length = 66, oid = hex "2B 81 04 00 23" },
  secp256k1       = { curve = "secp256k1", length = 32, oid = hex "2B 81 04 00 0A" },
  brainpoolP256r1 = { curve = "brainpoolP256r1", length = 32, oid = hex "2B 24 03 03 02 08 01 01 07" },
  brainpoolP384r1 = { curve = "brainpoolP384r1", length = 48, oid = hex "2B 24 03 03 02 08 01 01 0B" },
  brainpoolP512r1 = { curve = "brainpoolP512r1", length = 64, oid = hex "2B 24 03 03 02 08 01 01 0D" },
  ed25519         = { curve = "Ed25519", length = 32, oid = hex "2B 06 01 04 01 DA 47 0F 01" },
  cv25519         = { curve = "X25519", length = 32, oid = hex "2B 06 01 04 01 97 55 01 05 01" },
}

local names = {
  "rsa2048", "rsa3072", "rsa4096", "nistp256", "nistp384", "nistp521", "secp256k1", "brainpoolP256r1",
  "brainpoolP384r1", "brainpoolP512r1", "ed25519", "cv25519",
}

local by_oid = {}
for _, curve in pairs(curves) do by_oid[curve.oid] = curve end

-- Ed25519 only signs, X25519 only decrypts, and all other curves do both.
local function identifier(reference, curve)
  if reference == DECRYPTION then return curve ~= "Ed25519" and ECDH end
  if curve == "Ed25519" then return EDDSA end
  return curve ~= "X25519" and ECDSA
end

local function on_curve(reference, found, attributes)
  local algorithm = identifier(reference, found.curve)
  if not algorithm then return nil end
  attributes = attributes or string.char(algorithm) .. found.oid
  if attributes:byte() ~= algorithm then return nil end
  return { type = "EC", curve = found.curve, length = found.length, oid = found.oid, attributes = attributes }
end

-- The length of the public exponent is 32 bits, with leading zeros, or what 65537 needs: GnuPG takes what it
-- finds, and ykman wants the latter. The format says which parts of a key are imported; format 0 is the exponent
-- and the primes.
local LONG, SHORT = 32, 17

local function rsa(attributes)
  if #attributes ~= 6 then return nil end
  local _, bits, exponent, format = string.unpack(">B I2 I2 B", attributes)
  if not (bits == 2048 or bits == 3072 or bits == 4096) then return nil end
  if not (exponent == LONG or exponent == SHORT) or format > LAST_FORMAT then return nil end
  return { type = "RSA", bits = bits, attributes = attributes }
end

local function rsa_of(bits, exponent)
  return rsa(string.pack(">B I2 I2 B", RSA, bits, exponent, 0))
end

function algorithms.find(reference, attributes)
  if attributes:byte() == RSA then return rsa(attributes) end
  local oid = attributes:sub(2)
  local found = by_oid[oid]
  if not found and oid:sub(-1) == WITH_PUBLIC_KEY then found = by_oid[oid:sub(1, -2)] end
  return found and on_curve(reference, found, attributes)
end

function algorithms.named(reference, name)
  if sizes[name] then return rsa_of(sizes[name], LONG) end
  local counterpart = reference == DECRYPTION and "cv25519" or "ed25519"
  if name == "ed25519" or name == "cv25519" then name = counterpart end
  return curves[name] and on_curve(reference, curves[name])
end

function algorithms.list(reference)
  local list = {}
  for _, name in ipairs(names) do
    local size, curve = sizes[name], curves[name]
    list[#list + 1] = size and rsa_of(size, LONG) or curve and on_curve(reference, curve) or nil
    list[#list + 1] = size and rsa_of(size, SHORT) or nil
  end
  return list
end

return algorithms
