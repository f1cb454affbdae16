-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_options: the arguments of the OpenPGP card
--
-- options.ARGUMENTS
--     Their names and what they mean.
--
-- options.card(args, kept)
--     The card with these arguments, which only count if kept is empty; see factory.card(). An argument that
--     cannot be is an error that says what was expected.

local algorithms = require "openpgp_algorithms"
local arguments = require "arguments"
local factory = require "openpgp_factory"
local fingerprint = require "openpgp_fingerprint"
local keys = require "openpgp_keys"

local expect = arguments.expect

local options = {}

options.ARGUMENTS = {
  admin_pin = "PW3, at least 8 characters (12345678)",
  keys = "generates three keys: rsa2048, nistp256, nistp384, nistp521, secp256k1, brainpoolP256r1, " ..
         "brainpoolP384r1, brainpoolP512r1 or ed25519 (no keys)",
  pin = "PW1, at least 6 characters (123456)",
  serial = "the serial number, 8 hexadecimal digits (12345678)",
}

local TIME = string.pack(">I4", 1577836800)  -- when the keys were made: at the beginning of 2020

local function set_password(password, value, name, expected)
  if not value then return end
  expect(password.accepts(value), name, expected)
  password:set(value)
end

-- What a host does when it generates a key. RSA keys of more bits would take too long.
local function add_key(card, entry, name)
  local algorithm = name ~= "rsa3072" and name ~= "rsa4096" and algorithms.named(entry.reference, name)
  expect(algorithm, "keys", "rsa2048, ed25519 or the name of another curve")
  keys.set_algorithm(entry, algorithm.attributes)
  entry.fingerprint = fingerprint.of(algorithm, keys.make(card, entry), TIME)
  entry.time = TIME
end

function options.card(args, kept)
  local serial = args.serial or "12345678"
  expect(#serial == 8 and serial:find "^%x+$", "serial", "8 hexadecimal digits")
  local is_new = not kept.keys
  local card = factory.card(hex(serial), kept)
  if not is_new then return card end
  set_password(card.PW1, args.pin, "pin", "6 to 127 characters")
  set_password(card.PW3, args.admin_pin, "admin_pin", "8 to 127 characters")
  if args.keys then
    for _, entry in ipairs(kept.keys) do add_key(card, entry, args.keys) end
  end
  return card
end

return options
