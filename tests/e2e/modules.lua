-- SPDX-License-Identifier: BSD-3-Clause
-- The modules apdu, pem, pins and tlv: what is wrong here is an error when the script is loaded.
local apdu = require "apdu"
local pem = require "pem"
local pins = require "pins"
local tlv = require "tlv"

local function is(found, expected)
  if found ~= expected then error(("found %s, expected %s"):format(found, expected), 2) end
end

-- tlv: built
is(tlv.build(0x5C), hex "5C 00")
is(tlv.build(0x5C, "ab", "c"), hex "5C 03" .. "abc")
is(tlv.build(0x7F49, ("x"):rep(127)), hex "7F 49 7F" .. ("x"):rep(127))
is(tlv.build(0x53, ("x"):rep(128)), hex "53 81 80" .. ("x"):rep(128))
is(tlv.build(0x53, ("x"):rep(255)), hex "53 81 FF" .. ("x"):rep(255))
is(tlv.build(0x53, ("x"):rep(256)), hex "53 82 01 00" .. ("x"):rep(256))
is(tlv.build(0x5FC105, "x"), hex "5F C1 05 01" .. "x")
is(#tlv.build(0x53, ("x"):rep(65535)), 65539)
is(pcall(tlv.build, 0x53, ("x"):rep(65536)), false)

-- tlv: parsed
for _, tag in ipairs { 0x01, 0x5C, 0x5F2F, 0x7F49, 0x5FC105 } do
  for _, length in ipairs { 0, 1, 127, 128, 255, 256, 65535 } do
    local found, value, after = tlv.parse("!" .. tlv.build(tag, ("x"):rep(length)) .. "?", 2)
    is(found, tag)
    is(#value, length)
    is(after, 2 + #tlv.build(tag, ("x"):rep(length)))
  end
end
local map = tlv.map(hex "81 01 01  82 00  81 01 02")
is(map[0x81], "\1")
is(map[0x82], "")
is(map[0x83], nil)
is(tlv.find(hex "81 01 01 82 00", 0x82), "")
is(tlv.find("", 0x82), nil)
local order = {}
for tag, value in tlv.each(hex "81 01 05  82 00") do order[#order + 1] = tag .. ":" .. #value end
is(table.concat(order, " "), "129:1 130:0")

-- tlv: refused
for text, message in pairs {
  ["81"] = "no length", ["81 01"] = "a value is cut off", ["81 02 00"] = "a value is cut off",
  ["81 81"] = "a length is cut off", ["81 82 01"] = "a length is cut off", ["81 80 00 00"] = "the length is indefinite",
  ["81 83 00 00 01 00"] = "a length has more than two bytes", ["5F"] = "a tag is cut off", ["5F C1"] = "a tag is cut off",
  ["5F C1 C1 01 00"] = "a tag has more than three bytes", ["82 00 81 01"] = "a value is cut off",
} do
  for _, parse in ipairs { tlv.each, tlv.map, function(data) return tlv.find(data, 0x82) end } do
    local found, why = parse(hex(text))
    is(found, nil)
    is(why, message)
  end
end
is(select(2, tlv.parse("")), "no tag")

-- pem: what is encoded is decoded, whatever its length
for length = 0, 200 do
  local der = random(length)
  local blocks = pem.decode("text\n" .. pem.encode("CERTIFICATE", der) .. "\nmore\n" .. pem.encode("X509 CRL", "x"))
  is(#blocks, 2)
  is(blocks[1].label, "CERTIFICATE")
  is(blocks[1].der, der)
  is(blocks[2].label, "X509 CRL")
  is(blocks[2].der, "x")
end
is(pem.encode("A", hex "00 10 83 10 51 87 20 92 8B"), "-----BEGIN A-----\nABCDEFGHIJKL\n-----END A-----\n")
is(pem.decode(pem.encode("A", "ab"):gsub("\n", " \t\r\n"))[1].der, "ab")
is(pem.decode("-----BEGIN A-----\nYW\nI=\n-----END A-----")[1].der, "ab")
is(#pem.decode(pem.encode("A", ("x"):rep(65536)))[1].der, 65536)
if pcall(crypto.hash, "SHA-256", "") then
  local key = crypto.generate "P-256"
  is(pem.decode(key:pem())[1].der, key:der())
  is(crypto.key(pem.encode("PRIVATE KEY", key:der())):der(), key:der())
end

-- pem: refused
for text, message in pairs {
  [""] = "no PEM", ["YWI="] = "no PEM", ["-----BEGIN -----"] = "no PEM", ["-----BEGIN A----"] = "no PEM",
  [" -----BEGIN A-----"] = "no PEM", ["-----END A-----"] = "no PEM",
  ["\n-----BEGIN A-----\nYWI="] = "the A at line 2 has no end",
  ["-----BEGIN A-----\nYWI=\n-----END B-----"] = "the A at line 1 has no end",
  ["-----BEGIN A-----\n-----BEGIN A-----\nYWI=\n-----END A-----"] = "the A at line 1 has no end",
  ["-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nYWI=\n-----END A-----"] = "the A at line 1 has headers",
} do
  local blocks, why = pem.decode(text)
  is(blocks, nil)
  is(why, message)
end
for _, digits in ipairs { "Y", "YW", "YWI", "YWI=YWI=", "Y===", "====", "YW I=", "YWJ=", "YX==", "YW_-", "YWI\0", "YWI=\n=" } do
  is(select(2, pem.decode("-----BEGIN A-----\n" .. digits .. "\n-----END A-----")), "the A at line 1 is not in base64")
end

-- pins
local PUK = pins.new { value = "87654321", tries = 2 }
local PIN = pins.new { value = "1234", unblocked_by = PUK, accepts = function(new) return #new == 4 end }
is(PIN:status(), 0x63C3)
is(PIN:verify("1"), 0x63C2)
is(PIN:verify("1234"), 0x9000)
is(PIN:status(), 0x9000)
is(PIN:verify("1"), 0x63C2)
is(PIN.verified, false)
is(PIN:change("1234", "1"), 0x6A80)
is(PIN.kept.left, 2)
is(PIN:change("1", "4321"), 0x63C1)
is(PIN:change("1234", "4321"), 0x9000)
is(PIN.verified, true)
PIN:forget()
is(PIN:status(), 0x63C3)
for left = 2, 0, -1 do is(PIN:verify "", 0x63C0 | left) end
is(PIN:verify "4321", 0x6983)
is(PIN:status(), 0x6983)
is(PIN:change("4321", "1234"), 0x6983)
is(PIN:unblock("87654321", "12345"), 0x6A80)
is(PIN:unblock("1", "1234"), 0x63C1)
is(PIN:unblock("87654321", "1234"), 0x9000)
is(PIN.verified, false)
is(PUK.verified, false)
is(PUK.kept.left, 2)
is(PIN:verify "1234", 0x9000)
is(PIN:unblock("1", "1234"), 0x63C1)
is(PIN.verified, true)
is(PIN:unblock("1", "1234"), 0x63C0)
is(PIN:unblock("87654321", "1234"), 0x6983)
is(PUK:unblock("1", "1"), 0x6983)
PIN:set("0000", 20)
is(PIN:status(), 0x63CF)
is(PIN:verify "0000", 0x9000)
is(PIN:verify "", 0x63CF)
is(pins.new { value = "1", kept = PIN.kept }:status(), 0x63CF)
is(PIN.kept.left, 19)

-- apdu
local sw, check = apdu.sw, apdu.check
is(apdu.command(function() end)(), "")
is(select(2, apdu.command(function() end)()), 0x9000)
is(select(2, apdu.command(function() return nil, 0x6283 end)()), 0x6283)
is(apdu.command(function(cmd) return check(cmd, sw.NOT_FOUND) end) "x", "x")
is(select(2, apdu.command(function() pcall(error) check(nil, sw.NOT_FOUND) end)()), 0x6A82)
is(select(2, pcall(apdu.command(function() error("a mistake", 0) end))), "a mistake")
local first = true
local list = apdu.commands({ { "00 01", function() return "x" end }, { "00", "6D 00" } }, function()
  check(not first, sw.NOT_SATISFIED)
end)
is(list[1][1], "00 01")
is(list[2][2], "6D 00")
is(select(2, list[1][2] {}), 0x6982)
first = false
is(list[1][2] {}, "x")

return { atr = "3B 00" }
