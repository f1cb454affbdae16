-- SPDX-License-Identifier: BSD-3-Clause
-- HID OMNIKEY 3121, a contact reader, as libccid shows it, or as it claims to have a PIN pad
local usb, claims = args["on-usb"] ~= nil, args["claims-pinpad"] ~= nil
local name, interface = "HID Global OMNIKEY 3x21 Smart Card Reader", "OMNIKEY 3x21 Smart Card Reader"

local function no_keys() end -- nobody can press them, and the driver gets no answer

return {
  name = usb and name or ("%s [%s]"):format(name, interface),
  arguments = {
    ["claims-pinpad"] = "it has PIN features, as libccid before 1.4.29 shows it, though it has no keys",
    ["on-usb"] = "it is on USB, as the real one, and can be unplugged",
  },
  options = {
    vendor = "HID Global", type = "", version = "1.6.0",
    usb = usb and "076B:3031", interface = usb and interface,
  },
  features = claims and {
    VERIFY_PIN_DIRECT = 0x42330006,
    MODIFY_PIN_DIRECT = 0x42330007,
    IFD_PIN_PROPERTIES = 0x4233000A,
  } or nil,
  control = claims and {
    VERIFY_PIN_DIRECT = no_keys,
    MODIFY_PIN_DIRECT = no_keys,
    IFD_PIN_PROPERTIES = "00 00 07 00",
  } or nil,
  properties = "01 02 00 00" -- wLcdLayout
    .. "03 01 00" -- bTimeOut2
    .. "09 01 00" -- bPPDUSupport
    .. "0B 02 6B 07" -- wIdVendor
    .. "0C 02 31 30" -- wIdProduct
    .. "0A 04 00 00 01 00", -- dwMaxAPDUDataSize
}
