-- SPDX-License-Identifier: BSD-3-Clause
-- a contactless reader: an antenna, and the commands of class FF of PC/SC part 3
local commands = require "contactless"

return {
  antenna = true,
  command = commands.answer,
  control = { [commands.ESCAPE] = commands.escape },
}
