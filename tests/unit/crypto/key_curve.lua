-- SPDX-License-Identifier: BSD-3-Clause
-- Keys on curves: generated, and from numbers and points.
local lengths = { ["P-224"] = 28, ["P-256"] = 32, ["P-384"] = 48, ["P-521"] = 66, secp256k1 = 32, brainpoolP256r1 = 32,
                  brainpoolP384r1 = 48, brainpoolP512r1 = 64, Ed25519 = 32, Ed448 = 57, X25519 = 32, X448 = 56 }
for curve, length in pairs(lengths) do
  local key = crypto.generate(curve:upper())
  local own = key:parts()
  assert(key.type == "EC" and key.curve == curve and key.private, curve)
  assert(#own.d == length and own.curve == curve, curve)
  assert(#own.point == (curve:find("^[EX]") and length or 2 * length + 1), curve)
  assert(crypto.ec(own):der() == key:der(), curve)
  assert(crypto.ec { curve = curve, d = own.d }:parts().point == own.point, curve)
  local only = crypto.ec { curve = curve, point = own.point }
  assert(not only.private and only:parts().d == nil and only:parts().point == own.point, curve)
  assert(only:der() == key:der("public") and key:public():der() == only:der(), curve)
  assert(crypto.key(key:pem()):parts().d == own.d and crypto.key(only:pem()):parts().point == own.point, curve)
end
-- RFC 8032, 7.1, test 1; RFC 7748, 6.1; RFC 5903, 8.1
local ed = crypto.ec { curve = "ed25519", d = hex "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60" }
same(ed:parts().point, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
local x = crypto.ec { curve = "X25519", d = hex "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a" }
same(x:parts().point, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
local p256 = crypto.ec { curve = "P-256", d = hex "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433" }
same(p256:parts().point, "04" .. "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180" ..
  "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3")
local compressed = "\3" .. p256:parts().point:sub(2, 33)
assert(crypto.ec { curve = "P-256", point = compressed }:parts().point == p256:parts().point)
local g = crypto.ec { curve = "P-256", d = "\1" }:parts().point
same(g:sub(2, 5), "6b17d1f2")

local order = hex "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"
local function ec(curve, d, point) return crypto.ec { curve = curve, d = d, point = point } end
fails("expected the name of the curve", crypto.ec, {})
fails("there is no curve 'P256': did you mean 'P-256'?", ec, "P256", "\1")
fails("expected d, or point, or both", ec, "P-256")
fails("its d is not in the range of the curve", ec, "P-256", "\0")
fails("its d is not in the range of the curve", ec, "P-256", order)
fails("not a key on P-256", ec, "P-256", ("\xFF"):rep(32))
fails("not a key on P-256: its numbers do not belong together", ec, "P-256", "\2", g)
fails("its point is not on the curve", ec, "P-256", nil, "\4" .. ("\1"):rep(64))
fails("its point is not on the curve", ec, "P-256", nil, "\0")
fails("its point is not on the curve", ec, "P-256", nil, g:sub(1, 64))
fails("its point is not on the curve", ec, "secp256k1", nil, g)
fails("not a key on Ed25519: expected 32 bytes", ec, "Ed25519", "x")
fails("not a key on X448: expected 56 bytes", ec, "X448", nil, "x")
fails("d and point do not belong together", ec, "Ed25519", ed:parts().d, ("\0"):rep(32))
return { atr = "3B 00" }
