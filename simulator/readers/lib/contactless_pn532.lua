-- SPDX-License-Identifier: BSD-3-Clause
--
-- contactless_pn532: the commands by which programs reach the chip in an ACR122U and readers like it
--
--   pn532.answer(cmd, antenna, frame)
--
-- FF 00 00 00 Lc D4 ... passes a command to the PN532, as libnfc and nfc-pcsc do. Of the chip's commands there
-- are those that find a card and talk to it; those that set up the chip are accepted. The others of FF 00 are the
-- reader's firmware version, its LED and buzzer, and which cards it looks for.

local apdu = require "apdu"

local check, sw = apdu.check, apdu.sw
local FAILED = 0x6300
local OK, TIMEOUT, NOT_AUTHENTICATED = "\x00", "\x01", "\x14" -- the chip's error codes

local pn532 = {}
local polls_for = 0xFF

-- ATQA and SAK of a card of type A (NXP AN10833).
local KINDS = {
  ["mifare-1k"] = "\x00\x04\x08",
  ["mifare-4k"] = "\x00\x02\x18",
  ultralight = "\x00\x44\x00",
  ntag213 = "\x00\x44\x00",
  ntag215 = "\x00\x44\x00",
  ntag216 = "\x00\x44\x00",
}

local function kind_of(antenna)
  return KINDS[antenna.storage] or #antenna.uid > 4 and "\x03\x44\x20" or "\x00\x04\x20"
end

local function list_targets(data, antenna)
  local modulation = data:byte(2)
  local is_felica = antenna and antenna.storage == "felica"
  if not antenna or not modulation or is_felica ~= (modulation == 1 or modulation == 2) or modulation > 2 then
    return "\x00"
  end
  if is_felica then return "\x01\x01\x12\x01" .. antenna.uid .. (antenna.pmm or ("\xFF"):rep(8)) end
  return "\x01\x01" .. kind_of(antenna) .. string.pack("s1", antenna.uid) .. (antenna.ats or "")
end

-- A storage card acknowledges, or refuses, with one byte.
local function frame_result(sent, answer)
  if #answer > 1 then return OK .. answer end
  if answer == "\x0A" then return OK end
  local code = sent:byte()
  return #sent > 2 and (code == 0x60 or code == 0x61) and NOT_AUTHENTICATED or TIMEOUT
end

local function exchange(data, antenna, frame)
  if not antenna or #data == 0 then return TIMEOUT end
  if antenna.storage then return frame_result(data, frame(data)) end
  return OK .. frame(data)
end

-- The answers to commands of the chip (UM0701-02), without the two bytes that begin each.
local CHIP = {
  [0x00] = function(data) return data end,                           -- Diagnose: its test of the line
  [0x02] = function() return "\x32\x01\x06\x07" end,                 -- GetFirmwareVersion
  [0x06] = function(data) return ("\0"):rep(#data // 2) end,         -- ReadRegister
  [0x08] = function() return "" end,                                 -- WriteRegister
  [0x12] = function() return "" end,                                 -- SetParameters
  [0x14] = function() return "" end,                                 -- SAMConfiguration
  [0x32] = function() return "" end,                                 -- RFConfiguration
  [0x44] = function() return OK end,                                 -- InDeselect
  [0x52] = function() return OK end,                                 -- InRelease
  [0x54] = function() return OK end,                                 -- InSelect
  [0x4A] = list_targets,                                             -- InListPassiveTarget
  [0x40] = function(data, antenna, frame) return exchange(data:sub(2), antenna, frame) end, -- InDataExchange
  [0x42] = function(data, antenna, frame)                            -- InCommunicateThru
    if antenna and not antenna.storage then return TIMEOUT end       -- it takes blocks of ISO/IEC 14443-4
    return exchange(data, antenna, frame)
  end,
}

local function pass_to_chip(cmd, antenna, frame)
  check(cmd.nc >= 2, sw.WRONG_LENGTH)
  local direction, code = cmd.data:byte(1, 2)
  local answer = check(direction == 0xD4 and CHIP[code], FAILED)
  return string.char(0xD5, code + 1) .. answer(cmd.data:sub(3), antenna, frame)
end

-- By P1 (ACR122U API 2.04, 4.1, 6.1 to 6.7). The version has no status word.
local READER = {
  [0x00] = pass_to_chip,
  [0x40] = function() return "", sw.OK end,                          -- LED and buzzer
  [0x41] = function() return "", sw.OK end,                          -- how long it waits for a card
  [0x48] = function() return "ACR122U2", 0x3033 end,                 -- "ACR122U203"
  [0x50] = function() return "", 0x9000 | polls_for end,
  [0x51] = function(cmd)
    polls_for = cmd.p2
    return "", 0x9000 | polls_for
  end,
  [0x52] = function() return "", sw.OK end,                          -- the buzzer when a card comes
}

function pn532.answer(cmd, antenna, frame)
  return check(READER[cmd.p1], sw.WRONG_PARAMETERS)(cmd, antenna, frame)
end

return pn532
