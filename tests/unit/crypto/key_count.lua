-- SPDX-License-Identifier: BSD-3-Clause
-- More keys than a card can have at once, if they are not kept; and as many as it can have
for i = 1, 600 do crypto.ec { curve = "X25519", d = ("\1"):rep(32) } end
local kept = {}
fails("the card has 256 keys already, and cannot have more", function()
  for i = 1, 257 do kept[i] = crypto.ec { curve = "X25519", d = ("\1"):rep(32) } end
end)
assert(#kept > 200)
return { atr = "3B 00" }
