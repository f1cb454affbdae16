-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_options: the arguments of the PIV card
--
-- options.ARGUMENTS
--     Their names and what they mean.
--
-- options.read(args)
--     The options of factory.card(). An argument that cannot be is an error that says what was expected.

local arguments = require "arguments"
local authenticate = require "piv_authenticate"
local factory = require "piv_factory"
local keys = require "piv_keys"

local expect = arguments.expect

local options = {}

options.ARGUMENTS = {
  algorithm = "of the keys: rsa1024, rsa2048, rsa3072, rsa4096, p256, p384 or ed25519 (p256)",
  cipher = "of the management key: 3des, aes128, aes192 or aes256 (3des)",
  empty = "no keys, and no certificates",
  management_key = "the management key in hexadecimal (0102030405060708, repeated)",
  pin = "the PIN, 6 to 8 characters (123456)",
  puk = "the PUK, 6 to 8 characters (12345678)",
  retired = "how many retired keys there are, 0 to 20 (0)",
  serial = "the serial number (12345678)",
  version = "the version of a YubiKey (5.7.1)",
}

local ciphers = { ["3des"] = 0x03, aes128 = 0x08, aes192 = 0x0A, aes256 = 0x0C }

-- A PIN or PUK, filled up to 8 bytes.
local function reference_data(text, name, pattern, expected)
  expect(#text >= 6 and #text <= 8 and text:find(pattern), name, expected)
  return text .. ("\xFF"):rep(8 - #text)
end

local function algorithm(text)
  local found = text:lower() ~= "x25519" and keys.algorithms[text:lower()]
  return expect(found, "algorithm", "rsa1024, rsa2048, rsa3072, rsa4096, p256, p384 or ed25519")
end

local function number(text, name, largest)
  local value = text:find "^%d+$" and math.tointeger(tonumber(text))
  return expect(value and value <= largest and value, name, "a number, 0 to " .. largest)
end

local function management(args)
  local name = (args.cipher or "3des"):lower()
  local identifier = ciphers[name]
  expect(identifier, "cipher", "3des, aes128, aes192 or aes256")
  if not args.management_key then return factory.management_key(identifier) end
  local length = authenticate.ciphers[identifier].length
  expect(args.management_key:find "^%x+$" and #args.management_key == 2 * length, "management_key",
         2 * length .. " hexadecimal digits")
  return authenticate.management_key(identifier, hex(args.management_key))
end

local function version(text)
  local a, b, c = text:match "^(%d%d?)%.(%d%d?)%.(%d%d?)$"
  expect(a, "version", "three numbers such as 5.7.1")
  return string.char(a, b, c)
end

function options.read(args)
  expect((args.empty or "") == "", "empty", "no value")
  return {
    algorithm = not args.empty and algorithm(args.algorithm or "p256") or nil,
    management = management(args),
    pin = reference_data(args.pin or "123456", "pin", "^[\0-\x7F]+$", "6 to 8 characters of ASCII"),
    puk = reference_data(args.puk or "12345678", "puk", "^[^\xFF]+$", "6 to 8 characters"),
    retired = args.empty and 0 or number(args.retired or "0", "retired", 20),
    serial = string.pack(">I4", number(args.serial or "12345678", "serial", 0xFFFFFFFF)),
    version = version(args.version or "5.7.1"),
  }
end

return options
