-- SPDX-License-Identifier: BSD-3-Clause
-- REINER SCT cyberJack RFID standard, with a PIN pad and a display, as its maker's driver shows it
local usb = args["on-usb"] ~= nil
local name, serial = "REINER SCT cyberJack RFID standard", "8170113102"

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
    VERIFY_PIN_DIRECT = false,
    MODIFY_PIN_DIRECT = false,
    IFD_PIN_PROPERTIES = false,
    IFD_DISPLAY_PROPERTIES = false,
    GET_TLV_PROPERTIES = false,
  },
}
