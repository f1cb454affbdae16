-- SPDX-License-Identifier: BSD-3-Clause
--
-- sm: secure messaging, encrypted and with codes (ISO/IEC 7816-4, 10; ICAO Doc 9303-11, 9.8)
--
--   local sm = require "sm"
--   local holder = {}
--
--   local function authenticate(cmd)
--     ...
--     holder.session = sm.new {
--       cipher = "3DES", ssc = ssc, enc = sm.derive("3DES", seed, 1), mac = sm.derive("3DES", seed, 2),
--     }
--     return response
--   end
--
--   return {
--     atr = "3B 00",
--     on_power = function() holder.session = nil end,
--     commands = sm.commands({ { "00 82", authenticate }, { "00 B0", read } }, holder),
--   }
--
-- The ciphers are 3DES, AES-128, AES-192 and AES-256. With 3DES codes are those of ISO/IEC 9797-1, algorithm
-- 3 with DES, and the send sequence counter has 8 bytes. With AES they are the first 8 bytes of the CMAC, and
-- the counter has 16.
--
-- sm.commands(list, holder)
--     A card's commands. Those of list, which have the class 00, may come protected, too, with the class 0C.
--     The functions then get the command that was protected, in which secure is true, and what they return is
--     protected; not more data than it asks for. holder.session has the keys, nil if there are none: then a
--     protected command gets 69 85. The session ends when anything is wrong with a protected command, or when
--     one comes that is not. Functions may end a command by apdu.check(), also if it is protected.
--
-- sm.new(fields)
--     A session. The fields are cipher; enc and mac, the keys; and ssc, the send sequence counter before the
--     first command (zeros).
--
-- session:unwrap(cmd)
--     The command that was protected, a table as functions get it. It ends the command if it is not sound: 69
--     87 without a code (tag 8E), 69 88 if the code or anything else is wrong. The objects may be 81 (plain
--     data), 85 or 87 (encrypted data), 97 (Le) and 8E.
--
-- session:wrap(data, status)
--     The protected response to the last command, and its status word.
--
-- sm.derive(cipher, seed, counter)
--     A key from a secret (Doc 9303-11, 9.7.1). The counter is 1 for encryption, 2 for codes, 3 for the nonce
--     of PACE.
--
-- sm.pad(data, size)
--     The data with 80, and with zeros up to a multiple of size. sm.unpad(data) takes them away, and returns
--     nil if they are not there.
--
-- sm.mac(cipher, key, data)
--     A code of 8 bytes. With 3DES the data are padded.

local apdu = require "apdu"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local sm = {}

local PLAIN, ENCRYPTED_TLV, ENCRYPTED, LE, STATUS, CODE = 0x81, 0x85, 0x87, 0x97, 0x99, 0x8E
local PADDED = "\1"                            -- the padding indicator in 87
local MISSING, INCORRECT = 0x6987, 0x6988      -- secure messaging data objects
local SECURE_CLASS = 0x0C

-- The name for crypto, the size of a block, and that of a key with the hash that it is derived by.
local ciphers = {
  ["3DES"] = { cbc = "3DES-CBC", block = 8, key = 16, hash = "SHA-1" },
  ["AES-128"] = { cbc = "AES-CBC", block = 16, key = 16, hash = "SHA-1" },
  ["AES-192"] = { cbc = "AES-CBC", block = 16, key = 24, hash = "SHA-256" },
  ["AES-256"] = { cbc = "AES-CBC", block = 16, key = 32, hash = "SHA-256" },
}

local function cipher_of(name)
  return ciphers[name] or error("sm: no cipher '" .. tostring(name) .. "'", 0)
end

-- DES keys have an odd number of ones in each byte.
local function with_parity(key)
  return (key:gsub(".", function(byte)
    local bits, ones = byte:byte() & 0xFE, 0
    for i = 1, 7 do ones = ones + (bits >> i & 1) end
    return string.char(bits | ~ones & 1)
  end))
end

function sm.derive(cipher, seed, counter)
  local kind = cipher_of(cipher)
  local key = crypto.hash(kind.hash, seed .. string.pack(">I4", counter)):sub(1, kind.key)
  return cipher == "3DES" and with_parity(key) or key
end

function sm.pad(data, size)
  return data .. "\x80" .. ("\0"):rep(-(#data + 1) % size)
end

function sm.unpad(data)
  return data:match "^(.*)\x80\0*$"
end

-- CBC with the first half of the key. The last block is then decrypted by the second half, and encrypted
-- again.
local function retail_mac(key, blocks)
  local first, second = key:sub(1, 8), key:sub(9, 16)
  local last = crypto.encrypt("DES-CBC", first, blocks):sub(-8)
  return crypto.encrypt("DES-ECB", first, crypto.decrypt("DES-ECB", second, last))
end

local function mac_of_blocks(cipher, key, blocks)
  if cipher == "3DES" then return retail_mac(key, blocks) end
  return crypto.cmac("AES", key, blocks):sub(1, 8)
end

function sm.mac(cipher, key, data)
  cipher_of(cipher)
  return mac_of_blocks(cipher, key, cipher == "3DES" and sm.pad(data, 8) or data)
end

local Session = {}
Session.__index = Session

function sm.new(fields)
  local kind = cipher_of(fields.cipher)
  for _, name in ipairs { "enc", "mac" } do
    if #fields[name] ~= kind.key then error("sm: " .. name .. " is not a key of " .. fields.cipher, 0) end
  end
  local ssc = fields.ssc or ("\0"):rep(kind.block)
  if #ssc ~= kind.block then error("sm: ssc has not " .. kind.block .. " bytes", 0) end
  local self = { cipher = fields.cipher, kind = kind, enc = fields.enc, mac = fields.mac, ssc = ssc }
  return setmetatable(self, Session)
end

local function count(self)
  local bytes, at = self.ssc, #self.ssc
  while at > 1 and bytes:byte(at) == 0xFF do at = at - 1 end
  local digit = bytes:byte(at) + 1 & 0xFF
  self.ssc = bytes:sub(1, at - 1) .. string.char(digit) .. ("\0"):rep(#bytes - at)
end

-- With AES the counter makes each initialization vector another one.
local function vector(self)
  if self.cipher == "3DES" then return ("\0"):rep(8) end
  return crypto.encrypt("AES-ECB", self.enc, self.ssc)
end

local function encrypt(self, data)
  return crypto.encrypt(self.kind.cbc, self.enc, sm.pad(data, self.kind.block), vector(self))
end

local function decrypt(self, data)
  check(#data > 0 and #data % self.kind.block == 0, INCORRECT)
  return check(sm.unpad(crypto.decrypt(self.kind.cbc, self.enc, data, vector(self))), INCORRECT)
end

-- The header, if there is one, and the objects are padded each.
local function code(self, header, objects)
  local block = self.kind.block
  if header ~= "" then header = sm.pad(header, block) end
  if objects ~= "" then objects = sm.pad(objects, block) end
  return mac_of_blocks(self.cipher, self.mac, self.ssc .. header .. objects)
end

local permitted = { [PLAIN] = true, [ENCRYPTED_TLV] = true, [ENCRYPTED] = true, [LE] = true, [CODE] = true }

-- The objects by their tags, and those that the code is about: what has an odd tag, as it was sent.
local function parse(data)
  local map, covered, position = {}, {}, 1
  while position <= #data do
    local tag, value, after = tlv.parse(data, position)
    check(permitted[tag] and not map[tag], INCORRECT)
    map[tag] = value
    if tag ~= CODE then covered[#covered + 1] = data:sub(position, after - 1) end
    position = after
  end
  return map, table.concat(covered)
end

local function data_of(self, ins, map)
  local tag = ins & 1 == 1 and ENCRYPTED_TLV or ENCRYPTED
  check(not map[tag == ENCRYPTED and ENCRYPTED_TLV or ENCRYPTED], INCORRECT)
  local value = map[tag]
  check(not (value and map[PLAIN]), INCORRECT)
  if not value then return map[PLAIN] or "" end
  if tag == ENCRYPTED_TLV then return decrypt(self, value) end
  check(value:sub(1, 1) == PADDED, INCORRECT)
  return decrypt(self, value:sub(2))
end

local function ne_of(value)
  if not value then return 0 end
  check(#value == 1 or #value == 2, INCORRECT)
  local ne = string.unpack(">I" .. #value, value)
  return ne > 0 and ne or 1 << 8 * #value
end

-- Lc with the data, and Le, in the short form or in the extended one.
local function body(data, ne)
  local short = #data <= 255 and ne <= 256
  local lc, le = "", ""
  if #data > 0 then lc = short and string.char(#data) or string.pack(">BI2", 0, #data) end
  if ne > 0 then le = short and string.char(ne & 0xFF) or string.pack(">I2", ne & 0xFFFF) end
  return (short or #data > 0) and lc .. data .. le or "\0" .. le
end

-- Fields that are not about protection stay as they are.
local function plain_command(cmd, data, ne)
  local plain = {}
  for name, value in pairs(cmd) do plain[name] = value end
  plain.cla = cmd.cla & ~SECURE_CLASS
  plain.data, plain.nc, plain.ne, plain.secure = data, #data, ne, true
  plain.raw = string.char(plain.cla, cmd.ins, cmd.p1, cmd.p2) .. body(data, ne)
  return plain
end

function Session:unwrap(cmd)
  count(self)
  self.ins = cmd.ins
  local map, covered = parse(cmd.data)
  check(map[CODE], MISSING)
  check(map[CODE] == code(self, cmd.raw:sub(1, 4), covered), INCORRECT)
  return plain_command(cmd, data_of(self, cmd.ins, map), ne_of(map[LE]))
end

function Session:wrap(data, status)
  count(self)
  local objects = tlv.build(STATUS, string.pack(">I2", status))
  if data ~= "" and self.ins & 1 == 1 then
    objects = tlv.build(ENCRYPTED_TLV, encrypt(self, data)) .. objects
  elseif data ~= "" then
    objects = tlv.build(ENCRYPTED, PADDED, encrypt(self, data)) .. objects
  end
  return objects .. tlv.build(CODE, code(self, "", objects)), status
end

local function digits(bytes)
  return (bytes:gsub(".", function(byte) return ("%02X"):format(byte:byte()) end))
end

-- What the list answers to the command, as the card would.
local function answer(list, cmd)
  local header = digits(cmd.raw)
  for _, entry in ipairs(list) do
    if header:find("^" .. entry[1]:gsub("%s", ""):upper()) then
      if type(entry[2]) == "function" then
        local data, status = entry[2](cmd)
        if data ~= false then return data, status end
      else
        local bytes = hex(entry[2])
        return bytes:sub(1, -3), (string.unpack(">I2", bytes, #bytes - 1))
      end
    end
  end
  return "", sw.WRONG_INS
end

local function protected(list, holder)
  return function(cmd)
    local session = check(holder.session, sw.CONDITIONS)
    holder.session = nil
    local plain = session:unwrap(cmd)
    holder.session = session
    local data, status = answer(list, plain)
    return session:wrap(data:sub(1, plain.ne), status)
  end
end

local function ending(holder, run)
  if type(run) ~= "function" then run = function() return answer({ { "", run } }, { raw = "" }) end end
  return function(cmd)
    holder.session = nil
    return run(cmd)
  end
end

function sm.commands(list, holder)
  local plain = apdu.commands(list)
  local all = { { "0C", apdu.command(protected(plain, holder)) } }
  for _, entry in ipairs(plain) do all[#all + 1] = { entry[1], ending(holder, entry[2]) } end
  return all
end

return sm
