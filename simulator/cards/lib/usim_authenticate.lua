-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_authenticate: what a SIM does with its key
--
-- authenticate.usim(card, cmd)
--     Answers AUTHENTICATE of the USIM, in a GSM or 3G security context (3GPP TS 31.102, 7.1).
--
-- authenticate.gsm(card, cmd)
--     Answers RUN GSM ALGORITHM (TS 51.011, 9.2.16): SRES and Kc.
--
-- They need PIN 1 verified, or disabled, and a directory of the application selected. They have the card as
-- their first parameter: subscriber, a subscriber of milenage; and numbers, of usim_sequence.

local apdu = require "apdu"
local ef = require "usim_ef"
local milenage = require "milenage"
local select = require "usim_select"

local sw, check = apdu.sw, apdu.check

local authenticate = {}

local GSM_CONTEXT, UMTS_CONTEXT = 0x80, 0x81
local WRONG_MAC = 0x9862
local SUCCESS, SYNCHRONISATION_FAILURE = "\xDB", "\xDC"
local RESYNCHRONISATION_AMF = "\0\0"

local function value(bytes)
  return string.char(#bytes) .. bytes
end

local function gsm_context(card, data)
  check(#data == 17, sw.WRONG_LENGTH)
  check(data:byte() == 16, sw.WRONG_DATA)
  local sres, kc = card.subscriber:gsm(data:sub(2))
  return value(sres) .. value(kc)
end

-- AUTS: the highest sequence number that was used, hidden, and a code by which the network knows that the
-- card has sent it.
local function resynchronise(card, rand)
  local sqn = card.numbers:highest()
  local _, mac_s = card.subscriber:f1(rand, sqn, RESYNCHRONISATION_AMF)
  local hidden = milenage.xor(sqn, card.subscriber:f5_star(rand))
  return SYNCHRONISATION_FAILURE .. value(hidden .. mac_s)
end

-- AUTN is SQN, hidden by AK, AMF and MAC-A.
local function umts_context(card, data)
  check(#data == 34, sw.WRONG_LENGTH)
  check(data:byte() == 16 and data:byte(18) == 16, sw.WRONG_DATA)
  local rand, autn = data:sub(2, 17), data:sub(19)
  local res, ck, ik, ak = card.subscriber:f2345(rand)
  local sqn = milenage.xor(autn:sub(1, 6), ak)
  local mac_a = card.subscriber:f1(rand, sqn, autn:sub(7, 8))
  check(mac_a == autn:sub(9), WRONG_MAC)
  if not card.numbers:accept(sqn) then return resynchronise(card, rand) end
  local _, kc = card.subscriber:gsm(rand)
  return SUCCESS .. value(res) .. value(ck) .. value(ik) .. value(kc)
end

local contexts = { [GSM_CONTEXT] = gsm_context, [UMTS_CONTEXT] = umts_context }

function authenticate.usim(card, cmd)
  local answer = check(cmd.p1 == 0 and contexts[cmd.p2], sw.WRONG_P1P2)
  check(select.is_in(card, card.adf), sw.CONDITIONS)
  check(card.files.pins[ef.PIN1].verified, sw.NOT_SATISFIED)
  return answer(card, cmd.data)
end

function authenticate.gsm(card, cmd)
  check(cmd.p1 == 0 and cmd.p2 == 0, sw.WRONG_PARAMETERS)
  check(cmd.nc == 16, sw.WRONG_LENGTH)
  check(select.is_in(card, card.gsm) and card.files.pins[ef.PIN1].verified, sw.NOT_SATISFIED)
  local sres, kc = card.subscriber:gsm(cmd.data)
  return sres .. kc
end

return authenticate
