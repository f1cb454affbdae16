-- SPDX-License-Identifier: BSD-3-Clause
-- A FeliCa card, as far as it identifies itself
--
-- It has an IDm and a PMm, and no files.

local arguments = require "arguments"
local idm = args.idm or "0101010101010101"
local pmm = args.pmm or "FFFFFFFFFFFFFFFF"
arguments.bytes("idm", idm, { 8 })
arguments.bytes("pmm", pmm, { 8 })

return {
  name = "felica",
  arguments = {
    idm = "its number, 8 bytes (0101010101010101)",
    pmm = "its parameters, 8 bytes (FFFFFFFFFFFFFFFF)",
  },
  antenna = { uid = idm, pmm = pmm, storage = "felica" },
}
