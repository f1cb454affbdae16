-- SPDX-License-Identifier: BSD-3-Clause
-- A passport with Basic Access Control (ICAO Doc 9303-11, 4.3): its files are read by secure messaging alone.
-- With another cipher than 3DES the session keys are for it, as after PACE; the counter begins with zeros.
local apdu = require "apdu"
local fs = require "fs"
local sm = require "sm"

local sw, check = apdu.sw, apdu.check

local cipher = args.cipher or "3DES"
local seed = crypto.hash("SHA-1", args.mrz or "L898902C<369080619406236"):sub(1, 16)
local ENC, MAC = sm.derive("3DES", seed, 1), sm.derive("3DES", seed, 2)

local holder = {}
local challenge

local function protected()
  return holder.session ~= nil
end

local files = fs.new {
  access = "never",
  files = {
    { id = 0x1001, name = hex "A0 00 00 02 47 10 01", access = "never", files = {
      { id = 0x011E, data = hex "60 14 5F 01 04 30 31 30 36 5F 36 06 30 34 30 30 30 30 5C 02 61 75",
        access = { read = protected } },
      { id = 0x0101, data = "\x61" .. ("DG1 "):rep(100), access = { read = protected } },
      { id = 0x0102, size = 16, sfi = 2, access = { read = protected, update = protected } },
    } },
  },
}

local function get_challenge()
  challenge = args.challenge and hex(args.challenge) or random(8)
  return challenge
end

local function xor(a, b)
  local bytes = {}
  for i = 1, #a do bytes[i] = string.char(a:byte(i) ~ b:byte(i)) end
  return table.concat(bytes)
end

local function start(ifd_challenge, ifd_key, key)
  local session_seed = xor(ifd_key, key)
  holder.session = sm.new {
    cipher = cipher,
    enc = sm.derive(cipher, session_seed, 1), mac = sm.derive(cipher, session_seed, 2),
    ssc = cipher == "3DES" and challenge:sub(-4) .. ifd_challenge:sub(-4) or nil,
  }
end

local function authenticate(cmd)
  local own = check(challenge, sw.CONDITIONS)
  check(cmd.nc == 40, sw.WRONG_LENGTH)
  local cryptogram, code = cmd.data:sub(1, 32), cmd.data:sub(33)
  check(code == sm.mac("3DES", MAC, cryptogram), sw.NOT_SATISFIED)
  local text = crypto.decrypt("3DES-CBC", ENC, cryptogram)
  local ifd_challenge, ifd_key = text:sub(1, 8), text:sub(17)
  check(text:sub(9, 16) == own, sw.NOT_SATISFIED)
  local key = args.key and hex(args.key) or random(16)
  start(ifd_challenge, ifd_key, key)
  challenge = nil
  local answer = crypto.encrypt("3DES-CBC", ENC, own .. ifd_challenge .. key)
  return answer .. sm.mac("3DES", MAC, answer)
end

local commands = {
  { "00 84 00 00", get_challenge },
  { "00 82 00 00", authenticate },
  { "00 CA", "6A 88" },
}

return {
  name = "passport",
  arguments = {
    mrz = "what is in the MRZ: the number, the date of birth and that of expiry, with their check digits",
    cipher = "of the session: 3DES, AES-128, AES-192 or AES-256",
    challenge = "the card's random numbers, in hexadecimal", key = "its part of the session keys",
  },
  atr = "3B 80 80 01 01",
  on_power = function()
    holder.session = nil
    files:reset()
  end,
  commands = sm.commands(files:commands(commands), holder),
}
