-- SPDX-License-Identifier: BSD-3-Clause
--
-- piv_certificates: the certificates of a PIV card
--
-- card.kept.objects has the value of each data object by its tag. The certificate of a new RSA key is there
-- as the value true, until somebody needs it.
--
-- certificates.tag(reference)
--     The tag of the object with the certificate of this key.
--
-- certificates.settle(card, tag)
--     Makes the certificate, if this is the tag of one that has not been needed before. Must be called before
--     its object is read, and before its key is replaced.
--
-- certificates.is_for_decryption(reference)
--     Whether the key is one for key management.

local keys = require "piv_keys"
local tlv = require "tlv"

local certificates = {}

certificates.ATTESTATION = 0x5FFF01           -- Yubico's, for the key F9

local tags = {
  [0x9A] = 0x5FC105, [0x9C] = 0x5FC10A, [0x9D] = 0x5FC10B, [0x9E] = 0x5FC101,
  [keys.ATTESTATION] = certificates.ATTESTATION,
}
for reference = 0x82, 0x95 do tags[reference] = 0x5FC10D + reference - 0x82 end

local references = {}
for reference, tag in pairs(tags) do references[tag] = reference end

local names = {
  [0x9A] = "PIV Authentication",
  [0x9C] = "Digital Signature",
  [0x9D] = "Key Management",
  [0x9E] = "Card Authentication",
  [keys.ATTESTATION] = "PIV Attestation",
}

function certificates.tag(reference)
  return tags[reference]
end

function certificates.is_for_decryption(reference)
  return reference == 0x9D or reference <= 0x95
end

local function usage(reference, algorithm)
  if reference == keys.ATTESTATION then return { "keyCertSign" } end
  if certificates.is_for_decryption(reference) then
    return { algorithm.type == "RSA" and "keyEncipherment" or "keyAgreement" }
  end
  if reference == 0x9C then return { "digitalSignature", "nonRepudiation" } end
  return { "digitalSignature" }
end

-- A key that cannot sign is certified by the key 9A.
local function certificate(card, reference)
  local slot = card.kept.slots[reference]
  local algorithm = keys.algorithm(slot)
  local name = names[reference] or "Retired Key " .. reference - 0x81
  local fields = {
    subject = "CN=" .. name .. ",O=cardrig",
    serial = string.char(reference),
    key = keys.private(slot),
    usage = usage(reference, algorithm),
    ca = reference == keys.ATTESTATION,
  }
  if algorithm == keys.algorithms.x25519 then
    fields.signer = keys.private(card.kept.slots[0x9A])
    fields.issuer = "CN=" .. names[0x9A] .. ",O=cardrig"
  end
  -- 71 00: it is not compressed. FE is an error detection code, which PIV leaves empty.
  return tlv.build(0x70, crypto.certificate(fields)) .. tlv.build(0x71, "\0") .. tlv.build(0xFE)
end

function certificates.settle(card, tag)
  if card.kept.objects[tag] ~= true then return end
  card.kept.objects[tag] = certificate(card, references[tag])
end

return certificates
