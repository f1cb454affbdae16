-- SPDX-License-Identifier: BSD-3-Clause
-- Signatures: NIST CAVP (SigGen15_186-3, SigGenPSS_186-3, SigGen of ecdsa_values) and RFC 8032.
local sha1, sha256 = "SHA-1", "SHA-256"

local key = crypto.rsa { e = hex "1001", n = hex [[
  a3ecf80ff1804833c36a89a1583f58ef3332476a50a153e73ced17796139636045c131a6b17222ba8848f70150b18dfa
  390bfb1670ae982dfbc311fd0ede055564687af3805ca883944bb5ac9ec19b0e0cfbd9a314d70b17080c3d49b50cbf41
  7062eb41bd639d67a5fb330ec55a0489fee08eeec97ed487c114b20393fe0aef]] }
local hash = crypto.hash(sha256, hex [[
  dfce08b64b9ea4014947012670548da4ceeee084dbfe509aac92bf096982b8050153bbdd1c5bd4385226729e9a19773b
  05558ce0acdfb74be6fd2fa8bfe36f58a68e89f066f1bd85584f4a27d6e884abf2d727ae683bebd6d295585b1b71dcc6
  36491bf910a68670c3882fc60c08db7bff3c59f4f95b13c3d721e329657528d9]])
local signature = hex [[
  8D9D30A87DF0C2F6CD651FCAF2B9AC1296287AD3D4B03132E330F08AB701FC197040D0A261F631E7E34478B592551E1F
  682395C9E2B54C8CE8B0C72C1B5A79748CC34F9152730A7F67FAE1225A4CE750F1D5D4E288176DF197E7503C88B5BAEC
  EF3ABCF2875F111E6D7F7B4DC8AFA2ED3C1D7AD8E7CF45A77F0B1CB178518402]]
local info = hex "3031300d060960864801650304020105000420"
assert(key:verify(hash, signature, { hash = sha256 }))
assert(key:verify(info .. hash, signature) and not key:verify(hash, signature))
assert(key:verify("\0\1" .. ("\xFF"):rep(74) .. "\0" .. info .. hash, signature, { padding = "none" }))
assert(not key:verify(hash, signature:sub(2), { hash = sha256 }) and not key:verify(hash, "", { hash = sha256 }))
assert(not key:verify(("x"):rep(32), signature, { hash = sha256 }))

key = crypto.rsa { e = hex "1001", n = hex [[
  c87155f3d9f3771f6ab89ef30cd36230463902ff0633aa869b6dbd7592c83f4b2f882739ff499f1499fb0db4586c7f7b
  2dfd5a37dbe0df37dea9d0d5814a4047b647c1d8eb356ebae6a198899f97c25f9182fab2b6be88384a1b8cb16a82a05a
  aadf610ce2e045b41b8880a13b7133ea07296126471c9a450ae48bc880102c8b]] }
hash = crypto.hash(sha1, hex [[
  cfaecfe138c2e6e1ae3a2c46177944bbc29da763920fea125f5840be99373f302ef0e7ffaee6e0bfae6c03766ad91c4f
  aedaee93f60d78d4d4cb776c92452c2618d25f3a1187a47f4a09dddc5a9f00ff888b1b52e99b952bc9fbb6444c4d696a
  55fb4179a7ccbb874bb6c36031f479331a58348ab4e1c77f0790042d11787f66]])
signature = hex [[
  101769CABA2C5A8652AEFBC55466D0476D5DEC508EFF8AD282E56033F9C8389B77615D83BBC2556C245B0DECD63AAB20
  84A3653F361C94E4DD9DA2D17E390A0AF2AA46AE7382D96D3F45AB88CB81694BCA9D072AAEC703B4681E741687BF8DDE
  FEC11A3427BACD601A6849A328C0AC7367FB7B8A751A125113729BC6160568C9]]
assert(key:verify(hash, signature, { padding = "PSS", hash = sha1, salt = 0 }))
assert(not key:verify(hash, signature, { padding = "PSS", hash = sha1 }))

key = crypto.ec { curve = "P-256", point = "\4" .. hex [[
  e9cd2e8f15bd90cb0707e05ed3b601aace7ef57142a64661ea1dd7199ebba9ac
  c96b0115bed1c134b68f89584b040a194bfad94a404fdb37adad107d5a0b4c5e]] }
hash = crypto.hash(sha1, hex [[
  5ff1fa17c2a67ce599a34688f6fb2d4a8af17532d15fa1868a598a8e6a0daf9b11edcc483d11ae003ed645c0aaccfb1e
  51cf448b737376d531a6dcf0429005f5e7be626b218011c6218ff32d00f30480b024ec9a3370d1d30a9c70c9f1ce6c61
  c9abe508d6bc4d3f2a167756613af1778f3a94e7771d5989fe856fa4df8f8ae5]])
signature = hex [[
  15bf46937c7a1e2fa7adc65c89fe03ae602dd7dfa6722cdafa92d624b32b156e
  59c591792ee94f0b202e7a590e70d01dd8a9774884e2b5ba9945437cfed01686]]
assert(key:verify(hash, signature, { format = "raw" }) and not key:verify(hash, signature))
assert(key:verify(hash, hex "3044 0220" .. signature:sub(1, 32) .. hex "0220" .. signature:sub(33)))
assert(not key:verify(hash, signature:sub(2), { format = "raw" }) and not key:verify(hash, "", { format = "raw" }))
assert(not key:verify(hash, ("\0"):rep(64), { format = "raw" }))

key = crypto.ec { curve = "Ed25519", d = hex "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb" }
same(key:sign("\x72"), "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" ..
  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
assert(key:public():verify("\x72", key:sign("\x72")) and not key:verify("\x73", key:sign("\x72")))
key = crypto.ec { curve = "Ed25519", d = hex "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60" }
same(key:sign(""), "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" ..
  "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")
fails("Ed25519 and Ed448 have no options", key.sign, key, "", { hash = sha256 })

-- each way to sign
local rsa, ec, x = crypto.generate("RSA", 1024), crypto.generate("P-384"), crypto.generate("X25519")
hash = crypto.hash(sha256, "abc")
local whole = "\0\1" .. ("\xFF"):rep(74) .. "\0" .. info .. hash
assert(rsa:sign(hash, { hash = "sha-256" }) == rsa:sign(info .. hash))
assert(rsa:sign(info .. hash, { padding = "pkcs1" }) == rsa:sign(whole, { padding = "none" }))
for _, options in ipairs { {}, { hash = sha256 }, { hash = sha256, padding = "PSS" },
                           { hash = sha256, padding = "PSS", salt = 94 },
                           { hash = sha256, padding = "pss", salt = 0 } } do
  local public = rsa:public()
  assert(public:verify(hash, rsa:sign(hash, options), options) and #rsa:sign(hash, options) == 128)
end
for _, curve in ipairs { "P-224", "P-521", "secp256k1", "brainpoolP512r1", "Ed448" } do
  local k = crypto.generate(curve)
  assert(k:verify(hash, k:sign(hash)), curve)
end
assert(#ec:sign(hash, { format = "raw" }) == 96 and ec:sign(hash):byte() == 0x30)
for i = 1, 20 do assert(ec:verify(hash, ec:sign(hash, { format = "raw" }), { format = "raw" })) end
assert(ec:verify(hash, ec:sign(hash, { hash = sha256 })))

fails("a public key, expected a private one", rsa.sign, rsa:public(), hash)
fails("a key for X25519 or X448 cannot sign", x.sign, x, hash)
fails("118 bytes, expected at most 117, as the padding needs 11", rsa.sign, rsa, ("x"):rep(118))
fails("127 bytes, expected the 128 of the modulus", rsa.sign, rsa, ("x"):rep(127), { padding = "none" })
fails("cannot sign: data too large for modulus", rsa.sign, rsa, ("\xFF"):rep(128), { padding = "none" })
fails("data has 20 bytes, but a value of SHA-256 has 32", rsa.sign, rsa, ("x"):rep(20), { hash = sha256 })
fails("data has 32 bytes, but a value of SHA-1 has 20", ec.sign, ec, hash, { hash = sha1 })
fails("PSS needs the name of the hash", rsa.sign, rsa, hash, { padding = "PSS" })
fails("with the padding 'none' there is no hash", rsa.sign, rsa, hash, { padding = "none", hash = sha256 })
fails("only PSS has a salt", rsa.sign, rsa, hash, { salt = 20 })
fails("salt must be a number of bytes", rsa.sign, rsa, hash, { salt = -1, padding = "PSS", hash = sha256 })
fails("cannot sign: data too large for key size", rsa.sign, rsa, hash, { salt = 95, padding = "PSS", hash = sha256 })
fails("only keys on curves have a format", rsa.sign, rsa, hash, { format = "raw" })
fails("only RSA keys have a padding and a salt", ec.sign, ec, hash, { padding = "PSS" })
fails("there is no padding 'OAEP'", rsa.sign, rsa, hash, { padding = "OAEP" })
fails("there is no format 'DIR': did you mean 'DER'?", ec.sign, ec, hash, { format = "DIR" })
fails("there is no hash 'SHA2': expected one of", ec.sign, ec, hash, { hash = "SHA2" })
fails("there is no field 'digest': expected one of hash, padding, salt, format", ec.sign, ec, hash, { digest = sha1 })
fails("table expected, got string", ec.sign, ec, hash, sha1)
return { atr = "3B 00" }
