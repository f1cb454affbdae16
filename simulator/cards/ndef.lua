-- SPDX-License-Identifier: BSD-3-Clause
-- A type 4 tag of the NFC Forum, with an NDEF message
--
-- It has one application and two files (NFC Forum T4T 2.0): the capability container, E103, and the NDEF file,
-- E104, which begins with the length of the message. What is written is kept.

local apdu = require "apdu"
local arguments = require "arguments"
local ndef_message = require "ndef_message"

local check, sw = apdu.check, apdu.sw
local LONGEST = 0xF6 -- bytes of a READ BINARY or UPDATE BINARY
local CC, NDEF = 0xE103, 0xE104

local room = math.tointeger(tonumber(args.room or "2048"))
local message = ndef_message.of(args)
local uid = args.uid or "04C0FFEE040506"
arguments.expect(room and room >= 16 and room <= 0x7FFF, "room", "a number, 16 to 32767")
arguments.expect(#message + 2 <= room, args.uri and "uri" or "text", "a message that fits into room=" .. room)
arguments.bytes("uid", uid, { 4, 7 })

persistent.file = persistent.file or string.pack(">s2", message) .. ("\0"):rep(room - 2 - #message)

-- Version 2.0, the lengths of commands, and the control TLV of the NDEF file; the last byte says that nobody may
-- write, FF, or everybody, 00.
local container = string.pack(">I2BI2I2BBI2I2BB", 15, 0x20, LONGEST, LONGEST, 0x04, 6, NDEF, #persistent.file, 0x00,
  args.readonly and 0xFF or 0x00)
local application, file = false, nil

local function select_application()
  application, file = true, nil
end

local function select_file(cmd)
  check(cmd.nc == 2, sw.WRONG_LENGTH)
  local id = string.unpack(">I2", cmd.data)
  check(application and (id == CC or id == NDEF), sw.NOT_FOUND)
  file = id
end

local function read(cmd)
  check(file, sw.NO_CURRENT_EF)
  check(cmd.nc == 0 and cmd.ne > 0, sw.WRONG_LENGTH)
  local data, offset = file == CC and container or persistent.file, cmd.p1 << 8 | cmd.p2
  check(offset < #data, sw.WRONG_PARAMETERS)
  local part = data:sub(offset + 1, offset + cmd.ne)
  return part, #part < cmd.ne and cmd.ne ~= 256 and sw.END_OF_FILE or sw.OK
end

local function update(cmd)
  check(file, sw.NO_CURRENT_EF)
  check(file == NDEF and not args.readonly, sw.NOT_SATISFIED)
  check(cmd.nc > 0, sw.WRONG_LENGTH)
  local data, offset = persistent.file, cmd.p1 << 8 | cmd.p2
  check(offset + cmd.nc <= #data, sw.WRONG_PARAMETERS)
  persistent.file = data:sub(1, offset) .. cmd.data .. data:sub(offset + cmd.nc + 1)
end

return {
  name = "ndef",
  arguments = {
    readonly = "the message cannot be written",
    room = "how many bytes the NDEF file has (2048)",
    text = "a text in its message",
    uid = "4 or 7 bytes (04C0FFEE040506)",
    uri = "an address in its message",
  },
  antenna = { uid = uid, ats = "05 78 80 70 02" },
  on_power = function() application, file = false, nil end,

  commands = apdu.commands {
    { "00 A4 04 0. 07 D2 76 00 00 85 01 01", select_application },
    { "00 A4 04", "6A 82" },
    { "00 A4 00 0C", select_file },
    { "00 B0", read },
    { "00 D6", update },
  },
}
