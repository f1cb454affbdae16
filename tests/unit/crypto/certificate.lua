-- SPDX-License-Identifier: BSD-3-Clause
-- Certificates: read, and made.
local pem = [[
-----BEGIN CERTIFICATE-----
MIIBnTCCAUOgAwIBAgICEjQwCgYIKoZIzj0EAwIwLDEYMBYGA1UEAwwPUm9vdCwg
dGhlIGZpcnN0MRAwDgYDVQQKDAdFeGFtcGxlMCAXDTI2MTEyODEwMTA0NFoYDzIw
NTEwNzIwMTAxMDQ0WjAsMRgwFgYDVQQDDA9Sb290LCB0aGUgZmlyc3QxEDAOBgNV
BAoMB0V4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ6tZqJQr9dO9+R
ml3uG8zV6gU4siTELWc5q5PTz0j6+3JdlIchb91w2wDVW1WBR86qjExoGDDF4MUg
sBEjxybXo1MwUTAdBgNVHQ4EFgQU1f7Nf+NQ5gpAYSHndwTUg23k4wUwHwYDVR0j
BBgwFoAU1f7Nf+NQ5gpAYSHndwTUg23k4wUwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiEA8Y+WxblWkCEA2dBDlDHADCrZ9QZMNkWo9dS0Rg3EuCgC
IEqBBCZaL9eOKqNJjggEaHOIp932b5BX2b/MrTM4JqvY
-----END CERTIFICATE-----
]]
local root = crypto.read_certificate(pem)
assert(root.subject == "CN=Root\\, the first,O=Example" and root.issuer == root.subject)
assert(root.serial == "\x12\x34" and root.key.curve == "P-256" and root.not_before:match("^20%d%d%-%d%d%-%d%d %d"))
assert(crypto.read_certificate(root.der).der == root.der)

local not_one = "not a certificate: expected PEM or DER"
fails(not_one, crypto.read_certificate, "")
fails(not_one, crypto.read_certificate, root.der .. "x")
fails(not_one, crypto.read_certificate, pem:sub(1, 200))
fails(not_one, crypto.read_certificate, pem:gsub("\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1))
for length = 1, #root.der - 1, 11 do fails(not_one, crypto.read_certificate, root.der:sub(1, length)) end
for i = 1, #root.der, 7 do -- a bit of it is wrong: an error, or a certificate
  pcall(crypto.read_certificate, root.der:sub(1, i - 1) .. string.char(root.der:byte(i) ~ 1) .. root.der:sub(i + 1))
end

-- self-signed; the defaults are the same whenever it is made
local key = crypto.ec { curve = "P-256", d = "\1\2\3" }
local own = crypto.read_certificate(crypto.certificate { subject = "CN=Alice,C=DE", key = key })
assert(own.subject == "CN=Alice,C=DE" and own.issuer == own.subject and own.serial == "\1")
assert(own.not_before == "2020-01-01 00:00:00" and own.not_after == "2049-12-31 23:59:59")
assert(own.key:der() == key:der("public"))

-- signed by another key
local all = { subject = "CN=a\\,b\\\\c, emailAddress=a@example.com,O=\xC3\x84", issuer = "CN=CA",
              serial = ("\x7F"):rep(20), not_before = "1999-12-31", not_after = "2051-02-03 04:05:06",
              key = crypto.generate("X25519"), signer = crypto.generate("RSA", 1024),
              hash = "SHA-1", ca = true, usage = { "keyCertSign", "crlsign" } }
local read = crypto.read_certificate(crypto.certificate(all))
assert(read.subject == "CN=a\\,b\\\\c,emailAddress=a@example.com,O=\xC3\x84" and read.issuer == "CN=CA")
assert(read.serial == all.serial and read.not_before == "1999-12-31 00:00:00")
assert(read.not_after == "2051-02-03 04:05:06" and read.key:der() == all.key:der("public"))
assert(crypto.certificate(all) == crypto.certificate(all))
assert(crypto.certificate(all):find("\4\5\x30\3\1\1\xFF", 1, true)) -- TRUE is FF in DER, or Go refuses it
for _, curve in ipairs { "Ed25519", "Ed448", "P-521", "brainpoolP384r1" } do
  all.signer = crypto.generate(curve)
  assert(crypto.read_certificate(crypto.certificate(all)).subject, curve)
end

local function make(changes)
  local fields = { subject = "CN=A", key = key }
  for name, value in pairs(changes) do fields[name] = value or nil end
  return crypto.certificate(fields)
end
fails("expected a subject", make, { subject = false })
fails("expected a key", make, { key = false })
fails("the certificate must be signed by a private key", make, { key = key:public() })
fails("a key for X25519 or X448 cannot sign", make, { key = all.key })
fails("expected the signer's name as issuer", make, { signer = key })
fails("key expected, got string", make, { key = "x" })
fails("there is no field 'validity'", make, { validity = 1 })
fails("the name has a part 'Alice', expected one like CN=Alice", make, { subject = "Alice" })
fails("the name cannot have the part 'XX=Alice'", make, { subject = "XX=Alice" })
fails("the name cannot have the part 'C=Germany'", make, { subject = "C=Germany" })
fails("the name cannot have the part 'CN='", make, { subject = "CN=" })
fails("a text with a zero byte", make, { subject = "CN=\0" })
fails("subject has 1025 bytes, expected 1 to 1024", make, { subject = ("x"):rep(1025) })
for _, date in ipairs { "today", "2020-13-01", "2020-1-1", "2020-01-01 ", "2020-01-01 1:2:3",
                        "2020-01-01x", "2020-02-30" } do
  fails("is not like 2026-11-28 or 2026-11-28 12:00:00", make, { not_after = date })
end
fails("serial has 21 bytes, expected 1 to 20", make, { serial = ("x"):rep(21) })
fails("usage must be a list of names", make, { usage = "keyCertSign" })
fails("usage must not be empty", make, { usage = {} })
fails("there is no usage 'sign'", make, { usage = { "sign" } })
fails("there is no hash 'SHA'", make, { hash = "SHA" })
return { atr = "3B 00" }
