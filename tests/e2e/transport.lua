-- SPDX-License-Identifier: BSD-3-Clause
-- A card for T=0: in a reader at TPDU level, the application has to send GET RESPONSE, the right Le, and long
-- commands in parts.
local stored = ""

local function pattern(length)
  local bytes = {}
  for i = 1, length do bytes[i] = string.char(i % 251) end
  return table.concat(bytes)
end

return {
  name = "transport",
  atr = "3B 02 54 30",
  on_power = function() stored = "" end,
  commands = {
    { "80 10", function(cmd) return cmd.data:reverse(), 0x9000 end },
    { "80 12", function(cmd) return pattern(cmd.p1 << 8 | cmd.p2), 0x9000 end },
    { "90 D0", function(cmd)
        if cmd.p2 == 1 then return "", 0x6A80 end
        stored = stored .. cmd.data
        return "", 0x9000
      end },
    { "80 D0", function(cmd)
        local all = stored .. cmd.data
        stored = ""
        return string.pack(">I2", #all) .. (all == pattern(#all) and "right" or "wrong"), 0x9000
      end },
    { "00 20", "63 C2" },
  },
}
