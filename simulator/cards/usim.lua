-- SPDX-License-Identifier: BSD-3-Clause
-- A USIM that is also a SIM: what phones, modems and EAP-SIM, EAP-AKA and EAP-AKA' authenticate with
--
-- It speaks T=0 only, as the cards of operators do. GSM uses it by class A0 (3GPP TS 51.011), UMTS and later
-- networks by classes 00 and 80 (ETSI TS 102 221, 3GPP TS 31.102). The algorithm is Milenage. What is on the
-- card is kept. Use it for tests only: everybody knows the key.

local authenticate = require "usim_authenticate"
local data = require "usim_data"
local factory = require "usim_factory"
local gsm = require "usim_gsm"
local options = require "usim_options"
local pins = require "usim_pins"
local select = require "usim_select"
local verification = require "usim_verification"

local GET_RESPONSE = 0xC0

local card = factory.card(options.read(args), persistent)

local function before(cmd)
  if cmd.ins ~= GET_RESPONSE then card.session.response = nil end
end

local function of_card(answer)
  return function(cmd) return answer(card, cmd) end
end

local function challenge(cmd)
  return random(cmd.ne)
end

local uicc = {
  { "00 A4", of_card(select.file) },
  { "80 F2", of_card(select.status) },
  { "00 B0", of_card(data.read_binary) },
  { "00 D6", of_card(data.update_binary) },
  { "00 B2", of_card(data.read_record) },
  { "00 DC", of_card(data.update_record) },
  { "00 A2", of_card(data.search) },
  { "80 32", of_card(data.increase) },
  { "00 20", of_card(verification.verify) },
  { "00 24", of_card(verification.change) },
  { "00 26", of_card(verification.disable) },
  { "00 28", of_card(verification.enable) },
  { "00 2C", of_card(verification.unblock) },
  { "00 04", of_card(data.deactivate) },
  { "00 44", of_card(data.activate) },
  { "00 84 00 00", challenge },
  { "00 88", of_card(authenticate.usim) },
  { "80 10 00 00", "90 00" },                 -- TERMINAL PROFILE
  { "80 AA 00 00", "90 00" },                 -- TERMINAL CAPABILITY
  { "00 70", "68 81" },                       -- MANAGE CHANNEL: there is only the basic channel
  { "00", "6D 00" },
  { "80", "6D 00" },
  { "0C", "68 82" },  { "04", "68 82" },  { "08", "68 82" },
  { "0.", "68 81" },
}

local commands = gsm.commands(card)
if not args.gsm then table.move(uicc, 1, #uicc, #commands + 1, commands) end
commands[#commands + 1] = { "..", "6E 00" }

return {
  name = "usim",
  arguments = options.ARGUMENTS,

  -- T=0; 512/32 cycles for each bit; the clock may stop, and all three classes of supply voltage. What
  -- SELECT, short identifiers and records can do. "USIM"
  atr = "3B 9C 96 80 1F C7 80 31 A0 73 BE 21 00 54 55 53 49 4D F9",

  on_power = function()
    card.session = {}
    card.files:reset()
    pins.reset(card)
  end,

  commands = card.files:commands(commands, before),
}
