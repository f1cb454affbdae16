-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_header: what GSM's SELECT and STATUS say about a file (3GPP TS 51.011, 9.2.1)
--
-- header.build(card, f)
--     22 bytes for a directory, 15 for an EF.

local ef = require "usim_ef"
local file = require "fs_file"
local pins = require "usim_pins"

local header = {}

local MF, MF_TYPE, DF_TYPE, EF_TYPE = 0x3F00, 1, 2, 4
local CHV1_DISABLED = 0x80
local CLOCK_STOP = 0x01
local INITIALISED = 0x80                         -- of a CHV, beside the number of tries
local INCREASE_ALLOWED = 0x40
local structures = { transparent = 0, fixed = 1, cyclic = 3 }

local function count(card, df)
  local directories, elementary = 0, 0
  for _, f in ipairs(df.files) do
    if not file.is_df(f) then
      elementary = elementary + 1
    elseif f ~= card.adf then
      directories = directories + 1
    end
  end
  return directories, elementary
end

local function of_directory(card, f)
  local directories, elementary = count(card, f)
  local kind = f.id == MF and MF_TYPE or DF_TYPE
  local characteristics = CLOCK_STOP | (pins.enabled(card) and 0 or CHV1_DISABLED)
  return string.pack(">I2I2I2B", 0, 0, f.id, kind) .. ("\0"):rep(5)
    .. string.char(9, characteristics, directories, elementary, 4, 0,
      INITIALISED | pins.left(card, ef.PIN1), INITIALISED | pins.unblock_left(card, ef.PIN1),
      INITIALISED | pins.left(card, ef.PIN2), INITIALISED | pins.unblock_left(card, ef.PIN2))
end

local conditions = { always = 0, [ef.PIN1] = 1, [ef.PIN2] = 2, [ef.ADM] = 4 }
local NEVER = 15

local function two(f, first, second)
  return (conditions[f.access[first]] or NEVER) << 4 | (conditions[f.access[second]] or NEVER)
end

local function of_ef(f)
  local size = f.data and #f.data or f.record_size * #f.records
  return string.pack(">I2I2I2B", 0, size, f.id, EF_TYPE)
    .. string.char(f.access.increase and INCREASE_ALLOWED or 0,
      two(f, "read", "update"), two(f, "increase", "none"), two(f, "activate", "deactivate"),
      f.state == "active" and 1 or 0, 2, structures[f.structure], f.record_size or 0)
end

function header.build(card, f)
  if file.is_df(f) then return of_directory(card, f) end
  return of_ef(f)
end

return header
