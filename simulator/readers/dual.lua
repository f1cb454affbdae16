-- SPDX-License-Identifier: BSD-3-Clause
-- a dual-interface reader: slot 0 has contacts, slot 1 an antenna
local commands = require "contactless"

return {
  options = { slots = 2 },
  antenna = 1,
  command = commands.answer,
  control = { [commands.ESCAPE] = commands.escape },
}
