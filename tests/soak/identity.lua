-- SPDX-License-Identifier: BSD-3-Clause
-- Each insertion is a card of its own: its answers begin with an identity that no other has. The rest is an echo.

local id = random(8)

return {
  name = "identity",
  atr = "3B 93 96 80 01 74 77 6F E8", -- T=0 and T=1
  t1 = { ifsc = 254 },
  commands = { { "80 12", function(cmd) return id .. cmd.data, 0x9000 end } },
}
