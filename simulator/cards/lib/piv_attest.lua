-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_attest: Yubico's ATTEST
--
-- attest.answer(card, cmd)
--     ATTEST: a certificate that says that the card has generated the key in slot P1, signed by the key F9.
--     Its extensions are those of YubiKeys: the version, the serial number, the policies and the form factor.
--     Ends the command with 6A 82 if the slot is empty, and with 6A 80 if its key was imported.

local apdu = require "apdu"
local certificates = require "piv_certificates"
local keys = require "piv_keys"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local attest = {}

local INTEGER, BIT_STRING, OCTET_STRING, OID, UTF8, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x0C, 0x30, 0x31
local UTC_TIME, VERSION, EXTENSIONS = 0x17, 0xA0, 0xA3

local function sequence(...)
  return tlv.build(SEQUENCE, ...)
end

local function oid(text)
  return tlv.build(OID, hex(text))
end

local NULL = hex "05 00"
local COMMON_NAME = oid "55 04 03"
local YUBICO = "2B 06 01 04 01 82 C4 0A 03"   -- 1.3.6.1.4.1.41482.3
local USB_A_KEYCHAIN = "\1"                   -- a form factor

-- How each kind of attestation key signs.
local signatures = {
  ["RSA"]     = { hash = "SHA-256", algorithm = sequence(oid "2A 86 48 86 F7 0D 01 01 0B", NULL) },
  ["P-256"]   = { hash = "SHA-256", algorithm = sequence(oid "2A 86 48 CE 3D 04 03 02") },
  ["P-384"]   = { hash = "SHA-384", algorithm = sequence(oid "2A 86 48 CE 3D 04 03 03") },
  ["Ed25519"] = { algorithm = sequence(oid "2B 65 70") },
}

local function common_name(text)
  return sequence(tlv.build(SET, sequence(COMMON_NAME, tlv.build(UTF8, text))))
end

-- A positive number.
local function integer(bytes)
  bytes = bytes:gsub("^\0+", "")
  if bytes == "" or bytes:byte() >= 0x80 then bytes = "\0" .. bytes end
  return tlv.build(INTEGER, bytes)
end

-- The subject of the certificate in the object 5FFF01: the sixth element of what is signed, if the version is
-- there.
local function issuer(card)
  local value = check(card.kept.objects[certificates.ATTESTATION], sw.NO_REFERENCE)
  local certificate = tlv.find(value, 0x70)
  local signed = certificate and tlv.find(certificate, SEQUENCE)
  signed = signed and tlv.find(signed, SEQUENCE)
  local each, elements = signed and tlv.each(signed), {}
  for tag, content in check(each, sw.NO_REFERENCE) do elements[#elements + 1] = tlv.build(tag, content) end
  local first = elements[1] and elements[1]:byte() == VERSION and 1 or 0
  return check(elements[first + 5], sw.NO_REFERENCE)
end

local function extension(last, value)
  return sequence(oid(YUBICO .. last), tlv.build(OCTET_STRING, value))
end

local function extensions(card, slot)
  return tlv.build(EXTENSIONS, sequence(
    extension("03", card.version),
    extension("07", integer(card.serial)),
    extension("08", string.char(slot.pin, slot.touch)),
    extension("09", USB_A_KEYCHAIN)))
end

local function to_be_signed(card, reference, slot, algorithm)
  return sequence(
    tlv.build(VERSION, integer "\2"),
    integer(random(16)),
    algorithm,
    issuer(card),
    sequence(tlv.build(UTC_TIME, "200101000000Z"), tlv.build(UTC_TIME, "491231235959Z")),
    common_name(("PIV Attestation %02x"):format(reference)),
    keys.private(slot):public():der(),
    extensions(card, slot))
end

function attest.answer(card, cmd)
  check(cmd.p1 ~= keys.ATTESTATION and cmd.p2 == 0, sw.WRONG_P1P2)
  keys.check_reference(cmd.p1)
  local slot = check(card.kept.slots[cmd.p1], sw.NOT_FOUND) -- 6A 82, not 6A 88, is what piv-go knows
  check(slot.origin == keys.GENERATED, sw.WRONG_DATA)
  local signer = keys.private(keys.slot(card, keys.ATTESTATION))
  local signature = check(signatures[signer.type == "RSA" and "RSA" or signer.curve], sw.WRONG_DATA)
  local signed = to_be_signed(card, cmd.p1, slot, signature.algorithm)
  local hash = signature.hash and crypto.hash(signature.hash, signed)
  local value = signer:sign(hash or signed, { hash = signature.hash })
  return sequence(signed, signature.algorithm, tlv.build(BIT_STRING, "\0", value))
end

return attest
