-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_pins: the PINs of a SIM, which GSM calls CHV (ETSI TS 102 221, 9.5 and 11.1.9 to 11.1.13)
--
-- pins.verify(card, reference, value), pins.change(card, reference, values),
-- pins.disable(card, reference, value), pins.enable(card, reference, value),
-- pins.unblock(card, reference, values)
--     What the commands do with a PIN. Values have 8 bytes, or 16 if they are two. They return the status
--     word of TS 102 221: 63 CX after a wrong value, 69 83 if the PIN is blocked, 69 84 if what is asked for
--     contradicts that it is disabled, or enabled.
--
-- pins.left(card, reference), pins.unblock_left(card, reference)
--     How many tries are left. nil if there is no such PIN.
--
-- pins.enabled(card)
--     Whether PIN 1 is asked for. The others always are.
--
-- pins.reset(card)
--     After a reset no PIN is verified, except PIN 1 if it is disabled.
--
-- pins.is_value(text)
--     Whether it can be a PIN: 4 to 8 digits, filled up with FF.

local apdu = require "apdu"
local ef = require "usim_ef"

local sw, check = apdu.sw, apdu.check

local pins = {}

local LENGTH = 8
local CONTRADICTION = 0x6984

function pins.is_value(text)
  return #text == LENGTH and text:find "^%d%d%d%d+\xFF*$" ~= nil
end

function pins.enabled(card)
  return not card.kept.disabled
end

-- A disabled PIN counts as verified, until it is blocked.
local function settle(card)
  local pin = card.files.pins[ef.PIN1]
  if card.kept.disabled then pin.verified = pin.kept.left > 0 end
end

function pins.reset(card)
  for _, pin in pairs(card.files.pins) do pin:forget() end
  settle(card)
end

local function find(card, reference)
  return check(card.files.pins[reference], sw.NO_REFERENCE)
end

local function is_enabled(card, reference)
  return reference ~= ef.PIN1 or pins.enabled(card)
end

function pins.left(card, reference)
  local pin = card.files.pins[reference]
  return pin and pin.kept.left
end

function pins.unblock_left(card, reference)
  local pin = card.files.pins[reference]
  return pin and pin.unblocked_by and pin.unblocked_by.kept.left
end

local function one(data)
  check(#data == LENGTH, sw.WRONG_LENGTH)
  return data
end

local function two(data)
  check(#data == 2 * LENGTH, sw.WRONG_LENGTH)
  return data:sub(1, LENGTH), data:sub(LENGTH + 1)
end

function pins.verify(card, reference, value)
  local pin = find(card, reference)
  check(is_enabled(card, reference), CONTRADICTION)
  return pin:verify(one(value))
end

function pins.change(card, reference, values)
  local pin = find(card, reference)
  check(is_enabled(card, reference), CONTRADICTION)
  return pin:change(two(values))
end

-- Only PIN 1 can be disabled.
local function switch(card, reference, value, disabled)
  check(reference == ef.PIN1, sw.NO_REFERENCE)
  check(pins.enabled(card) == disabled, CONTRADICTION)
  local status = find(card, reference):verify(one(value))
  if status == sw.OK then card.kept.disabled = disabled end
  settle(card)
  return status
end

function pins.disable(card, reference, value)
  return switch(card, reference, value, true)
end

function pins.enable(card, reference, value)
  return switch(card, reference, value, false)
end

-- Afterwards the PIN is verified and enabled.
function pins.unblock(card, reference, values)
  local pin = find(card, reference)
  check(pin.unblocked_by, sw.NO_REFERENCE)
  local status = pin:unblock(two(values))
  if status ~= sw.OK then return status end
  pin.verified = true
  if reference == ef.PIN1 then card.kept.disabled = false end
  return status
end

return pins
