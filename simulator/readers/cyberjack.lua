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

-- Where a PIN begins in the data of a command, from 0, or nil: positions count from the command's first byte, which is 1,
-- and the data begin at 6.
local function offset_of(position)
  return position >= 6 and position <= 20 and position - 6 or nil -- where a structure of part 10 can put digits
end

local SECONDS = "\15"
local BLOCK = hex "20 FF FF FF FF FF FF FF"  -- ISO 9564 format 2

-- What the control byte says of the PIN: bmFormatString (the PIN begins at offset), bmPINBlockString and
-- bmPINLengthFormat, and the smallest and the largest number of digits. Returns nil if there is no such format.
local function format_of(control, offset)
  local fixed, kind = control >> 4, control & 3
  if kind == 3 then return nil end
  local formats, min, max = string.char(0x80 | offset << 3 | kind + 1, 0, 0), 1, 15  -- BCD, ASCII
  if kind == 2 then formats, min, max = string.char(0x81 | offset + 1 << 3, 0x47, 4), 4, 12 end
  if fixed > 0 then min, max = fixed, fixed end
  return formats, string.char(max, min), fixed > 0 and "\1" or "\2", kind == 2
end

local function seconds(data)
  local value = find(data, 0x80)
  return (value and value ~= "" and value or SECONDS):sub(1, 1) .. "\0"
end

-- PERFORM VERIFICATION of TeleTrusT's MKT: makes a PIN_VERIFY_STRUCTURE of tag 52, as the driver does. It has the length
-- of the PIN (0: any) and its format, its position in the command, from 1, and the command.
local function perform_verification(data)
  local to_do = find(data, 0x52)
  if not to_do or #to_do < 6 then return hex "67 00" end
  local offset = offset_of(to_do:byte(2))
  local formats, limits, condition, is_block = format_of(to_do:byte(), offset or 0)
  if not offset or not formats then return hex "6A 00" end
  local command = to_do:sub(3)
  if is_block then command = command:sub(1, 4) .. "\8" .. BLOCK end
  return verify_pin(seconds(data) .. formats .. limits .. condition .. "\1\9\4\0\0\0\0" .. string.pack("<s4", command))
end

-- How many bytes a PIN takes in the command, or nil if it can have any length.
local function size_of(control)
  local fixed, kind = control >> 4, control & 3
  if kind == 2 then return #BLOCK end
  return fixed > 0 and (kind == 1 and fixed or (fixed + 1) // 2) or nil
end

-- Where both PINs are: old and new position as in the command, 0 for the new one that is behind the old one. Returns nil
-- if a structure of part 10 cannot say that, or one would be in the other. Without an old PIN, both are where the new one
-- is.
local function offsets_of(control, old, new, has_data)
  local offset_old, size = offset_of(old), size_of(control)
  if not offset_old then return nil end
  if old == new then return offset_old, offset_old end
  if new == 0 and size then return offset_old, offset_old + size end
  if new == 0 then return offset_old, not has_data and 0 or nil end  -- the command grows by each PIN
  local offset_new = offset_of(new)
  if not offset_new or math.abs(offset_new - offset_old) < (size or 1) or not has_data and offset_new < offset_old then
    return nil
  end
  return offset_old, offset_new
end

-- MODIFY VERIFICATION: the same with the positions of the old and of the new PIN, which are the same if there is no old
-- one.
local function modify_verification(data)
  local to_do = find(data, 0x52)
  if not to_do or #to_do < 7 then return hex "67 00" end
  local control, old, new = to_do:byte(1, 3)
  local command, asks_old = to_do:sub(4), old ~= new
  local formats, limits, condition, is_block = format_of(control, 0)
  local offset_old, offset_new = offsets_of(control, old, new, is_block or #command > 5)
  if not formats or not offset_new then return hex "6A 00" end
  if is_block then
    local fields = ("\xFF"):rep(math.max(offset_old, offset_new) + #BLOCK)
    for _, offset in ipairs { offset_old, offset_new } do
      fields = fields:sub(1, offset) .. BLOCK .. fields:sub(offset + #BLOCK + 1)
    end
    command = command:sub(1, 4) .. string.pack("s1", fields)
  end
  return modify_pin(seconds(data) .. formats .. string.char(asks_old and offset_old or 0, offset_new) .. limits
    .. (asks_old and "\3" or "\1") .. condition .. (asks_old and "\3" or "\2") .. "\9\4"
    .. (asks_old and "\0\1\2" or "\1\2\0") .. "\0\0\0" .. string.pack("<s4", command))
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
  elseif ins == 0x19 then
    return modify_verification(command:sub(6))
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
