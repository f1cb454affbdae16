-- SPDX-License-Identifier: BSD-3-Clause
-- The module sm: what is wrong here is an error when the script is loaded.
local sm = require "sm"
local tlv = require "tlv"

local function is(found, expected)
  if found ~= expected then error("found another value than expected", 2) end
end

local function command(text)
  local raw = hex(text)
  local nc = raw:byte(5)
  return {
    raw = raw, cla = raw:byte(1), ins = raw:byte(2), p1 = raw:byte(3), p2 = raw:byte(4),
    nc = nc, data = raw:sub(6, 5 + nc), ne = 256,
  }
end

-- ICAO Doc 9303-11, appendix D: the keys of a passport, by its MRZ
local seed = hex "239AB9CB282DAF66231DC5A4DF6BFBAE"
is(seed, crypto.hash("SHA-1", "L898902C<369080619406236"):sub(1, 16))
local k_enc, k_mac = sm.derive("3DES", seed, 1), sm.derive("3DES", seed, 2)
is(k_enc, hex "AB94FDECF2674FDFB9B391F85D7F76F2")
is(k_mac, hex "7962D9ECE03D1ACD4C76089DCE131543")

-- EXTERNAL AUTHENTICATE
local e_ifd = crypto.encrypt("3DES-CBC", k_enc, hex [[
  781723860C06C226 4608F91988702212 0B795240CB7049B01C19B33E32804F0B]])
is(e_ifd, hex "72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F2")
is(sm.mac("3DES", k_mac, e_ifd), hex "5F1448EEA8AD90A7")
local e_ic = hex "46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F"
is(sm.mac("3DES", k_mac, e_ic), hex "2F2D235D074D7449")

-- Session keys
local session_seed = hex "0036D272F5C350ACAC50C3F572D23600"
local session = sm.new {
  cipher = "3DES", ssc = hex "887022120C06C226",
  enc = sm.derive("3DES", session_seed, 1), mac = sm.derive("3DES", session_seed, 2),
}
is(session.enc, hex "979EC13B1CBFE9DCD01AB0FED307EAE5")
is(session.mac, hex "F1CB1F1FB5ADF208806B89DC579DC1F8")

-- SELECT EF.COM, and READ BINARY twice
local function exchange(protected, plain, data, response)
  local cmd = session:unwrap(command(protected))
  is(cmd.raw, hex(plain))
  is(cmd.secure, true)
  local found, status = session:wrap(hex(data), 0x9000)
  is(found, hex(response))
  is(status, 0x9000)
end

exchange("0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800", "00A4020C02011E", "",
  "990290008E08FA855A5D4C50A8ED")
exchange("0CB000000D9701048E08ED6705417E96BA5500", "00B0000004", "60145F01",
  "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED")
exchange("0CB000040D9701128E082EA28A70F3C7B53500", "00B0000412", "04303130365F36063034303030305C026175",
  "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D74")
is(session.ssc, hex "887022120C06C22C")

-- What commands become, in all forms: with short and extended lengths, with plain data, without anything.
local function unprotected(objects)
  local key = ("k"):rep(16)
  local one = sm.new { cipher = "AES-128", enc = key, mac = key }
  local header, padded = hex "0C B0 00 00", objects ~= "" and sm.pad(objects, 16) or ""
  local code = sm.mac("AES-128", key, ("\0"):rep(15) .. "\1" .. sm.pad(header, 16) .. padded)
  local data = objects .. tlv.build(0x8E, code)
  return one:unwrap {
    raw = header .. data, cla = 0x0C, ins = 0xB0, p1 = 0, p2 = 0, data = data, nc = #data, ne = 0,
  }.raw
end

is(unprotected "", hex "00 B0 00 00")
is(unprotected(hex "97 01 00"), hex "00 B0 00 00 00")
is(unprotected(hex "97 02 00 00"), hex "00 B0 00 00 00 00 00")
is(unprotected(hex "97 02 01 01"), hex "00 B0 00 00 00 01 01")
is(unprotected(hex "81 01 31 97 01 05"), hex "00 B0 00 00 01 31 05")
is(unprotected(hex "97 02 01 01 81 01 31"), hex "00 B0 00 00 00 00 01 31 01 01")
is(unprotected(tlv.build(0x81, ("x"):rep(256))), hex "00 B0 00 00 00 01 00" .. ("x"):rep(256))

-- Appendix G.1: session keys of PACE
local secret = hex "28768D20701247DAE81804C9E780EDE582A9996DB4A315020B2733197DB84925"
is(sm.derive("AES-128", secret, 1), hex "F5F0E35C0D7161EE6724EE513A0D9A7F")
is(sm.derive("AES-128", secret, 2), hex "FE251C7858B356B24514B3BD5F4297D1")
is(#sm.derive("AES-192", secret, 1), 24)
is(sm.derive("AES-256", secret, 3), crypto.hash("SHA-256", secret .. "\0\0\0\3"))

-- Padding
for length = 0, 17 do
  for _, size in ipairs { 8, 16 } do
    local padded = sm.pad(("\x80"):rep(length), size)
    is(#padded % size, 0)
    is(#padded - length <= size, true)
    is(sm.unpad(padded), ("\x80"):rep(length))
  end
end
is(sm.unpad "\1\0\0", nil)
is(sm.unpad "", nil)

-- Wrong use
is(pcall(sm.new, { cipher = "DES", enc = "", mac = "" }), false)
is(pcall(sm.new, { cipher = "AES-256", enc = ("k"):rep(16), mac = ("k"):rep(32) }), false)
is(pcall(sm.new, { cipher = "3DES", enc = ("k"):rep(16), mac = ("k"):rep(16), ssc = "1" }), false)
is(pcall(sm.derive, "AES", secret, 1), false)

-- The counter begins again after its last value.
local last = sm.new { cipher = "3DES", enc = ("k"):rep(16), mac = ("k"):rep(16), ssc = ("\xFF"):rep(8) }
last.ins = 0xB0
last:wrap("", 0x9000)
is(last.ssc, ("\0"):rep(8))

return { atr = "3B 00" }
