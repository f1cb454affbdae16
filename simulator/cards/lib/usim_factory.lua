-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_factory: the files and the keys of a new card (3GPP TS 31.102, 4; TS 51.011, 10; ETSI TS 102 221, 13)
--
-- factory.card(data, kept)
--     A card with what the options say, unless there is one in the table kept. It has the fields
--         kept         what is kept of it, beside files: the key, sequence numbers, whether PIN 1 is disabled
--         files        files of fs
--         adf, gsm     the directories of the USIM and of GSM
--         subscriber   a subscriber of milenage
--         numbers      the sequence numbers, of usim_sequence
--         session      what a reset ends: active, whether the USIM is selected; response, what GSM's GET
--                      RESPONSE returns

local coding = require "usim_coding"
local ef = require "usim_ef"
local fs = require "fs"
local milenage = require "milenage"
local pins = require "pins"
local sequence = require "usim_sequence"
local sim_pins = require "usim_pins"
local telecom = require "usim_telecom"
local tlv = require "tlv"

local factory = {}

local AID = hex "A0 00 00 00 87 10 02 FF FF FF FF 89 00 00 01 00"

-- What the card offers, by the numbers of TS 51.011, 10.3.7: CHV1 can be disabled, ADN, FDN, SMS, AoC, CCP,
-- PLMN selector, MSISDN, EXT1, EXT2, SMSP, LND, GID1 and 2, SPN, SDN, EXT3, SMSR
local GSM_SERVICES = { 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 35 }

-- By those of TS 31.102, 4.2.8: FDN, EXT2, SDN, EXT3, SMS, SMSR, SMSP, AoC, GID1 and 2, SPN, PLMN selector,
-- MSISDN, GSM access, 33 (always), GSM security context, OPLMN and HPLMN selectors, EPS
local USIM_SERVICES = { 2, 3, 4, 5, 10, 11, 12, 13, 17, 18, 19, 20, 21, 27, 33, 38, 42, 43, 85 }

local function blank(bytes)
  return ("\xFF"):rep(bytes)
end

-- Three bytes for each network: nothing is preferred, nothing is forbidden.
local function access_technologies(networks)
  return hex("FF FF FF 00 00"):rep(networks)
end

-- The class of a subscriber is the last digit of the IMSI.
local function access_class(imsi)
  return string.pack(">I2", 1 << tonumber(imsi:sub(-1)))
end

-- Never registered: no temporary identity, the location area of no network, "not updated".
local LOCI = blank(4) .. hex "FF FF FF 00 00 FF 01"
local PACKET_LOCI = blank(7) .. hex "FF FF FF 00 00 FF 01"
local EPS_LOCI = blank(12) .. hex "FF FF FF 00 00 01"

-- What GSM and the USIM both have, with the short identifiers of the USIM.
local function network_files(data)
  return {
    ef.transparent(0x6F07, 0x07, "network", coding.imsi(data.imsi), "IMSI"),
    ef.transparent(0x6F31, 0x12, "network", hex "05", "HPPLMN"),
    ef.transparent(0x6F37, false, "fixed", hex "00 00 00", "ACMmax"),
    ef.cyclic(0x6F39, false, "meter", 3, 5, "\0", "ACM"),
    ef.transparent(0x6F3E, false, "network", blank(4), "GID1"),
    ef.transparent(0x6F3F, false, "network", blank(4), "GID2"),
    ef.transparent(0x6F41, false, "fixed", hex "FF FF FF 00 00", "PUCT"),
    ef.transparent(0x6F46, false, "public", "\1" .. coding.name(data.spn, 16), "SPN"),
    ef.transparent(0x6F60, 0x0A, "location", access_technologies(8), "PLMNwAcT"),
    ef.transparent(0x6F61, 0x11, "network", access_technologies(8), "OPLMNwAcT"),
    ef.transparent(0x6F62, 0x13, "network", access_technologies(2), "HPLMNwAcT"),
    ef.transparent(0x6F78, 0x06, "network", access_class(data.imsi), "ACC"),
    ef.transparent(0x6F7B, 0x0D, "location", blank(12), "FPLMN"),
    ef.transparent(0x6F7E, 0x0B, "location", LOCI, "LOCI"),
    ef.transparent(0x6FAD, 0x03, "public", hex "00 00 00" .. string.char(data.mnc), "AD"),
  }
end

local function add(list, more)
  return table.move(more, 1, #more, #list + 1, list)
end

local function gsm_directory(data)
  return {
    id = 0x7F20,
    files = add({
      ef.arr(0x6F06),
      ef.transparent(0x6F05, false, "language", hex "01 FF"),
      ef.transparent(0x6F20, false, "location", blank(8) .. "\7", "Kc"),
      ef.transparent(0x6F30, false, "location", blank(24)),
      ef.transparent(0x6F38, false, "network", coding.allocated_services(GSM_SERVICES, 10)),
      ef.transparent(0x6F45, false, "location", blank(4)),
      ef.transparent(0x6F52, false, "location", blank(8) .. "\7", "KcGPRS"),
      ef.transparent(0x6F53, false, "location", PACKET_LOCI, "PSLOCI"),
      ef.transparent(0x6F74, false, "location", blank(16)),
      ef.transparent(0x6FAE, false, "public", hex "02"),
      ef.transparent(0x6FB7, false, "public", hex "11 F2 FF 19 F1 FF"),
    }, network_files(data)),
  }
end

local function gsm_access()
  return {
    id = 0x5F3B,
    files = {
      ef.transparent(0x4F20, 1, "location", blank(8) .. "\7", "Kc"),
      ef.transparent(0x4F52, 2, "location", blank(8) .. "\7", "KcGPRS"),
    },
  }
end

-- Emergency calls: a number, no name, any category.
local function emergency_numbers()
  return { hex "11 F2 FF FF FF FF FF 00", hex "19 F1 FF FF FF FF FF 00" }
end

local function usim_directory(data)
  local files = {
    ef.arr(0x6F06),
    ef.transparent(0x6F05, 0x02, "language", "en"),
    ef.transparent(0x6F08, 0x08, "location", "\7" .. blank(32)),
    ef.transparent(0x6F09, 0x09, "location", "\7" .. blank(32)),
    ef.transparent(0x6F38, 0x04, "network", coding.services(USIM_SERVICES, 12)),
    ef.transparent(0x6F56, 0x05, "fixed", "\0"),
    ef.transparent(0x6F5B, 0x0F, "location", hex "F0 00 00 F0 00 00"),
    ef.transparent(0x6F5C, 0x10, "network", hex "F0 00 00"),
    ef.transparent(0x6F73, 0x0C, "location", PACKET_LOCI, "PSLOCI"),
    ef.linear(0x6FB7, 0x01, "public", 8, 2, emergency_numbers()),
    ef.transparent(0x6FC4, false, "location", blank(46)),
    ef.transparent(0x6FE3, 0x1E, "location", EPS_LOCI),
    ef.linear(0x6FE4, 0x18, "location", 54, 1),
    gsm_access(),
  }
  return { id = 0x7FFF, name = AID, files = add(add(files, network_files(data)), telecom.own(data)) }
end

-- The template of the application: its identifier and its name.
local function application()
  return coding.name(tlv.build(0x61, tlv.build(0x4F, AID), tlv.build(0x50, "USIM")), 38)
end

local function root(data)
  return {
    ef.linear(0x2F00, 0x1E, "public", 38, 2, { application() }),
    ef.transparent(0x2F05, 0x05, "language", "en"),
    ef.arr(0x2F06),
    ef.transparent(0x2F08, 0x08, "public", hex "3C 00 00 00 00"),
    ef.transparent(0x2FE2, 0x02, "public", coding.digits(data.iccid, 10)),
    telecom.directory(data),
    gsm_directory(data),
    usim_directory(data),
  }
end

local function new_pins(data)
  local puk = pins.new { value = data.puk, tries = 10 }
  local puk2 = pins.new { value = data.puk2, tries = 10 }
  return {
    [ef.PIN1] = pins.new { value = data.pin, unblocked_by = puk, accepts = sim_pins.is_value },
    [ef.PIN2] = pins.new { value = data.pin2, unblocked_by = puk2, accepts = sim_pins.is_value },
    [ef.ADM] = pins.new { value = data.adm, tries = 10 },
  }
end

local function new_kept(data)
  local subscriber = milenage.new { k = data.k, op = data.op, opc = data.opc }
  return { k = subscriber.k, opc = subscriber.opc, disabled = data.pin_off, numbers = {} }
end

function factory.card(data, keep)
  keep.usim = keep.usim or new_kept(data)
  local kept = keep.usim
  local files = fs.new { files = root(data), access = "never", pins = new_pins(data), keep = keep }
  return {
    kept = kept,
    files = files,
    adf = files:find(0x7FFF),
    gsm = files:find(0x7F20),
    subscriber = milenage.new { k = kept.k, opc = kept.opc },
    numbers = sequence.new(kept.numbers, data.sqn),
    session = {},
  }
end

return factory
