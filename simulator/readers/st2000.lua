-- SPDX-License-Identifier: BSD-3-Clause
-- Cherry SmartTerminal ST-2000, with a PIN pad and no display, as libccid shows it
local usb = args["on-usb"] ~= nil
local name, interface, serial = "Cherry GmbH SmartTerminal ST-2xxx", "Vendor Interface", "21121745111568"

return {
  name = usb and name or ("%s [%s] (%s)"):format(name, interface, serial),
  arguments = { ["on-usb"] = "it is on USB, as the real one, and can be unplugged" },
  options = {
    vendor = "Cherry GmbH", type = "", version = "6.1.0", serial = serial, level = "tpdu",
    usb = usb and "046A:003E", interface = usb and interface,
  },
  pinpad = { max = 25, lines = 0, characters = 0 },
  control = { IFD_PIN_PROPERTIES = "00 00 02 00" },
  properties = "01 02 00 00" -- wLcdLayout
    .. "03 01 00" -- bTimeOut2
    .. "06 01 00" -- bMinPINSize
    .. "07 01 19" -- bMaxPINSize
    .. "02 01 02" -- bEntryValidationCondition: the key ok
    .. "09 01 00" -- bPPDUSupport
    .. "0B 02 6A 04" -- wIdVendor
    .. "0C 02 3E 00" -- wIdProduct
    .. "0A 04 00 00 01 00", -- dwMaxAPDUDataSize
}
