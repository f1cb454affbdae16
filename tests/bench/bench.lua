-- SPDX-License-Identifier: BSD-3-Clause
-- The card of the benchmark, as bench_card.h describes it.

local long = ("\0"):rep(71):rep(71):rep(13)   -- 65,533 bytes

return {
  name = "bench",
  atr  = "3B 85 81 31 FE 45 62 65 6E 63 68 EC",

  commands = {
    { "80 01", function() return "\0\0\0\0\0\0\0\0", 0x9000 end },
    { "80 02", function(cmd) return long:sub(1, cmd.ne), 0x9000 end },
    { "80 03", function() return long, 0x9000 end },
    { "80 04", function() return "", 0x9000 end },
  },
}
