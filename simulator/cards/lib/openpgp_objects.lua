-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_objects: the data objects of an OpenPGP card (4.4 of the specification)
--
-- card.kept.objects has the values of those that the host writes and the card only keeps. The other ones come
-- from card.kept.keys and the passwords.
--
-- objects.new(aid)
--     card.kept.objects of a new card. aid is the application identifier (4F).
--
-- objects.KEPT
--     From their tags to what the host may write: longest or length, how many bytes; pattern; and write and
--     read, the mode of the password that this needs. Without write it cannot, or PUT DATA does more than
--     keeping.
--
-- objects.with_certificate(card)
--     The key whose certificate GET DATA and PUT DATA mean.
--
-- objects.get, objects.get_next, objects.select
--     GET DATA, GET NEXT DATA and SELECT DATA.
--
-- objects.get_file
--     GET DATA with odd INS, which reads EF.DIR and EF.ATR/INFO.
--
-- objects.CERTIFICATE, objects.FINGERPRINT, objects.TIME, objects.UIF
--     The tag, or the first of three tags.
--
-- objects.MOST_RANDOM, objects.LONGEST_CERTIFICATE, objects.LONGEST_SPECIAL
--     How many random bytes GET CHALLENGE returns at most, and how many bytes a certificate has at most, and
--     an object that has no other limit.
--
-- objects.BUTTON
--     How a user confirms that a key may be used.

local algorithms = require "openpgp_algorithms"
local apdu = require "apdu"
local keys = require "openpgp_keys"
local passwords = require "openpgp_passwords"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local objects = {
  CERTIFICATE = 0x7F21,
  FINGERPRINT = 0xC7,
  TIME = 0xCE,
  UIF = 0xD6,
  MOST_RANDOM = 2048,
  LONGEST_CERTIFICATE = 4096,
  LONGEST_SPECIAL = 2048,
  BUTTON = "\x20",
}

local LONGEST_SPECIAL = objects.LONGEST_SPECIAL

-- All but secure messaging: GET CHALLENGE, key import, PW status, private objects, algorithm attributes, AES,
-- KDF. Then the longest challenge, certificate and special object; no PIN block format 2; MANAGE SECURITY
-- ENVIRONMENT.
local EXTENDED_CAPABILITIES = string.pack(">BB I2 I2 I2 BB", 0x7F, 0x00, objects.MOST_RANDOM,
                                          objects.LONGEST_CERTIFICATE, LONGEST_SPECIAL, 0x00, 0x01)

-- The most bytes of a command and of a response.
local EXTENDED_LENGTH = tlv.build(0x02, "\xFF\xFF") .. tlv.build(0x02, "\xFF\xFF")

-- Card service data: SELECT by full and partial name, EF.DIR and EF.ATR/INFO, both read by GET DATA; card
-- capabilities: command chaining, extended lengths, which EF.ATR/INFO tells. The third byte from the end is
-- the life cycle status.
local HISTORICAL = hex "00 31 F5 73 C0 01 E0"
local OPERATIONAL = "\x05"

local NO_FINGERPRINT = ("\0"):rep(20)

function objects.new(aid)
  return {
    [0x4F] = aid,
    [0x5F2D] = "en",
    [0x5F35] = "9",  -- not applicable
    [0xF9] = hex "81 01 00",  -- no KDF
    [0xCA] = NO_FINGERPRINT,
    [0xCB] = NO_FINGERPRINT,
    [0xCC] = NO_FINGERPRINT,
  }
end

-- What all three keys have in this field, one after the other.
local function of_keys(card, field)
  local values = {}
  for reference, entry in ipairs(card.kept.keys) do values[reference] = entry[field] end
  return table.concat(values)
end

local function origins(card)
  local bytes = {}
  for reference, entry in ipairs(card.kept.keys) do
    bytes[reference] = string.char(reference, entry.origin)
  end
  return table.concat(bytes)
end

local function algorithm_information()
  local list = {}
  for reference = keys.SIGNATURE, keys.AUTHENTICATION do
    for _, algorithm in ipairs(algorithms.list(reference)) do
      list[#list + 1] = tlv.build(0xC0 + reference, algorithm.attributes)
    end
  end
  return table.concat(list)
end

-- The occurrence of a certificate is not the reference of its key: the first one is for authentication.
function objects.with_certificate(card)
  return check(card.kept.keys[3 - card.session.occurrence], sw.NO_REFERENCE)
end

local computed = {
  [0x5F52] = function() return HISTORICAL .. OPERATIONAL .. "\x90\0" end,
  [0x7F66] = function() return EXTENDED_LENGTH end,
  [0x7F74] = function() return tlv.build(0x81, objects.BUTTON) end,
  [0x93]   = function(card) return string.pack(">I3", card.kept.signatures) end,
  [0xC0]   = function() return EXTENDED_CAPABILITIES end,
  [0xC4]   = passwords.status,
  [0xC5]   = function(card) return of_keys(card, "fingerprint") end,
  [0xC6]   = function(card)
    return card.kept.objects[0xCA] .. card.kept.objects[0xCB] .. card.kept.objects[0xCC]
  end,
  [0xCD]   = function(card) return of_keys(card, "time") end,
  [0xDE]   = origins,
  [0xFA]   = function() return tlv.build(0xFA, algorithm_information()) end,
  [objects.CERTIFICATE] = function(card) return objects.with_certificate(card).certificate end,
}
for reference = keys.SIGNATURE, keys.AUTHENTICATION do
  computed[0xC0 + reference] = function(card) return card.kept.keys[reference].attributes end
  computed[objects.UIF - 1 + reference] = function(card)
    return card.kept.keys[reference].uif .. objects.BUTTON
  end
end

-- Constructed objects, and what is in them. GET DATA returns them with their own tag.
local templates = {
  [0x65] = { 0x5B, 0x5F2D, 0x5F35 },
  [0x6E] = { 0x4F, 0x5F52, 0x7F66, 0x7F74, 0x73 },
  [0x73] = { 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xCD, 0xDE, 0xD6, 0xD7, 0xD8 },
  [0x7A] = { 0x93 },
}

objects.KEPT = {
  [0x4F]   = {},
  [0x5B]   = { longest = 39, write = passwords.ADMIN },
  [0x5E]   = { longest = LONGEST_SPECIAL, write = passwords.ADMIN },
  [0x5F2D] = { longest = 8, write = passwords.ADMIN },
  [0x5F35] = { length = 1, pattern = "^[0129]$", write = passwords.ADMIN },
  [0x5F50] = { longest = LONGEST_SPECIAL, write = passwords.ADMIN },
  [0x0101] = { longest = LONGEST_SPECIAL, write = passwords.USER },
  [0x0102] = { longest = LONGEST_SPECIAL, write = passwords.ADMIN },
  [0x0103] = { longest = LONGEST_SPECIAL, read = passwords.USER, write = passwords.USER },
  [0x0104] = { longest = LONGEST_SPECIAL, read = passwords.ADMIN, write = passwords.ADMIN },
  [0xCA]   = { length = 20, write = passwords.ADMIN },
  [0xCB]   = { length = 20, write = passwords.ADMIN },
  [0xCC]   = { length = 20, write = passwords.ADMIN },
  [0xF9]   = {},
}

local value_of

local function content(card, template)
  local parts = {}
  for i, tag in ipairs(template) do parts[i] = tlv.build(tag, value_of(card, tag)) end
  return table.concat(parts)
end

function value_of(card, tag)
  if templates[tag] then return content(card, templates[tag]) end
  if computed[tag] then return computed[tag](card) end
  local rule = check(objects.KEPT[tag], sw.NO_REFERENCE)
  if rule.read then passwords.require(card, rule.read) end
  return card.kept.objects[tag] or ""
end

function objects.get(card, cmd)
  local tag = cmd.p1 << 8 | cmd.p2
  local value = value_of(card, tag)
  return templates[tag] and tlv.build(tag, value) or value
end

-- The next certificate.
function objects.get_next(card, cmd)
  check(cmd.p1 << 8 | cmd.p2 == objects.CERTIFICATE, sw.NO_REFERENCE)
  check(card.session.occurrence < 2, sw.NO_REFERENCE)
  card.session.occurrence = card.session.occurrence + 1
  return objects.get(card, cmd)
end

-- P1 is the occurrence, and a tag list in a general reference template says of what: only certificates have
-- several.
function objects.select(card, cmd)
  check(cmd.p1 <= 2 and cmd.p2 == 0x04, sw.WRONG_PARAMETERS)
  local list = tlv.find(cmd.data, 0x60)
  local tag = check(list and tlv.find(list, 0x5C), sw.WRONG_DATA)
  check(tag == string.pack(">I2", objects.CERTIFICATE), sw.NO_REFERENCE)
  card.session.occurrence = cmd.p1
end

-- EF.DIR names the application, EF.ATR/INFO the extended lengths.
function objects.get_file(card, cmd)
  check(cmd.data == hex "5C 00", sw.WRONG_DATA)
  local file = cmd.p1 << 8 | cmd.p2
  if file == 0x2F00 then
    return tlv.build(0x61, tlv.build(0x4F, card.kept.objects[0x4F]), tlv.build(0x50, "OpenPGP"))
  end
  check(file == 0x2F01, sw.NOT_FOUND)
  return tlv.build(0x7F66, EXTENDED_LENGTH)
end

return objects
