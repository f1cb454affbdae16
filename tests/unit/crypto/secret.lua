-- SPDX-License-Identifier: BSD-3-Clause
-- Encryption with RSA, and secrets that two keys have in common: RFC 5903, RFC 7748.
local rsa = crypto.generate("RSA", 1024)
local public = rsa:public()
for _, options in ipairs { {}, { padding = "PKCS1" }, { padding = "OAEP" }, { padding = "oaep", hash = "SHA-256" } } do
  local sealed = public:encrypt("a secret", options)
  assert(#sealed == 128 and rsa:decrypt(sealed, options) == "a secret")
  assert(sealed ~= public:encrypt("a secret", options))
  assert(rsa:decrypt(sealed:sub(2), options) == nil and rsa:decrypt("", options) == nil)
  for i = 1, 8 do assert(rsa:decrypt("\0" .. random(127), options) == nil) end
end
local block = "\0\1" .. ("\xFF"):rep(117) .. "\0message!"
assert(public:encrypt(rsa:sign("message!"), { padding = "none" }) == block)
assert(rsa:decrypt(public:encrypt(block, { padding = "none" }), { padding = "none" }) == block)
assert(rsa:decrypt(("\xFF"):rep(128), { padding = "none" }) == nil)
fails("cannot encrypt: data too large for key size", public.encrypt, public, ("x"):rep(118))
fails("cannot encrypt: data too", public.encrypt, public, ("x"):rep(127), { padding = "none" })
fails("only OAEP has a hash", public.encrypt, public, "", { hash = "SHA-1" })
fails("there is no padding 'PSS'", public.encrypt, public, "", { padding = "PSS" })
fails("there is no field 'salt'", public.encrypt, public, "", { salt = 1 })
fails("a public key, expected a private one", public.decrypt, public, "")
fails("1025 bytes, expected at most 1024", rsa.decrypt, rsa, ("x"):rep(1025))

local p256 = crypto.ec { curve = "P-256", d = hex "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433" }
local peer = "\4" .. hex [[D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63
                           56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB]]
same(p256:derive(peer), "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE")
local x = crypto.ec { curve = "X25519", d = hex "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a" }
same(x:parts().point, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
same(x:derive(hex "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
  "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
for _, curve in ipairs { "P-224", "P-384", "P-521", "secp256k1", "brainpoolP256r1", "brainpoolP512r1", "X448" } do
  local a, b = crypto.generate(curve), crypto.generate(curve)
  local secret = a:derive(b:parts().point)
  assert(secret == b:derive(a:parts().point) and #secret == #a:parts().d, curve)
end

-- what the other side can send
assert(p256:derive("") == nil and p256:derive("\0") == nil and p256:derive(peer:sub(1, 64)) == nil)
assert(p256:derive("\4" .. ("\1"):rep(64)) == nil and p256:derive(("x"):rep(1024)) == nil)
assert(p256:derive(crypto.generate("secp256k1"):parts().point) == nil)
assert(x:derive(("\0"):rep(32)) == nil and x:derive("") == nil and x:derive(("\1"):rep(33)) == nil)

fails("only RSA keys encrypt and decrypt", p256.encrypt, p256, "")
fails("only keys on curves derive secrets, except Ed25519 and Ed448", rsa.derive, rsa, "")
local ed = crypto.generate("Ed25519")
fails("only keys on curves derive secrets, except Ed25519 and Ed448", ed.derive, ed, "")
fails("a public key, expected a private one", p256.derive, p256:public(), peer)
return { atr = "3B 00" }
