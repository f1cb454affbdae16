-- SPDX-License-Identifier: BSD-3-Clause
-- AES (SP 800-38A; GCM: test case 4 of its specification) and DES (FIPS 81).
local plain = hex [[6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51]]
local k128 = hex "2b7e151628aed2a6abf7158809cf4f3c"
local k192 = hex "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
local k256 = hex "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"

local function both(cipher, key, data, iv, expected)
  same(crypto.encrypt(cipher, key, data, iv), expected)
  assert(crypto.decrypt(cipher, key, hex(expected), iv) == data)
end
both("AES-ECB", k128, plain, nil, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf")
both("aes-ecb", k192, plain, nil, "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef")
both("AES-ECB", k256, plain, nil, "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870")
both("AES-CBC", k128, plain, hex "000102030405060708090a0b0c0d0e0f",
  "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2")
both("AES-CTR", k128, plain, hex "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
  "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff")
assert(#crypto.encrypt("AES-CTR", k128, "odd", ("\0"):rep(16)) == 3)
assert(crypto.encrypt("AES-CBC", k128, plain) == crypto.encrypt("AES-CBC", k128, plain, ("\0"):rep(16)))
assert(crypto.encrypt("AES-CBC", k128, "") == "")

local key, iv = hex "feffe9928665731c6d6a8f9467308308", hex "cafebabefacedbaddecaf888"
local aad = hex "feedfacedeadbeeffeedfacedeadbeefabaddad2"
local text = hex [[d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                   1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39]]
local sealed = crypto.encrypt("AES-GCM", key, text, iv, aad)
same(sealed, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e" ..
  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47")
assert(crypto.decrypt("AES-GCM", key, sealed, iv, aad) == text)
assert(crypto.decrypt("AES-GCM", key, sealed, iv) == nil)
assert(crypto.decrypt("AES-GCM", key, sealed:sub(1, -2) .. "x", iv, aad) == nil)
assert(crypto.decrypt("AES-GCM", key, sealed:sub(1, 15), iv, aad) == nil)
same(crypto.encrypt("AES-GCM", ("\0"):rep(16), "", ("\0"):rep(12)), "58e2fccefa7e3061367f1d57a4e7455a")
assert(crypto.decrypt("AES-GCM", ("\0"):rep(16), hex "58e2fccefa7e3061367f1d57a4e7455a", ("\0"):rep(12)) == "")

both("DES-ECB", hex "0123456789abcdef", "Now is the time ", nil, "3fa40e8a984d48156a271787ab8883f9")
both("DES-CBC", hex "0123456789abcdef", "Now is the time ", hex "1234567890abcdef", "e5c7cdde872bf27c43e934008c389c0f")
local three = hex "0123456789abcdef23456789abcdef01456789abcdef0123"
local two = three:sub(1, 16)
assert(crypto.decrypt("3DES-CBC", three, crypto.encrypt("3DES-CBC", three, plain)) == plain)
assert(crypto.encrypt("3DES-ECB", two, plain) == crypto.encrypt("3DES-ECB", two .. two:sub(1, 8), plain))
local function des(way, key, data) return crypto[way]("DES-ECB", key, data) end
assert(crypto.encrypt("3DES-ECB", three, plain:sub(1, 8)) == des("encrypt", three:sub(17),
  des("decrypt", three:sub(9, 16), des("encrypt", three:sub(1, 8), plain:sub(1, 8)))))

fails("there is no cipher 'AES-CBX': did you mean 'AES-CBC'?", crypto.encrypt, "AES-CBX", k128, "")
fails("a key of 15 bytes, but AES has keys of 16, 24 or 32", crypto.encrypt, "AES-ECB", k128:sub(2), "")
fails("a key of 8 bytes, but 3DES has keys of 16 or 24", crypto.encrypt, "3DES-ECB", "12345678", "")
fails("a key of 16 bytes, but DES has keys of 8", crypto.encrypt, "DES-ECB", k128, "")
fails("bad argument #3 to '?' (15 bytes, but AES-CBC needs a multiple of 16)", crypto.encrypt, "AES-CBC", k128,
  k128:sub(2))
fails("an initialisation vector of 8 bytes, but AES-CBC needs one of 16", crypto.encrypt, "AES-CBC", k128, "",
  "12345678")
fails("bad argument #4 to '?' (string expected, got no value)", crypto.encrypt, "AES-CTR", k128, "")
fails("an initialisation vector of 0 bytes, expected 1 to 128, usually 12", crypto.encrypt, "AES-GCM", k128, "", "")
fails("ECB has no initialisation vector", crypto.encrypt, "AES-ECB", k128, "", "")
fails("only AES-GCM has additional data", crypto.encrypt, "AES-CBC", k128, "", nil, "")
return { atr = "3B 00" }
