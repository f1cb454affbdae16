-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_fcp: the file control parameters of a UICC (ETSI TS 102 221, 11.1.1.3)
--
-- fcp.build(card, f)
--     The template of a file. Access rules are a record of EF ARR.

local ef = require "usim_ef"
local file = require "fs_file"
local pins = require "usim_pins"
local tlv = require "tlv"

local fcp = {}

local MF_ARR, DF_ARR = 0x2F06, 0x6F06         -- the identifier of EF ARR in the MF and in other directories
local CHARACTERISTICS = tlv.build(0xA5, hex "80 01 71")
local states = { active = "\x05", deactivated = "\x04" }
local structures = { transparent = 0x41, fixed = 0x42, cyclic = 0x46 }

local function rule(f)
  local df = file.is_df(f) and f or file.parent(f)
  local id = df.id == 0x3F00 and MF_ARR or DF_ARR
  return tlv.build(0x8B, string.pack(">I2B", id, f.rule or ef.rules.directory))
end

-- A bit for each of the PINs that follow: whether it is enabled.
local function pin_status(card)
  local enabled = pins.enabled(card) and "\xC0" or "\x40"
  return tlv.build(0xC6, tlv.build(0x90, enabled), tlv.build(0x83, string.char(ef.PIN1)),
    tlv.build(0x83, string.char(ef.PIN2)))
end

local function of_directory(card, f)
  return tlv.build(0x62,
    tlv.build(0x82, hex "78 21"),
    tlv.build(0x83, string.pack(">I2", f.id)),
    f.name and tlv.build(0x84, f.name) or "",
    CHARACTERISTICS,
    tlv.build(0x8A, "\x05"),
    rule(f),
    pin_status(card))
end

local function descriptor(f)
  local first = string.char(structures[f.structure], 0x21)
  return f.records and first .. string.pack(">I2B", f.record_size, #f.records) or first
end

function fcp.build(card, f)
  if file.is_df(f) then return of_directory(card, f) end
  local size = f.data and #f.data or f.record_size * #f.records
  return tlv.build(0x62,
    tlv.build(0x82, descriptor(f)),
    tlv.build(0x83, string.pack(">I2", f.id)),
    tlv.build(0x8A, states[f.state]),
    rule(f),
    tlv.build(0x80, string.pack(">I2", size)),
    f.sfi and tlv.build(0x88, string.char(f.sfi << 3)) or tlv.build(0x88))
end

return fcp
