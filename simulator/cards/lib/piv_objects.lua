-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_objects: the data objects of a PIV card
--
-- objects.get(card, cmd), objects.put(card, cmd)
--     GET DATA and PUT DATA.
--
-- objects.identification(), objects.capabilities(), objects.history(retired), objects.DISCOVERY
--     The values of the CHUID, of the CCC, of the key history object with this number of retired keys, and of
--     the discovery object.

local apdu = require "apdu"
local certificates = require "piv_certificates"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local objects = {}

objects.CHUID, objects.CCC, objects.HISTORY = 0x5FC102, 0x5FC107, 0x5FC10C

local DISCOVERY_TAG, BIOMETRIC_GROUP = 0x7E, 0x7F61
local MOST = 3072                             -- the size of the largest object, which is that of YubiKeys

-- Fingerprints, printed information, facial image and iris images can be read after VERIFY only.
local protected = { [0x5FC103] = true, [0x5FC108] = true, [0x5FC109] = true, [0x5FC121] = true }

-- The FASC-N is that of an issuer who is not a US agency: agency, system and credential are all nines. Each
-- digit has four bits and parity. The GUID is a random UUID. There is no issuer's signature (3E), because
-- there is no issuer.
function objects.identification()
  local fasc_n = hex "D4 E7 39 DA 73 9C ED 39 CE 73 9D 83 68 58 21 08 42 10 84 21 C8 42 10 C3 EB"
  local a, b, c, d, e = string.unpack("c6 B B B c7", random(16))
  local guid = string.pack("c6 B B B c7", a, 0x40 | b & 0x0F, c, 0x80 | d & 0x3F, e)
  return tlv.build(0x30, fasc_n) .. tlv.build(0x34, guid) .. tlv.build(0x35, "20491231") ..
         tlv.build(0x3E) .. tlv.build(0xFE)
end

-- GSC-IS 2.1: the card's identifier begins with the RID of GSC-IS, a manufacturer and a type. 10 is the data
-- model of PIV.
function objects.capabilities()
  local identifier = hex "A0 00 00 01 16 FF 02" .. random(14)
  local filled = tlv.build(0xF0, identifier) .. tlv.build(0xF1, "\x21") .. tlv.build(0xF2, "\x21") ..
                 tlv.build(0xF3) .. tlv.build(0xF4, "\0") .. tlv.build(0xF5, "\x10")
  local empty = {}
  for i, tag in ipairs { 0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE } do empty[i] = tlv.build(tag) end
  return filled .. table.concat(empty)
end

-- C1 and C2: how many retired keys have their certificates on the card, and how many elsewhere.
function objects.history(retired)
  return tlv.build(0xC1, string.char(retired)) .. tlv.build(0xC2, "\0") .. tlv.build(0xFE)
end

-- The application, and the PIN usage policy: 40 00, only the application's PIN counts.
objects.DISCOVERY = tlv.build(0x4F, hex "A0 00 00 03 08 00 00 10 00 01 00") .. tlv.build(0x5F2F, "\x40\0")

-- These two have a tag of their own, all others come in a template 53.
local function outer_tag(tag)
  if tag == DISCOVERY_TAG or tag == BIOMETRIC_GROUP then return tag end
  return 0x53
end

local function integer(bytes)
  return string.unpack(">I" .. #bytes, bytes)
end

function objects.get(card, cmd)
  check(cmd.p1 == 0x3F and cmd.p2 == 0xFF, sw.WRONG_P1P2)
  local named = check(tlv.find(cmd.data, 0x5C), sw.WRONG_DATA)
  check(#named >= 1 and #named <= 3, sw.WRONG_DATA)
  local tag = integer(named)
  check(card.PIN.verified or not protected[tag], sw.NOT_SATISFIED)
  certificates.settle(card, tag)
  return tlv.build(outer_tag(tag), check(card.kept.objects[tag], sw.NOT_FOUND))
end

-- The tag and the value in PUT DATA. What comes with a tag of its own needs no tag list.
local function written(data)
  local map = check(tlv.map(data), sw.WRONG_DATA)
  for _, tag in ipairs { DISCOVERY_TAG, BIOMETRIC_GROUP } do
    if map[tag] then return tag, map[tag] end
  end
  local named = check(map[0x5C], sw.WRONG_DATA)
  check(#named == 3 and named:byte() == 0x5F, sw.WRONG_DATA)
  return integer(named), check(map[0x53], sw.WRONG_DATA)
end

-- An object without content is deleted, as YubiKeys do.
function objects.put(card, cmd)
  check(cmd.p1 == 0x3F and cmd.p2 == 0xFF, sw.WRONG_P1P2)
  check(card.session.managed, sw.NOT_SATISFIED)
  check(cmd.nc <= MOST, sw.NO_SPACE)
  local tag, value = written(cmd.data)
  card.kept.objects[tag] = value ~= "" and value or nil
end

return objects
