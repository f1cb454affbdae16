-- SPDX-License-Identifier: BSD-3-Clause
--
-- usim_select: SELECT and STATUS of a UICC (ETSI TS 102 221, 11.1.1 and 11.1.2)
--
-- select.file, select.status
--     Each answers one command.
--
-- select.is_in(card, df)
--     Whether this DF, or one in it, is the current directory.
--
-- They have the card as their first parameter: files; adf, the directory of the USIM; and session.

local apdu = require "apdu"
local fcp = require "usim_fcp"
local file = require "fs_file"
local fs_select = require "fs_select"
local tlv = require "tlv"

local sw, check = apdu.sw, apdu.check

local select = {}

local BY_NAME = 0x04
local CURRENT_ADF = hex "7F FF"
local TEMPLATE, NO_DATA = 0x04, 0x0C          -- P2: what is returned; 00 is taken for the former
local TERMINATION = 0x40                      -- P2: the session of the application ends

local function contains(df, f)
  while f and f ~= df do f = file.parent(f) end
  return f ~= nil
end

function select.is_in(card, df)
  return contains(df, card.files.df)
end

-- The directory of the USIM, and what is in it, can only be reached after it was selected by its AID.
local function find(card, cmd)
  local active = card.session.active
  if cmd.p1 == 0 and cmd.data == CURRENT_ADF then return check(active and card.adf, sw.NOT_FOUND) end
  local f = fs_select.find(card.files, cmd.p1, cmd.data, cmd.p2 & 3)
  check(active or cmd.p1 == BY_NAME or not contains(card.adf, f), sw.NOT_FOUND)
  return f
end

-- The interface device may ask for fewer bytes than there are, and gets the number of them.
local function answer(card, cmd, f)
  local data = fcp.build(card, f)
  if cmd.nc == 0 and cmd.ne < #data then return "", 0x6C00 | #data end
  return data
end

function select.file(card, cmd)
  local control, wanted = cmd.p2 & 0x60, cmd.p2 & 0x0C
  check(cmd.p2 & 0x90 == 0 and (control == 0 or control == TERMINATION), sw.WRONG_P1P2)
  check(wanted == 0 or wanted == TEMPLATE or wanted == NO_DATA, sw.WRONG_P1P2)
  check(control == 0 or cmd.p1 == BY_NAME, sw.WRONG_P1P2)
  local f = find(card, cmd)
  if control == TERMINATION then
    card.session.active = false
    card.files:select(card.files.mf)
    return
  end
  card.files:select(f)
  if f == card.adf then card.session.active = true end
  local status = f.state == "deactivated" and sw.DEACTIVATED or sw.OK
  if wanted == NO_DATA then return "", status end
  return fcp.build(card, f), status
end

-- P1 says that the session begins or ends, which changes nothing here. P2 asks for the template of the
-- current directory, the name of the application, or nothing.
function select.status(card, cmd)
  check(cmd.p1 <= 2 and cmd.nc == 0, sw.WRONG_P1P2)
  if cmd.p2 == 0x00 then return answer(card, cmd, card.files.df) end
  if cmd.p2 == 0x01 then return card.session.active and tlv.build(0x84, card.adf.name) or "" end
  check(cmd.p2 == NO_DATA, sw.WRONG_P1P2)
end

return select
