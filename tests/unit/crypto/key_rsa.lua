-- SPDX-License-Identifier: BSD-3-Clause
-- RSA keys: generated, and from numbers: what a card is given to import is enough.
local whole = crypto.generate("RSA", 1024)
local parts = whole:parts()
assert(#parts.n == 128 and #parts.d == 128 and #parts.p == 64 and #parts.qi == 64 and parts.e == "\1\0\1")
local function from(...)
  local some = {}
  for _, name in ipairs { ... } do some[name] = parts[name] end
  return crypto.rsa(some)
end
for _, key in ipairs { from("p", "q"), from("e", "p", "q"), from("n", "e", "d", "p", "q", "dp", "dq", "qi"),
                       from("p", "q", "dp", "dq", "qi"), crypto.rsa(parts) } do
  assert(key.private and key:parts().n == parts.n and key:parts().qi == parts.qi and key:parts().dp == parts.dp)
end
local plain = from("n", "e", "d")
assert(plain.private and plain:parts().p == nil and plain:parts().d == parts.d)
local public = from("n")
assert(not public.private and public:der() == whole:der("public"))
assert(crypto.rsa { n = "\0" .. parts.n }:parts().n == parts.n)

local bad = "its numbers do not belong together"
fails("expected n, or p and q", crypto.rsa, {})
fails("expected both p and q, or neither", crypto.rsa, { n = parts.n, p = parts.p })
fails("there is no field 'dP': did you mean 'dp'?", crypto.rsa, { n = parts.n, dP = parts.dp })
fails("there is no field 'modulus': expected one of n, e, d, p, q, dp, dq, qi", crypto.rsa, { modulus = "" })
fails("a field without a name", crypto.rsa, { parts.n })
fails("e is a number, expected a string", crypto.rsa, { n = parts.n, e = 65537 })
fails("n has 0 bytes, expected 1 to 1025", crypto.rsa, { n = "" })
fails("n has 1026 bytes, expected 1 to 1025", crypto.rsa, { n = ("x"):rep(1026) })
fails("an RSA key of 8193 bits, expected 512 to 8192", crypto.rsa, { n = "\1" .. ("\1"):rep(1024) })
fails("an RSA key of 7 bits, expected 512 to 8192", crypto.rsa, { n = "A" })
fails("its modulus is even", crypto.rsa, { n = ("\x80"):rep(128) })
for _, e in ipairs { "\0", "\1", "\2", ("\1"):rep(9) } do
  fails("its public exponent is not an odd number of 3 to 2^64", crypto.rsa, { n = parts.n, e = e })
end
fails(bad, crypto.rsa, { n = parts.n, d = parts.p })
fails(bad, crypto.rsa, { n = parts.n, d = "\0" })
fails("p, q and e do not belong together", crypto.rsa, { p = "\0", q = parts.q })
fails("p, q and e do not belong together", crypto.rsa, { p = "\1", q = parts.q })
fails("p, q and e do not belong together", crypto.rsa, { p = parts.p, q = parts.p })
fails("p, q and e do not belong together", crypto.rsa, { p = parts.p, q = parts.q, e = "\2" })
fails("not an RSA key", crypto.rsa, { p = parts.p, q = ("\xFF"):rep(64) })
fails("not an RSA key", crypto.rsa, { n = parts.n, p = parts.p, q = ("\xFF"):rep(64), d = "\3" })

fails("there is no kind of key 'DSA'", crypto.generate, "DSA", 1024)
fails("expected 1024 to 4096 bits, a multiple of 8", crypto.generate, "RSA", 1023)
fails("expected 1024 to 4096 bits, a multiple of 8", crypto.generate, "RSA", 4104)
fails("number expected, got no value", crypto.generate, "RSA")
for _, e in ipairs { 1, 2, 0, -3, 65536 } do
  fails("the public exponent must be an odd number from 3 on", crypto.generate, "RSA", 1024, e)
end
fails("the curve says how long the key is", crypto.generate, "P-256", 256)
assert(crypto.generate("RSA", 1024, 3):parts().e == "\3")
return { atr = "3B 00" }
