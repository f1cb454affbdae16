-- SPDX-License-Identifier: BSD-3-Clause
--
-- openpgp_passwords: PW1, PW3 and the resetting code
--
-- PW1 is verified in two modes: 81 allows signatures, 82 all else that a user may do. 83 is PW3. All modes
-- are in card.session.verified. The three passwords are card.PW1, card.PW3 and card.RC, each as in the module
-- pins.
--
-- passwords.SIGN, passwords.USER, passwords.ADMIN
--     The modes.
--
-- passwords.attach(card)
--     Sets them. Their values and tries are in card.kept, in fields of the same names.
--
-- passwords.reset(card)
--     Makes them as on a new card: there is no resetting code.
--
-- passwords.take_initial(password)
--     Sets PW1 or PW3 to its value on a new card.
--
-- passwords.require(card, mode)
--     Ends the command with 6982 unless this mode is verified.
--
-- passwords.set_resetting_code(card, value)
--     The resetting code that PUT DATA brings; the empty string deletes it.
--
-- passwords.status(card)
--     The PW status bytes (C4).
--
-- passwords.verify, passwords.change, passwords.unblock
--     VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER.

local apdu = require "apdu"
local pins = require "pins"

local sw, check = apdu.sw, apdu.check

local passwords = { SIGN = 0x81, USER = 0x82, ADMIN = 0x83 }

local LONGEST = 127
local TRIES = 3

local INITIAL = { PW1 = "123456", PW3 = "12345678", RC = "" }
local SHORTEST = { PW1 = 6, PW3 = 8, RC = 8 }

local function attach(card, name)
  card.kept[name] = card.kept[name] or {}
  card[name] = pins.new {
    value = INITIAL[name],
    tries = TRIES,
    accepts = function(value) return #value >= SHORTEST[name] and #value <= LONGEST end,
    kept = card.kept[name],
  }
  card[name].initial = INITIAL[name]
end

function passwords.attach(card)
  for name in pairs(INITIAL) do attach(card, name) end
end

function passwords.take_initial(password)
  password:set(password.initial, TRIES)
end

function passwords.reset(card)
  passwords.take_initial(card.PW1)
  passwords.take_initial(card.PW3)
  passwords.set_resetting_code(card, "")
end

function passwords.require(card, mode)
  check(card.session.verified[mode], sw.NOT_SATISFIED)
end

local function compare(password, value)
  check(password.kept.left > 0, sw.BLOCKED)
  check(password:verify(value) == sw.OK, sw.NOT_SATISFIED)
end

local function accept(password, value)
  return check(password.accepts(value) and value, sw.WRONG_DATA)
end

function passwords.set_resetting_code(card, value)
  if value ~= "" then return card.RC:set(accept(card.RC, value), TRIES) end
  card.RC.kept.value, card.RC.kept.left = "", 0
end

function passwords.status(card)
  return string.char(card.kept.several_signatures and 1 or 0, LONGEST, LONGEST, LONGEST,
                     card.PW1.kept.left, card.RC.kept.left, card.PW3.kept.left)
end

local function by_mode(card, mode)
  if mode == passwords.SIGN or mode == passwords.USER then return card.PW1 end
  return check(mode == passwords.ADMIN and card.PW3, sw.WRONG_PARAMETERS)
end

-- Without data VERIFY tells how many tries are left.
local function tell(card, mode, password)
  if card.session.verified[mode] then return "", sw.OK end
  return "", 0x63C0 | password.kept.left
end

-- With P1 FF the mode is not verified any longer.
function passwords.verify(card, cmd)
  local mode, verified = cmd.p2, card.session.verified
  local password = by_mode(card, mode)
  check(cmd.p1 == 0x00 or cmd.p1 == 0xFF, sw.WRONG_PARAMETERS)
  if cmd.p1 == 0xFF then
    check(cmd.nc == 0, sw.WRONG_LENGTH)
    verified[mode] = false
    return
  end
  if cmd.nc == 0 then return tell(card, mode, password) end
  verified[mode] = false
  compare(password, cmd.data)
  verified[mode] = true
end

-- The data are the old and the new value. A wrong old one ends what the password has allowed, as in VERIFY.
function passwords.change(card, cmd)
  check(cmd.p1 == 0x00 and cmd.p2 ~= passwords.USER, sw.WRONG_PARAMETERS)
  local password, verified = by_mode(card, cmd.p2), card.session.verified
  local old = password.kept.value
  if cmd.data:sub(1, #old) ~= old then
    verified[cmd.p2] = false
    if password == card.PW1 then verified[passwords.USER] = false end
  end
  compare(password, cmd.data:sub(1, #old))
  password.kept.value = accept(password, cmd.data:sub(#old + 1))
end

-- Either the resetting code comes before the new PW1, or PW3 has been verified.
function passwords.unblock(card, cmd)
  check(cmd.p2 == passwords.SIGN and (cmd.p1 == 0x00 or cmd.p1 == 0x02), sw.WRONG_PARAMETERS)
  local new = cmd.data
  if cmd.p1 == 0x00 then
    local code = card.RC.kept.value
    compare(card.RC, cmd.data:sub(1, #code))
    new = cmd.data:sub(#code + 1)
  else
    passwords.require(card, passwords.ADMIN)
  end
  card.PW1:set(accept(card.PW1, new))
end

return passwords
