-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_sequence: whether a sequence number is fresh (3GPP TS 33.102, annex C.2)
--
--   local numbers = sequence.new(kept, first)
--
-- A sequence number has 48 bits: SEQ, and in its five low bits IND, an index. For each index the card knows
-- the last SEQ that it has accepted, so the networks that take vectors from one home network in another order
-- than they were made do not disturb each other.
--
-- sequence.new(kept, first)
--     What is kept is in the table kept. If there is nothing in it, numbers up to first, 6 bytes, have been
--     used.
--
-- numbers:accept(sqn)
--     Whether the number, 6 bytes, is fresh. Then it counts as used.
--
-- numbers:highest()
--     The highest number that has been used, for a resynchronisation.

local sequence = {}

local INDEX_BITS = 5
local INDEXES = 1 << INDEX_BITS
local JUMP = 1 << 28         -- the most by which SEQ may grow in one step (delta): it must not wrap soon

local Numbers = {}
Numbers.__index = Numbers

local function split(sqn)
  local number = string.unpack(">I6", sqn)
  return number >> INDEX_BITS, number & INDEXES - 1
end

function sequence.new(kept, first)
  if not kept.accepted then
    local seq = split(first)
    kept.accepted, kept.highest = {}, first
    for i = 1, INDEXES do kept.accepted[i] = seq end
  end
  return setmetatable({ kept = kept }, Numbers)
end

function Numbers:accept(sqn)
  local seq, index = split(sqn)
  local highest = split(self.kept.highest)
  local accepted = self.kept.accepted
  if seq <= accepted[index + 1] or seq - highest > JUMP then return false end
  accepted[index + 1] = seq
  if seq > highest then self.kept.highest = sqn end
  return true
end

function Numbers:highest()
  return self.kept.highest
end

return sequence
