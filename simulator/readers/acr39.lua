-- SPDX-License-Identifier: BSD-3-Clause
-- ACS ACR39U, a contact reader, as libccid shows it
local usb = args["on-usb"] ~= nil

return {
  name = "ACS ACR39U ICC Reader",
  arguments = { ["on-usb"] = "it is on USB, as the real one, and can be unplugged" },
  options = { vendor = "ACS", type = "", version = "2.22.0", level = "tpdu", usb = usb and "072F:B100" },
  properties = "01 02 00 00" -- wLcdLayout
    .. "03 01 00" -- bTimeOut2
    .. "09 01 00" -- bPPDUSupport
    .. "0B 02 2F 07" -- wIdVendor
    .. "0C 02 00 B1" -- wIdProduct
    .. "0A 04 00 00 01 00", -- dwMaxAPDUDataSize
}
