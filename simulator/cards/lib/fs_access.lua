-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_access: who may do what with a file; a part of fs, which describes the conditions
--
-- access.allows(files, f, operation)
--     Whether the operation is allowed now. There are no conditions while the file is being created.
--
-- access.parse(value, is_df)
--     The access rules in compact format (ISO/IEC 7816-4, tag 8C): an access mode byte, and a security
--     condition byte for each of its bits. Returns nil if it is malformed.
--
-- access.build(files, f)
--     The access rules of a file in compact format. A condition that is a function is left out.

local access = {}

-- The operations of the access mode byte, from bit 7 to bit 1.
local FOR_DF = { "delete", "terminate", "activate", "deactivate", "create_df", "create_ef", "delete_child" }
local FOR_EF = { "delete", "terminate", "activate", "deactivate", "write", "update", "read" }

local ALWAYS, NEVER = 0x00, 0xFF
local ALL_OF, USER = 0x80, 0x10       -- in a security condition byte: all conditions, user authentication
local OTHERS = 0x60                   -- secure messaging and external authentication

-- A number is a reference as in VERIFY. Compact access rules have only its four low bits.
local function pin(files, number)
  return files.pins[number] or files.pins[0x80 | number]
end

local function satisfied(files, condition, f, operation)
  if condition == "always" then return true end
  if condition == "never" then return false end
  if type(condition) == "function" then return condition(f, operation) end
  local reference = math.type(condition) and pin(files, condition) or condition
  if type(reference) ~= "table" then return false end
  return reference.verified
end

-- A file without rules allows everything. Rules allow nothing that they do not name.
local function condition_for(f, operation)
  local rules = f.access
  if rules == nil then return "always" end
  if type(rules) ~= "table" or rules.verified ~= nil then return rules end
  return rules[operation] or rules.default or "never"
end

function access.allows(files, f, operation)
  if f.state == "creation" or f.state == "initialisation" then return true end
  return satisfied(files, condition_for(f, operation), f, operation)
end

-- The low bits name a security environment. Here they are the reference of the PIN, 1 if they are zero.
local function parse_condition(byte)
  if byte == ALWAYS then return "always" end
  if byte == NEVER or byte & OTHERS ~= 0 or byte & USER == 0 then return "never" end
  return math.max(byte & 0x0F, 1)
end

function access.parse(value, is_df)
  local mode = value:byte()
  if not mode then return nil end
  local rules, next_byte = {}, 2
  for i, operation in ipairs(is_df and FOR_DF or FOR_EF) do
    if mode & 0x80 >> i ~= 0 then
      local byte = value:byte(next_byte)
      if not byte then return nil end
      rules[operation], next_byte = parse_condition(byte), next_byte + 1
    end
  end
  return next_byte == #value + 1 and rules or nil
end

local function reference_of(files, object)
  for reference, candidate in pairs(files.pins) do
    if candidate == object then return reference end
  end
end

local function build_condition(files, condition)
  if condition == "always" then return ALWAYS end
  if condition == "never" then return NEVER end
  local reference = type(condition) == "table" and reference_of(files, condition) or condition
  return math.type(reference) and ALL_OF | USER | reference & 0x0F
end

function access.build(files, f)
  local mode, conditions = 0, {}
  for i, operation in ipairs(f.files and FOR_DF or FOR_EF) do
    local byte = build_condition(files, condition_for(f, operation))
    if byte then
      mode = mode | 0x80 >> i
      conditions[#conditions + 1] = string.char(byte)
    end
  end
  return string.char(mode) .. table.concat(conditions)
end

return access
