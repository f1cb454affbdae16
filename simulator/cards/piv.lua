-- SPDX-License-Identifier: BSD-3-Clause
-- A PIV card (NIST SP 800-73-4), with the commands that YubiKeys add
--
-- Both OpenSC and Yubico's programs can use all of it. Its keys and certificates come from the rig's seed.
-- Use it for tests only: everybody knows these keys.
--
-- yubico-piv-tool looks for "Yubikey" in the names of readers, and ykcs11 for "Yubico". So either name the
-- reader, by cardrig run --reader "Yubico YubiKey", or give yubico-piv-tool the option -r "".

local apdu = require "apdu"
local attest = require "piv_attest"
local authenticate = require "piv_authenticate"
local factory = require "piv_factory"
local generate = require "piv_generate"
local objects = require "piv_objects"
local options = require "piv_options"
local tlv = require "tlv"
local yubico = require "piv_yubico"

local sw, check = apdu.sw, apdu.check

local AID = hex "A0 00 00 03 08 00 00 10 00 01 00"
local SHORTEST = 5                            -- bytes of the AID: the RID, by which Yubico's programs select

-- The application property template: the rest of the AID with the version, who allocates the tags, and a
-- name.
local PROPERTIES = tlv.build(0x61,
  tlv.build(0x4F, AID:sub(6)),
  tlv.build(0x79, tlv.build(0x4F, AID:sub(1, 5))),
  tlv.build(0x50, "cardrig PIV"))

local card = factory.card(options.read(args), persistent)

-- Nothing but SELECT works before the application is selected. A key may need VERIFY as the very last command
-- before it is used, so the card remembers that one.
local function before(cmd)
  check(card.session.selected or cmd.ins == 0xA4, sw.WRONG_INS)
  card.session.just_verified, card.session.verified_now = card.session.verified_now, false
end

-- Selecting the application again changes nothing, nor does the attempt to select another one, which is not
-- there.
local function select(cmd)
  check(cmd.p1 == 0x04 and cmd.p2 == 0x00, sw.WRONG_P1P2)
  check(cmd.nc >= SHORTEST and cmd.data == AID:sub(1, cmd.nc), sw.NOT_FOUND)
  card.session.selected = true
  return PROPERTIES
end

-- 80 is the PIN of the application. There is no global PIN. P1 FF is Yubico's and SP 800-73-4's way to forget
-- a PIN. Eight bytes that cannot be a PIN are a wrong one, as on YubiKeys: by FF ykman blocks it before RESET.
local function verify(cmd)
  check(cmd.p2 == 0x80, sw.NO_REFERENCE)
  check(cmd.p1 == 0x00 or cmd.p1 == 0xFF, sw.WRONG_P1P2)
  if cmd.p1 == 0xFF then
    check(cmd.nc == 0, sw.WRONG_DATA)
    return card.PIN:forget()
  end
  if cmd.nc == 0 then return "", card.PIN:status() end
  check(card.PIN.kept.left > 0, sw.BLOCKED)
  check(cmd.nc == 8, sw.WRONG_DATA)
  local status = card.PIN:verify(cmd.data)
  card.session.verified_now = status == sw.OK
  return "", status
end

-- Both values have 8 bytes.
local function two_values(cmd)
  check(cmd.nc == 16, sw.WRONG_DATA)
  return cmd.data:sub(1, 8), cmd.data:sub(9)
end

local function change_reference_data(cmd)
  check(cmd.p1 == 0x00, sw.WRONG_P1P2)
  local reference = check(({ [0x80] = card.PIN, [0x81] = card.PUK })[cmd.p2], sw.NO_REFERENCE)
  return "", reference:change(two_values(cmd))
end

local function reset_retry_counter(cmd)
  check(cmd.p1 == 0x00, sw.WRONG_P1P2)
  check(cmd.p2 == 0x80, sw.NO_REFERENCE)
  return "", card.PIN:unblock(two_values(cmd))
end

local function of_card(answer)
  return function(cmd) return answer(card, cmd) end
end

return {
  name = "piv",
  arguments = options.ARGUMENTS,

  -- T=0 and T=1, with blocks of 254 bytes; chaining and commands of extended length; "PIV"
  atr = "3B 89 80 11 FE 80 73 C0 21 C0 53 50 49 56 28",
  chaining = true,
  ne_without_le = 256,                        -- as YubiKeys; yubico-piv-tool 2.2 does not write Le

  on_power = function()
    card.PIN:forget()
    card.session = {}
  end,

  commands = apdu.commands({
    { "00 A4", select },
    { "00 20", verify },
    { "00 24", change_reference_data },
    { "00 2C", reset_retry_counter },
    { "00 47", of_card(generate.key_pair) },
    { "00 87", of_card(authenticate.general) },
    { "00 CB", of_card(objects.get) },
    { "00 DB", of_card(objects.put) },
    { "00 F6", of_card(yubico.move_key) },
    { "00 F7", of_card(yubico.metadata) },
    { "00 F8", of_card(yubico.serial) },
    { "00 F9", of_card(attest.answer) },
    { "00 FA", of_card(yubico.set_tries) },
    { "00 FB", of_card(yubico.reset) },
    { "00 FD", of_card(yubico.version) },
    { "00 FE", of_card(generate.import) },
    { "00 FF", of_card(yubico.set_management_key) },
    { "00", "6D 00" },
    { "0C", "68 82" },
    { "..", "6E 00" },
  }, before),
}
