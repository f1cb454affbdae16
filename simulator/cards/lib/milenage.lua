-- SPDX-License-Identifier: BSD-3-Clause
--
-- milenage: the functions by which a SIM and its network authenticate each other (3GPP TS 35.206)
--
--   local milenage = require "milenage"
--   local subscriber = milenage.new { k = k, op = op }
--   local res, ck, ik, ak = subscriber:f2345(rand)
--   local mac_a = subscriber:f1(rand, sqn, amf)
--
-- K, OP, OPc and RAND have 16 bytes, SQN 6 and AMF 2.
--
-- milenage.new(fields)
--     The functions with a subscriber's key. The fields are k, and op or opc.
--
-- milenage.opc(k, op)
--     OPc, which OP becomes with this key.
--
-- subscriber:f1(rand, sqn, amf)
--     MAC-A, the network authentication code, and MAC-S, the resynchronisation authentication code (f1*).
--
-- subscriber:f2345(rand)
--     RES (8 bytes), CK, IK and AK.
--
-- subscriber:f5_star(rand)
--     The AK of a resynchronisation.
--
-- subscriber:gsm(rand)
--     SRES and Kc of GSM: RES, CK and IK by the conversion functions c2 and c3 (TS 33.102, 6.8.1.2).
--
-- milenage.xor(a, b)
--     Two strings of the same length, combined.

local milenage = {}

local Subscriber = {}
Subscriber.__index = Subscriber

function milenage.xor(a, b)
  local bytes = {}
  for i = 1, #a do bytes[i] = string.char(a:byte(i) ~ b:byte(i)) end
  return table.concat(bytes)
end

local xor = milenage.xor

-- The rotations r1 to r5 in bytes, and the constants c1 to c5, which differ in the last byte only.
local ROTATIONS = { 8, 0, 4, 8, 12 }
local CONSTANTS = {}
for i, last in ipairs { 0, 1, 2, 4, 8 } do CONSTANTS[i] = ("\0"):rep(15) .. string.char(last) end

local function rotate(block, bytes)
  return block:sub(bytes + 1) .. block:sub(1, bytes)
end

local function encrypt(self, block)
  return crypto.encrypt("AES-ECB", self.k, block)
end

function milenage.opc(k, op)
  return xor(op, crypto.encrypt("AES-ECB", k, op))
end

function milenage.new(fields)
  local self = { k = fields.k, opc = fields.opc or milenage.opc(fields.k, fields.op) }
  return setmetatable(self, Subscriber)
end

local function temp(self, rand)
  return encrypt(self, xor(rand, self.opc))
end

-- OUT1 has the sequence number in the middle of the calculation.
local function out1(self, rand, sqn, amf)
  local half = sqn .. amf
  local input = rotate(xor(half .. half, self.opc), ROTATIONS[1])
  return xor(encrypt(self, xor(xor(temp(self, rand), input), CONSTANTS[1])), self.opc)
end

-- OUT2 to OUT5.
local function out(self, rand, number)
  local input = rotate(xor(temp(self, rand), self.opc), ROTATIONS[number])
  return xor(encrypt(self, xor(input, CONSTANTS[number])), self.opc)
end

function Subscriber:f1(rand, sqn, amf)
  local block = out1(self, rand, sqn, amf)
  return block:sub(1, 8), block:sub(9)
end

function Subscriber:f2345(rand)
  local block = out(self, rand, 2)
  return block:sub(9), out(self, rand, 3), out(self, rand, 4), block:sub(1, 6)
end

function Subscriber:f5_star(rand)
  return out(self, rand, 5):sub(1, 6)
end

function Subscriber:gsm(rand)
  local res, ck, ik = self:f2345(rand)
  local sres = xor(res:sub(1, 4), res:sub(5))
  local kc = xor(xor(ck:sub(1, 8), ck:sub(9)), xor(ik:sub(1, 8), ik:sub(9)))
  return sres, kc
end

return milenage
