-- SPDX-License-Identifier: BSD-3-Clause
--
-- fs_file: the tree of files; a part of fs, which describes the fields of a file
--
-- file.new(fields)
--     A file, and the files in it, from a table of fields. It keeps the table.
--
-- file.is_df(f)
--     Whether it is a DF (or the MF).
--
-- file.parent(f)
--     The DF that it is in; nil for the MF. It is not a field, so that the table can be kept in persistent.
--
-- file.put(df, f)
--     Adds a file to a DF.
--
-- file.child(df, id), file.by_sfi(df, sfi)
--     The file in this DF with an identifier, and the EF with a short one; nil if there is none.
--
-- file.each(f)
--     An iterator over the file and all that are in it.
--
-- file.detach(f)
--     Takes the file out of its DF.
--
-- file.used(f)
--     How many bytes of memory it takes: what is in it, and what the card needs to know about it.
--
-- file.in_use(f)
--     Whether it can be read and written: neither the file nor a DF above it is deactivated or terminated.

local file = {}

local parents = setmetatable({}, { __mode = "k" })

local OVERHEAD = 64     -- bytes; it also limits how many files fit

local by_records = { fixed = true, variable = true, cyclic = true }

local function prepare_ef(f)
  f.structure = f.structure or (f.records and "variable") or "transparent"
  if f.structure == "transparent" then
    f.data = f.data or ("\0"):rep(f.size or 0)
  elseif by_records[f.structure] then
    f.records = f.records or {}
    f.max_records = f.max_records or 254
    f.record_size = f.record_size or f.structure == "variable" and 255 or f.records[1] and #f.records[1]
    if not f.record_size then error("a file of records without record_size", 0) end
  end
end

-- The five low bits of the identifier are the short one, unless it is given. 0 and 31 cannot be one.
local function default_sfi(id)
  local sfi = id & 0x1F
  return sfi > 0 and sfi < 31 and sfi
end

function file.new(f)
  f.state = f.state or "active"
  f.objects = f.objects or {}
  if not f.files then
    prepare_ef(f)
    if f.sfi == nil then f.sfi = default_sfi(f.id) end
    return f
  end
  for _, child in ipairs(f.files) do
    parents[child] = f
    file.new(child)
  end
  return f
end

function file.is_df(f)
  return f.files ~= nil
end

function file.parent(f)
  return parents[f]
end

function file.put(df, f)
  parents[f] = df
  table.insert(df.files, f)
end

function file.child(df, id)
  for _, f in ipairs(df.files) do
    if f.id == id then return f end
  end
end

function file.by_sfi(df, sfi)
  for _, f in ipairs(df.files) do
    if f.sfi == sfi then return f end
  end
end

local function collect(f, list)
  list[#list + 1] = f
  for _, child in ipairs(f.files or {}) do collect(child, list) end
  return list
end

function file.each(f)
  local list, i = collect(f, {}), 0
  return function()
    i = i + 1
    return list[i]
  end
end

function file.detach(f)
  local siblings = parents[f].files
  for i, sibling in ipairs(siblings) do
    if sibling == f then table.remove(siblings, i) end
  end
  parents[f] = nil
end

-- The room for records of a fixed length is taken when the file is created.
local function content(f)
  if f.data then return #f.data end
  if not f.records then return f.size or 0 end
  if f.structure ~= "variable" then return f.record_size * f.max_records end
  local bytes = 0
  for _, record in ipairs(f.records) do bytes = bytes + #record end
  return bytes
end

function file.used(f)
  return OVERHEAD + (file.is_df(f) and 0 or content(f))
end

function file.in_use(f)
  while f do
    if f.state == "deactivated" or f.state == "terminated" then return false end
    f = parents[f]
  end
  return true
end

return file
