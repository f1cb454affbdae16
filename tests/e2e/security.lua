-- SPDX-License-Identifier: BSD-3-Clause
-- A card with codes and a key, by the book: ISO/IEC 7816-4:2013, 11.5. It counts what it is sent.
--
-- A test can put globals in front of this script:
--   SERIAL  the serial number of the card, 1 by default. All serial numbers have one ATR
--   STYLE   "modern" by default. "old": no question without data, no P1 FF; both are 67 00
--           "naive": takes P1 FF for a question; "counts": takes a question for a wrong code

local serial = SERIAL or 1
local style  = STYLE or "modern"
local TRIES  = 3

-- by P2; a code that ends in FF is padded
local codes = {
  [0x01] = { value = "1234", resetting = "87654321", required = true },
  [0x81] = { value = "5678" .. hex"FF FF FF FF", resetting = "0000" .. hex"FF FF FF FF", required = true },
}
for _, code in pairs(codes) do
  code.left, code.resetting_left, code.verified = TRIES, TRIES, false
end
local key = { left = TRIES, used = false }
local challenge                              -- nil: none
local presented, proofs, questions, power_ups = 0, 0, 0, 0

local function refused(left)
  return "", left > 0 and 0x63C0 | left or 0x6983
end

-- Compares a code, and counts the tries.
local function is_right(code, value, counter, wanted)
  presented = presented + 1
  if value == "MUTE" then fault("mute*3") end        -- after it was counted
  if code[counter] == 0 then return false end
  if value == wanted then
    code[counter] = TRIES
    return true
  end
  code[counter] = code[counter] - 1
  return false
end

local function question(code)
  questions = questions + 1
  if style == "old" then return "", 0x6700 end
  if style == "counts" then
    is_right(code, "", "left", code.value)
    return refused(code.left)
  end
  if code.verified or not code.required then return "", 0x9000 end
  return refused(code.left)
end

local function verify(cmd, code)
  if cmd.p1 == 0xFF and style == "modern" then
    if cmd.nc > 0 then return "", 0x6A80 end
    code.verified = false
    return "", 0x9000
  end
  if cmd.p1 ~= 0 and style == "old" then return "", 0x6A86 end
  if cmd.nc == 0 then return question(code) end
  if cmd.nc > 16 then return "", 0x6A80 end
  code.verified = is_right(code, cmd.data, "left", code.value)
  if code.verified then return "", 0x9000 end
  return refused(code.left)
end

local function change(cmd, code)
  if cmd.p1 == 1 then return "", 0x6985 end          -- the code is set already
  local old = cmd.data:sub(1, #code.value)
  local new = cmd.data:sub(#code.value + 1)
  if #new < 4 then return "", 0x6A80 end
  code.verified = is_right(code, old, "left", code.value)
  if not code.verified then return refused(code.left) end
  code.value = new
  return "", 0x9000
end

local function require_code(cmd, code)
  if cmd.p1 == 1 then return "", 0x6982 end
  if not is_right(code, cmd.data, "left", code.value) then return refused(code.left) end
  code.required = cmd.ins == 0x28
  return "", 0x9000
end

local function unblock(cmd, code)
  local with_resetting_code = cmd.p1 == 0 or cmd.p1 == 1
  local value = with_resetting_code and cmd.data:sub(1, #code.resetting) or ""
  local new = cmd.data:sub(#value + 1)
  if (cmd.p1 == 0 or cmd.p1 == 2) ~= (#new > 0) then return "", 0x6A87 end
  if with_resetting_code then
    if not is_right(code, value, "resetting_left", code.resetting) then return refused(code.resetting_left) end
  elseif not key.used then
    return "", 0x6982                                -- the administrator's key allows it, too
  end
  code.left = TRIES
  if #new > 0 then code.value = new end
  return "", 0x9000
end

local function with_code(handler)
  return function(cmd)
    local code = codes[cmd.p2]
    if not code then return "", 0x6A88 end
    return handler(cmd, code)
  end
end

local function get_challenge(cmd)
  if cmd.ne == 5 then return hex"00 01 02", 0x9000 end        -- shorter
  if cmd.ne == 6 then return "", 0x9000 end                   -- malformed
  challenge = random(8)
  return challenge, 0x9000                                    -- 61 XX if it is longer than Ne
end

local function external_authenticate(cmd)
  proofs = proofs + 1
  local expected = challenge and challenge:reverse()
  challenge = nil
  if cmd.p2 ~= 0x01 then return "", 0x6A88 end
  if not expected then return "", 0x6985 end
  if cmd.data == "MUTE" then fault("mute*3") end
  if key.left > 0 and cmd.data == expected then
    key.left, key.used = TRIES, true
    return "", 0x9000
  end
  key.left = key.left > 0 and key.left - 1 or 0
  return refused(key.left)
end

local function internal_authenticate(cmd)
  if cmd.p2 ~= 0x02 then return "", 0x6A88 end
  if not codes[0x01].verified then return "", 0x6982 end
  return cmd.data:reverse(), 0x9000
end

return {
  name = "security " .. serial,
  atr  = "3B 88 80 01 73 65 63 75 72 69 74 79 1F",

  on_power = function(how)
    power_ups = power_ups + (how == "off" and 0 or 1)
    challenge, key.used = nil, false
    for _, code in pairs(codes) do code.verified = false end
  end,

  commands = {
    { "80 F0", function()                    -- what has happened to this card
        local code = codes[0x01]
        return string.pack("BBBBBBBB", serial, presented, proofs, questions, code.left, code.resetting_left,
                           key.left, power_ups), 0x9000
      end },
    { "80 F2", function() return string.pack("B", serial), 0x9000 end },
    { ".. 20", with_code(verify) },
    { "00 24", with_code(change) },
    { "00 26", with_code(require_code) },
    { "00 28", with_code(require_code) },
    { "00 2C", with_code(unblock) },
    { "00 84", get_challenge },
    { "00 82", external_authenticate },
    { "00 88", internal_authenticate },
  },
}
