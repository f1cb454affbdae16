-- SPDX-License-Identifier: BSD-3-Clause
-- Gemalto PC Pinpad, with a PIN pad and a display of two lines, as libccid shows it
local usb = args["on-usb"] ~= nil

return {
  name = "Gemalto USB GemPCPinpad SmartCard Reader",
  arguments = { ["on-usb"] = "it is on USB, as the real one, and can be unplugged" },
  options = { vendor = "Gemplus", type = "", version = "2.17.0", level = "tpdu", usb = usb and "08E6:3478" },
  pinpad = { min = 1, max = 16, lines = 2, characters = 16 },
  features = { IFD_DISPLAY_PROPERTIES = false },
  control = { IFD_PIN_PROPERTIES = "10 02 07 00", IFD_DISPLAY_PROPERTIES = false },
  properties = "01 02 10 02" -- wLcdLayout
    .. "04 02 10 00" -- wLcdMaxCharacters
    .. "05 02 02 00" -- wLcdMaxLines
    .. "03 01 00" -- bTimeOut2
    .. "06 01 01" -- bMinPINSize
    .. "07 01 10" -- bMaxPINSize
    .. "02 01 07" -- bEntryValidationCondition
    .. "09 01 00" -- bPPDUSupport
    .. "0B 02 E6 08" -- wIdVendor
    .. "0C 02 78 34" -- wIdProduct
    .. "0A 04 00 00 01 00", -- dwMaxAPDUDataSize
}
