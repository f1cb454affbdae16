-- SPDX-License-Identifier: BSD-3-Clause
-- SCM SPR 532, with a PIN pad and no display, as libccid shows it
local usb = args["on-usb"] ~= nil
local name, interface, serial = "SCM Microsystems Inc. SPR 532", "Vendor Interface", "60200DC5"

return {
  name = usb and name or ("%s [%s] (%s)"):format(name, interface, serial),
  arguments = { ["on-usb"] = "it is on USB, as the real one, and can be unplugged" },
  options = {
    vendor = "SCM Microsystems Inc.", type = "", version = "5.16.0", serial = serial, level = "tpdu",
    usb = usb and "04E6:E003", interface = usb and interface,
  },
  pinpad = { lines = 0, characters = 0 },
  control = { IFD_PIN_PROPERTIES = "00 00 07 00" },
  properties = "01 02 00 00" -- wLcdLayout
    .. "03 01 00" -- bTimeOut2
    .. "09 01 00" -- bPPDUSupport
    .. "0B 02 E6 04" -- wIdVendor
    .. "0C 02 03 E0" -- wIdProduct
    .. "0A 04 00 00 01 00", -- dwMaxAPDUDataSize
}
