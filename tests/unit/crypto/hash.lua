-- SPDX-License-Identifier: BSD-3-Clause
-- Hashes (FIPS 180-4, FIPS 202, RFC 1321, the RIPEMD-160 page) and codes (RFC 4231, RFC 4493, SP 800-38B).
local abc = {
  ["MD5"] = "900150983cd24fb0d6963f7d28e17f72",
  ["RIPEMD-160"] = "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
  ["SHA-1"] = "a9993e364706816aba3e25717850c26c9cd0d89d",
  ["sha-224"] = "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
  ["SHA-256"] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  ["SHA-384"] = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
  ["SHA-512"] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" ..
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  ["SHA3-256"] = "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
}
for name, expected in pairs(abc) do same(crypto.hash(name, "abc"), expected) end
same(crypto.hash("SHA-256", ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
assert(#crypto.hash("SHA3-224", "") == 28 and #crypto.hash("SHA3-384", "") == 48 and #crypto.hash("sha3-512", "") == 64)

same(crypto.hmac("SHA-256", ("\x0b"):rep(20), "Hi There"),
  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
same(crypto.hmac("SHA-224", ("\x0b"):rep(20), "Hi There"), "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22")
same(crypto.hmac("SHA-256", "Jefe", "what do ya want for nothing?"),
  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
same(crypto.hmac("SHA-256", ("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"),
  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
same(crypto.hmac("SHA-256", "", ""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")

local message = hex [[6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
                      30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710]]
local function cmac(cipher, key, length) return crypto.cmac(cipher, hex(key), message:sub(1, length)) end
local aes = "2b7e151628aed2a6abf7158809cf4f3c"
same(cmac("AES", aes, 0), "bb1d6929e95937287fa37d129b756746")
same(cmac("AES", aes, 16), "070a16b46b4d4144f79bdd9dd04a287c")
same(cmac("AES", aes, 40), "dfa66747de9ae63030ca32611497c827")
same(cmac("aes", aes, 64), "51f0bebf7e3b9d92fc49741779363cfe")
local des = "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5"
same(cmac("3DES", des, 0), "b7a688e122ffaf95")
same(cmac("3DES", des, 8), "8e8f293136283797")
same(cmac("3DES", des, 20), "743ddbe0ce2dc2ed")
same(cmac("3DES", des, 32), "33e6b1092400eae5")
same(cmac("3DES", "4cf15134a2850dd58a3d10ba80570d38", 0), "bd2ebf9a3ba00361")
same(cmac("3DES", "4cf15134a2850dd58a3d10ba80570d38", 8), "4ff2ab813c53ce83")

fails("there is no hash 'SHA256': did you mean 'SHA-256'?", crypto.hash, "SHA256", "")
fails("there is no hash 'none': expected one of MD5, RIPEMD-160, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA3-224, ",
  crypto.hash, "none", "")
fails("there is no such hash: expected one of MD5", crypto.hash, "\1\2\3key", "")
fails("there is no such hash: expected one of MD5", crypto.hash, ("x"):rep(41), "")
fails("bad argument #2 to '?' (string expected, got number)", crypto.hash, "SHA-1", 1)
fails("bad argument #2 to '?' (string expected, got no value)", crypto.hash, "SHA-1")
fails("bad argument #2 to '?' (1048577 bytes, expected at most 1048576)", crypto.hash, "MD5", ("x"):rep(1048577))
fails("bad argument #2 to '?' (1025 bytes, expected at most 1024)", crypto.hmac, "MD5", ("x"):rep(1025), "")
fails("there is no cipher 'DES'", crypto.cmac, "DES", "", "")
fails("a key of 8 bytes, but 3DES has keys of 16 or 24", crypto.cmac, "3DES", "12345678", "")
assert(#crypto.hash("MD5", ("x"):rep(1048576)) == 16)
return { atr = "3B 00" }
