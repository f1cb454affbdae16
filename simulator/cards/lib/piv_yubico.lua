-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_yubico: what YubiKeys add to PIV. Each function answers one command.
--
-- yubico.version, yubico.serial, yubico.metadata, yubico.set_management_key, yubico.set_tries,
-- yubico.move_key, yubico.reset

local apdu = require "apdu"
local authenticate = require "piv_authenticate"
local certificates = require "piv_certificates"
local factory = require "piv_factory"
local keys = require "piv_keys"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local yubico = {}

function yubico.version(card)
  return card.version
end

function yubico.serial(card)
  return card.serial
end

local function flag(condition)
  return condition and "\1" or "\0"
end

local function metadata_of_pin(pin, default)
  return tlv.build(0x01, "\xFF") .. tlv.build(0x05, flag(pin.kept.value == default)) ..
         tlv.build(0x06, string.char(pin.kept.tries, pin.kept.left))
end

local function metadata_of_management_key(key)
  local default = key.value == factory.MANAGEMENT_KEY:sub(1, #key.value)
  return tlv.build(0x01, string.char(key.identifier)) ..
         tlv.build(0x02, string.char(0, key.touch)) ..
         tlv.build(0x05, flag(default))
end

local function metadata_of_key(slot)
  return tlv.build(0x01, string.char(slot.algorithm)) ..
         tlv.build(0x02, string.char(slot.pin, slot.touch)) ..
         tlv.build(0x03, string.char(slot.origin)) ..
         tlv.build(0x04, keys.public(slot))
end

-- By 6A 88 for the fingerprint (96) programs know that this is no key with a sensor.
function yubico.metadata(card, cmd)
  check(cmd.p1 == 0, sw.WRONG_P1P2)
  if cmd.p2 == 0x80 then return metadata_of_pin(card.PIN, factory.PIN) end
  if cmd.p2 == 0x81 then return metadata_of_pin(card.PUK, factory.PUK) end
  if cmd.p2 == 0x9B then return metadata_of_management_key(card.kept.management) end
  return metadata_of_key(check(card.kept.slots[cmd.p2], sw.NO_REFERENCE))
end

-- P2 is FF, or FE for a key that wants to be touched.
function yubico.set_management_key(card, cmd)
  check(cmd.p1 == 0xFF and cmd.p2 >= 0xFE, sw.WRONG_P1P2)
  check(card.session.managed, sw.NOT_SATISFIED)
  check(cmd.nc >= 3 and cmd.nc == 3 + cmd.data:byte(3), sw.WRONG_LENGTH)
  local identifier, reference = cmd.data:byte(1, 2)
  check(reference == 0x9B, sw.WRONG_DATA)
  local key = check(authenticate.management_key(identifier, cmd.data:sub(4)), sw.WRONG_DATA)
  key.touch = 0xFF - cmd.p2 + keys.NO_TOUCH
  card.kept.management = key
end

-- PIN and PUK get their factory values, too.
function yubico.set_tries(card, cmd)
  check(card.session.managed and card.PIN.verified, sw.NOT_SATISFIED)
  check(cmd.p1 > 0 and cmd.p2 > 0, sw.WRONG_P1P2)
  card.PIN:set(factory.PIN, cmd.p1)
  card.PUK:set(factory.PUK, cmd.p2)
end

-- P1 is where the key goes; FF deletes it. The certificate stays.
function yubico.move_key(card, cmd)
  local slot = keys.slot(card, cmd.p2)
  check(card.session.managed, sw.NOT_SATISFIED)
  certificates.settle(card, certificates.tag(cmd.p2))
  if cmd.p1 ~= 0xFF then
    keys.check_reference(cmd.p1)
    check(cmd.p1 ~= keys.ATTESTATION and cmd.p2 ~= keys.ATTESTATION, sw.WRONG_P1P2)
    certificates.settle(card, certificates.tag(cmd.p1))
    card.kept.slots[cmd.p1] = slot
  end
  if cmd.p1 ~= cmd.p2 then card.kept.slots[cmd.p2] = nil end
end

-- Possible only when PIN and PUK are blocked.
function yubico.reset(card, cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_P1P2)
  check(card.PIN.kept.left == 0 and card.PUK.kept.left == 0, sw.CONDITIONS)
  factory.reset(card)
end

return yubico
