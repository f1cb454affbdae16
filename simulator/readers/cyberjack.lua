-- SPDX-License-Identifier: BSD-3-Clause
-- REINER SCT cyberJack RFID standard, with a PIN pad and a display, as its maker's driver shows it
local usb = args["on-usb"] ~= nil
local name, serial = "REINER SCT cyberJack RFID standard", "8170113102"

-- Returns the value of a tag in the data of an MCT command, or nil.
local function find(data, tag)
  local at = 1
  while at + 1 <= #data do
    local found, length = data:byte(at, at + 1)
    if found == tag then return data:sub(at + 2, at + 1 + length) end
    at = at + 2 + length
  end
end

-- PERFORM VERIFICATION of TeleTrusT's MKT: makes a PIN_VERIFY_STRUCTURE of tag 52, as the driver does. It has the length
-- of the PIN (0: any) and its format, its position in the command, from 1, and the command.
local function perform_verification(data)
  local to_do = find(data, 0x52)
  if not to_do or #to_do < 6 then return hex "67 00" end
  local control, position = to_do:byte(1, 2)
  if position < 6 or position > 20 then return hex "6A 00" end -- where such a structure can put digits
  local fixed, kind, offset = control >> 4, control & 3, position - 6
  local command, formats, min, max = to_do:sub(3), nil, 1, 15
  if kind == 2 then -- ISO 9564 format 2
    formats = string.char(0x81 | offset + 1 << 3, 0x47, 4)
    command = command:sub(1, 4) .. "\8" .. hex "20 FF FF FF FF FF FF FF"
    min, max = 4, 12
  elseif kind < 2 then -- BCD, ASCII
    formats = string.char(0x80 | offset << 3 | kind + 1, 0, 0)
  else
    return hex "6A 00"
  end
  if fixed > 0 then min, max = fixed, fixed end
  local seconds = find(data, 0x80) or "\15"
  return verify_pin(seconds:sub(1, 1) .. "\0" .. formats .. string.char(max, min, fixed > 0 and 1 or 2)
    .. "\1\9\4\0\0\0\0" .. string.pack("<s4", command))
end

-- Carries out a command for the reader itself.
local function mct(command, slot)
  local cla, ins, unit, what = command:byte(1, 4)
  if #command < 4 or cla ~= 0x20 then return hex "6E 00" end
  if ins == 0x13 and what == 0x80 then
    return "\x80\1" .. (slot.powered and "\5" or slot.present and "\3" or "\0") .. hex "90 00"
  elseif ins == 0x13 and unit == 0 and what == 0x81 then
    return hex "81 03 01 40 50 90 00" -- the units: a slot, a keypad, a display
  elseif ins == 0x18 then
    return perform_verification(command:sub(6))
  end
  return hex "6D 00"
end

-- Addresses of source and destination, a length, and the command; the answer has the addresses exchanged.
local function mct_universal(input, slot)
  if #input < 4 or #input < 4 + string.unpack("<I2", input, 3) then return nil end
  local source, destination, command = string.unpack("<BBs2", input)
  local answer = destination == 1 and mct(command, slot) or transmit(command)
  return answer and string.pack("<BBs2", destination, source, answer)
end

-- The driver has control codes of its own, and no properties: programs know the reader by its name.
return {
  name = usb and name or ("%s (%s)"):format(name, serial),
  arguments = { ["on-usb"] = "it is on USB, as the real one, and can be unplugged" },
  options = {
    vendor = "Reiner SCT", type = "cyberJack RFID standard", version = "0.71.513", serial = serial,
    usb = usb and "0C4B:0500",
  },
  pinpad = { max = 15 },
  features = {
    VERIFY_PIN_DIRECT = 0x42000DB2,
    MODIFY_PIN_DIRECT = 0x42000DB3,
    MCT_READER_DIRECT = 0x42000DB4,
    MCT_UNIVERSAL = 0x42000DB5,
    EXECUTE_PACE = 0x42000DCC, -- which this one does not carry out
    IFD_PIN_PROPERTIES = false,
    IFD_DISPLAY_PROPERTIES = false,
    GET_TLV_PROPERTIES = false,
  },
  control = {
    [0x42000DB2] = function(input) return verify_pin(input) end,
    [0x42000DB3] = function(input) return modify_pin(input) end,
    [0x42000DB4] = mct,
    [0x42000DB5] = mct_universal,
    VERIFY_PIN_DIRECT = false,
    MODIFY_PIN_DIRECT = false,
    IFD_PIN_PROPERTIES = false,
    IFD_DISPLAY_PROPERTIES = false,
    GET_TLV_PROPERTIES = false,
  },
}
