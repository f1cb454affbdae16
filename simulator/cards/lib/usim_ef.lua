-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_ef: the EFs of a SIM, and who may read and change them
--
-- ef.transparent(id, sfi, rule, data, shared)
-- ef.linear(id, sfi, rule, size, count, records, shared)
-- ef.cyclic(id, sfi, rule, size, count, byte, shared)
--     A file as fs takes it. The short identifier is false if there is none. The rule is one of ef.rules by
--     its name. Records that are not given have nothing but FF, those of a cyclic file nothing but the byte.
--     Files of the same shared name have the same content: what GSM and the USIM both have.
--
-- ef.arr(id)
--     EF ARR, which says what the rules are. Its records have their numbers.
--
-- ef.rules
--     From names to numbers.
--
-- ef.share(files, f)
--     Gives the files that share their content with f what is now in f.
--
-- ef.PIN1, ef.PIN2, ef.ADM
--     The references of the PINs, as in P2 of VERIFY.

local tlv = require "tlv"

local ef = {}

ef.PIN1, ef.PIN2, ef.ADM = 0x01, 0x81, 0x0A

local PIN1, PIN2, ADM = ef.PIN1, ef.PIN2, ef.ADM

-- In the order of the records of EF ARR. What is not here, nobody may do.
local RULES = {
  { name = "directory" },
  { name = "public", read = "always", update = ADM, deactivate = ADM, activate = ADM },
  { name = "language", read = "always", update = PIN1, deactivate = ADM, activate = ADM },
  { name = "network", read = PIN1, update = ADM, deactivate = ADM, activate = ADM },
  { name = "location", read = PIN1, update = PIN1, deactivate = ADM, activate = PIN1 },
  { name = "user", read = PIN1, update = PIN1, deactivate = PIN2, activate = PIN2 },
  { name = "fixed", read = PIN1, update = PIN2, deactivate = ADM, activate = ADM },
  { name = "meter", read = PIN1, update = PIN2, increase = PIN1, deactivate = ADM, activate = ADM },
}

ef.rules = {}
for number, rule in ipairs(RULES) do ef.rules[rule.name] = number end

local OPERATIONS = { "read", "update", "increase", "deactivate", "activate" }

local function new(fields, rule)
  fields.rule = assert(ef.rules[rule], rule)
  fields.access = {}
  for _, operation in ipairs(OPERATIONS) do fields.access[operation] = RULES[fields.rule][operation] end
  return fields
end

function ef.transparent(id, sfi, rule, data, shared)
  return new({ id = id, sfi = sfi, data = data, shared = shared }, rule)
end

local function of_records(structure, fields, list, byte, rule)
  fields.structure, fields.records = structure, table.move(list, 1, #list, 1, {})
  for number = #list + 1, fields.max_records do fields.records[number] = byte:rep(fields.record_size) end
  return new(fields, rule)
end

function ef.linear(id, sfi, rule, size, count, records, shared)
  local fields = { id = id, sfi = sfi, record_size = size, max_records = count, shared = shared }
  return of_records("fixed", fields, records or {}, "\xFF", rule)
end

function ef.cyclic(id, sfi, rule, size, count, byte, shared)
  local fields = { id = id, sfi = sfi, record_size = size, max_records = count, shared = shared }
  return of_records("cyclic", fields, {}, byte, rule)
end

function ef.share(files, f)
  if not f.shared then return end
  for other in files:each() do
    if other ~= f and other.shared == f.shared then
      other.data, other.state = f.data, f.state
      other.records = f.records and table.move(f.records, 1, #f.records, 1, {})
    end
  end
end

-- Security condition data objects: always, never, or a PIN with the usage "user authentication, knowledge
-- based" (ISO/IEC 7816-4).
local function condition(who)
  if who == "always" then return tlv.build(0x90) end
  if not who then return tlv.build(0x97) end
  return tlv.build(0xA4, tlv.build(0x83, string.char(who)), tlv.build(0x95, "\x08"))
end

-- Access mode data objects: bits for operations, or the instruction of INCREASE.
local MODES = {
  { "read", hex "80 01 01" }, { "update", hex "80 01 02" }, { "deactivate", hex "80 01 08" },
  { "activate", hex "80 01 10" }, { "increase", hex "84 01 32" },
}
local RULE_SIZE = #MODES * 11

local function record(rule)
  local parts = {}
  for i, mode in ipairs(MODES) do parts[i] = mode[2] .. condition(rule[mode[1]]) end
  local text = table.concat(parts)
  return text .. ("\xFF"):rep(RULE_SIZE - #text)
end

function ef.arr(id)
  local list = {}
  for number, rule in ipairs(RULES) do list[number] = record(rule) end
  return ef.linear(id, id & 0x1F, "public", RULE_SIZE, #list, list)
end

return ef
