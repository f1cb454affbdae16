-- SPDX-License-Identifier: BSD-3-Clause
-- Keys in files, made by openssl(1). rsa1, rsa8, enc, old, pub and pub1 are one key; sec1, ec8, ecpub, pbe1, scrypt and
-- iter another one.
local file = {}
file.rsa1 = [[
-----BEGIN RSA PRIVATE KEY-----
MIICXAIBAAKBgQDldV6rPuPhg5P+MVzC3mgd4Y1fXhRiOJAgWJzCRF6QKxk6zpUi
MxMzH7VHmdWNOiAnsz8kAcKbzSbkKeEu0wywXvo3INbbfolf6CKjfhlqKDWmNAXl
TY7K0iXj+cnyhjZmIPY78fwY/8xZOU5NPMECD4li/2zdZU0Ly/egBaVfswIDAQAB
AoGAFixSWp/4K2momm6wtRAC5ahPHgEcXSV0H/wQIeGzdaEEjh86YBSpbU5KGUIv
VbdhNhTnLBaTdLTNZkz5uqmgVxflu/qfUnFJm0BlVOKFU2znFNC8qxenB9XVY69N
h6bIPcqHygDmmBBPQBGIf1BBzwO/VLEJVzr9JfWlDT6ha0kCQQD8GoVgXFmy7513
um/qo5yuUW8IWsO4NC6FMjf+w6jbL7+8oV4GQvcQ539o9AldTQcqIy4sXcSWzmRf
jFqaWla/AkEA6QFAJfgPDLhrPwbZ4gjIk2DFTkql4CHBftMw54grVou9hfCtOTC0
rFg+ZT+sQWS6wy/w0Vwh+CfeFYI8aucIDQJAMu5Is8b0eCngbifEJGsZZD4faFit
4bDpFQ+oMFfm7SEgY0NWc31j3I5oNxPWMHs3T1P8KApphO39aTA5vaUykQJAELMH
PvFlWrsI7K54BSwt++oOmgrdko+4x3cpZR6sRHqlbakPMS8dc9CrQCRtGw62F/Ei
qE6bHKb20sHPxLWkLQJBAOe3fo7SRq9gkbuI5gNGpo3iIUPlsPpfmk4nQ8u+TQ6g
ZcKJEK6pyfvUX+m/2btc6O6kau3M7r5BTHjQutr2EK8=
-----END RSA PRIVATE KEY-----
]]
file.rsa8 = [[
-----BEGIN PRIVATE KEY-----
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAOV1Xqs+4+GDk/4x
XMLeaB3hjV9eFGI4kCBYnMJEXpArGTrOlSIzEzMftUeZ1Y06ICezPyQBwpvNJuQp
4S7TDLBe+jcg1tt+iV/oIqN+GWooNaY0BeVNjsrSJeP5yfKGNmYg9jvx/Bj/zFk5
Tk08wQIPiWL/bN1lTQvL96AFpV+zAgMBAAECgYAWLFJan/graaiabrC1EALlqE8e
ARxdJXQf/BAh4bN1oQSOHzpgFKltTkoZQi9Vt2E2FOcsFpN0tM1mTPm6qaBXF+W7
+p9ScUmbQGVU4oVTbOcU0LyrF6cH1dVjr02Hpsg9yofKAOaYEE9AEYh/UEHPA79U
sQlXOv0l9aUNPqFrSQJBAPwahWBcWbLvnXe6b+qjnK5Rbwhaw7g0LoUyN/7DqNsv
v7yhXgZC9xDnf2j0CV1NByojLixdxJbOZF+MWppaVr8CQQDpAUAl+A8MuGs/Btni
CMiTYMVOSqXgIcF+0zDniCtWi72F8K05MLSsWD5lP6xBZLrDL/DRXCH4J94Vgjxq
5wgNAkAy7kizxvR4KeBuJ8QkaxlkPh9oWK3hsOkVD6gwV+btISBjQ1ZzfWPcjmg3
E9YwezdPU/woCmmE7f1pMDm9pTKRAkAQswc+8WVauwjsrngFLC376g6aCt2Sj7jH
dyllHqxEeqVtqQ8xLx1z0KtAJG0bDrYX8SKoTpscpvbSwc/EtaQtAkEA57d+jtJG
r2CRu4jmA0amjeIhQ+Ww+l+aTidDy75NDqBlwokQrqnJ+9Rf6b/Zu1zo7qRq7czu
vkFMeNC62vYQrw==
-----END PRIVATE KEY-----
]]
file.enc = [[
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIIC3TBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIaeN4uh9ln0MCAggA
MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBAKgLgfxeGxJDqoJRU+ErKoBIIC
gFiqYP889RXl1q2XLSDh4ZEBJK5ES4T1qjdSq86hd1ahe+VlTFOY3bAUI4kQVcS1
YhsU6ZeMlk/X63tsXqNoDbMWo8I7cshMSwzlF493ZZYWf59c07OiZtYFkqGtOex5
iIVnw8qPxoBBYv7tLEULqQ09ijRSXYHMe/F3Gr9UgiFs6pzL+w6q3DJ7SZ1dE4Xm
FwVhmgN0DYAizwbHehNgzPHXW2pw8Mm2mt7gcgQIu9AOHQayRjh5cWRadHRYa+fU
0GGsKNkDuKSa6XET/Sg/g/r4Xn61eRER/7cO4RW+/hVQYlptE7ttnrdaaZBiSrEh
K8eYK2F3ZiJD9vSPrGPTmVTcts+c9KRidwiAD3EL5oeoFfDFMuYtshF+mBz0L8pJ
e1UJkmW5Lhg39syQGrcsmVBranqT9g27K8oOiIZBvg7XNYc3GMAGJgmqrl5ytpix
10v6Djx0Hm9H72gqSwe6wWHq5zsP3cAeyj/qYRbk21hM/AqcY9pyNHMoXRNPy2S2
jXmChciDPtTrnD3l2zAMfp2TfP2dxNOOAhFxJ5P3DSDoD30s3HyenQ6i6FnU5/sk
gXnc9vVAyDcx6jkVnVy/DqQ/0KWbaB4BnWMJAMUzMsNq4Brl6wmU14+QwTqNuFzs
JCsVdoW4GC/wl1J1aTUmT8QEE/eRaioPqh8D5pzs4zEERhtxaaJlvnkTH1GV6f3J
5MhICitslOO8PmrBGVQLiMCZAWJpOWd/85dZPJVRsDhYTWjUDgwB3WrWdMNLjT1O
J+jDUSyVmnW1j75cA2Z6p+hbeU1L2Mpc0ijNq9XQV1JZIMEWWVEpfUzwkvoP2kWE
T3mylf7YwDwuGHQGtvXkhu8=
-----END ENCRYPTED PRIVATE KEY-----
]]
file.old = [[
-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,340A5EB010D26E9CFE31F0B8B1981869

G3+j4GwbmQYvvtTOWyk6nQ4PsyHa71Q0viJeEVTxu8C3CpbuHzRp6eei5JsewoxR
coGo2iwjwRdofuySAkWjuKCrLeXbM1gL25+61H9B+T+PJoCMwF7CPkiSzApHix5r
J1VLXx3ehvRGgBAkbaHympQ7YYbspI6WoDwU4CEaaoGrjwf1OFwcm2/bSY6f8Nvb
8e57i6Mwm1q2NwgebTKTZu6RxW6o3Ia2/BgNgoZ+lbGwDoqdUptvdHUobsfJEiDz
KyBKSt+B8QHY37Ape0l9yh4032BYYmNcUOziLATwNPBhQJsUzIWtQ2QEIoHQrrBj
1+x+dV6poTIAAloMp/israTXoFM0aAKEY6CIHmDDwl+esoNA8VNPjc1ZyidjxyGB
glmAZsgSJynh2n9QVuY0B8oouo5UVNKLAW3+q4oRtGSB7tUOX6eeW9UzsOL5WJDp
qGSAaB/AH+bGacaHD6n3DbAvURGswJDlnSsbsfStt4mJUaBw6VcyBLbUM/1nklkP
1wkgNNQZgwS3JFNSoGcRRR/5MRUl8nDwOWS6o2iolVH8GxauWpj8cn1d+4MS0ZNg
JKi6pkjn5HRoDqRHPOAcxAi0c+HmxE9kLaGzHzDkfgqKHhaTrkxEkICm3HTW0bbZ
D9LXxN4HS/vTjeCRIfJMEP3INTBDsBa6hyTy56TKBexg1sob7qPKJORbLui3h2rM
5HbmDJyydIF2emtUcsOswzB3iGZ0qWoDXMc9HEQrWdX9PD+wa2xSeV+vDOm3t1XH
FYb6PDVCRA6Vv/2dgD2psmIS1TCps6ScMVG9xGPSdL9C1lpEt/rhbG9xaJeBwtlj
-----END RSA PRIVATE KEY-----
]]
file.pub = [[
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDldV6rPuPhg5P+MVzC3mgd4Y1f
XhRiOJAgWJzCRF6QKxk6zpUiMxMzH7VHmdWNOiAnsz8kAcKbzSbkKeEu0wywXvo3
INbbfolf6CKjfhlqKDWmNAXlTY7K0iXj+cnyhjZmIPY78fwY/8xZOU5NPMECD4li
/2zdZU0Ly/egBaVfswIDAQAB
-----END PUBLIC KEY-----
]]
file.pub1 = [[
-----BEGIN RSA PUBLIC KEY-----
MIGJAoGBAOV1Xqs+4+GDk/4xXMLeaB3hjV9eFGI4kCBYnMJEXpArGTrOlSIzEzMf
tUeZ1Y06ICezPyQBwpvNJuQp4S7TDLBe+jcg1tt+iV/oIqN+GWooNaY0BeVNjsrS
JeP5yfKGNmYg9jvx/Bj/zFk5Tk08wQIPiWL/bN1lTQvL96AFpV+zAgMBAAE=
-----END RSA PUBLIC KEY-----
]]
file.sec1 = [[
-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIJUw6Dx3JCnSoyKxRq4FoMObgP54sNgaQJvuj+4pGQr1oAoGCCqGSM49
AwEHoUQDQgAEOrWaiUK/XTvfkZpd7hvM1eoFOLIkxC1nOauT089I+vtyXZSHIW/d
cNsA1VtVgUfOqoxMaBgwxeDFILARI8cm1w==
-----END EC PRIVATE KEY-----
]]
file.ec8 = [[
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglTDoPHckKdKjIrFG
rgWgw5uA/niw2BpAm+6P7ikZCvWhRANCAAQ6tZqJQr9dO9+Rml3uG8zV6gU4siTE
LWc5q5PTz0j6+3JdlIchb91w2wDVW1WBR86qjExoGDDF4MUgsBEjxybX
-----END PRIVATE KEY-----
]]
file.ecpub = [[
-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADOrWaiUK/XTvfkZpd7hvM1eoFOLIk
xC1nOauT089I+vs=
-----END PUBLIC KEY-----
]]
file.ed = [[
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPZLRSSAMu4hWbJAEmC8sSmJwcDgdvbnlVixgxkQufpZ
-----END PRIVATE KEY-----
]]
file.scrypt = [[
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAjI2AmUrp7pfAICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBBW8txXqniDxbTMvRA+N84JBIGQZB8We+2xSWOk
ENvRMluuVRXe3RjYSAHCeMt8FpYnBK186/cSuL1NRI0/SiHLgAtN0VFmoNLfFRpQ
rl3h76r4+NsIV51jio9aIwdeHjTvkEbEc0EX5bi8333VovKSkQ2rJdNF61uOWHd2
A4FEy0OfFatnWwfPg3ugvpASsJeeYJzOYna6wltlJIYxb7WqHezB
-----END ENCRYPTED PRIVATE KEY-----
]]
file.iter = [[
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHtMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAhGN0QiBzUCqQIDD0JB
MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDDzZaUE4wm7wmUCSn2aXYxBIGQ
9xuGCvKcvatLFckzQEwYQME2xykAFou7Alx/kpMHDVq/UCa64Jdzm1Z58iRWseKp
VSz8ackGo0utI4th2qzLwSv8a2No6st1LdmHSF9iMcVQoOLZBVkI3vmgrQ6a6fKB
kDmCDmdY+rhcud/vCkx1uF/jjub+hUJKpfQJj8mUxItevFcg5WfnFb8W8iEO1l53
-----END ENCRYPTED PRIVATE KEY-----
]]
file.pbe1 = [[
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGxMBwGCiqGSIb3DQEMAQMwDgQIoRmRzDto+SICAggABIGQhoqN4dk96P2epHKk
ee34BUUSPO9xJh8CqNgi86/Vi5c80HTR20ouOat7sDhTu/Hz4xbcUmJTtLpK0mZi
lYPC8Gn0Rs9IWy29CC+1b2RFEXfRueDW2jo7ykdakzA4cThkk7QT3wovx3iEA9Lg
mxtpAcYO4tynFpaJBaYDr7MJ0PWjM7Z7rL5If0aUsz2FLlZB
-----END ENCRYPTED PRIVATE KEY-----
]]
file.dsa = [[
-----BEGIN DSA PARAMETERS-----
MIIBJgKBgQDxOZ3tndCqBBxGytvmpGlaHmtESEPJjxx5Nzkstr9YoLiSxJdizfX4
Zue5gvTh4OrsKPg7Ob5hPAxheitVDVIjmJeI3oRQhoNggNi2yWwh2kkWOvp0Ngi4
2WM63QkDeIrjX1n+jTkrSUtNoDk1uN2eVyU5SiPrNL84VJDGD0nIOwIdAMeX6O/A
AmSfk1GGwai8RwAu/wsiGHjFNhrhBJECgYBSaeAEqpVIgYnWDejllCiOU1PLavJf
oKY0pJ/vR0eR+qfExD0ro3Nt/79Wm7SsRsvKMMPXHhNzHvA4uqIqLR8fmO5GClTa
H9TwVqKM0+4p7jYfva6muudtM3vIQ6uKWMmYffU97XXpEhEuqX4MpbsAFGeOip8w
LEFuFL+ixUxjxw==
-----END DSA PARAMETERS-----
-----BEGIN PRIVATE KEY-----
MIIBWwIBADCCATMGByqGSM44BAEwggEmAoGBAPE5ne2d0KoEHEbK2+akaVoea0RI
Q8mPHHk3OSy2v1iguJLEl2LN9fhm57mC9OHg6uwo+Ds5vmE8DGF6K1UNUiOYl4je
hFCGg2CA2LbJbCHaSRY6+nQ2CLjZYzrdCQN4iuNfWf6NOStJS02gOTW43Z5XJTlK
I+s0vzhUkMYPScg7Ah0Ax5fo78ACZJ+TUYbBqLxHAC7/CyIYeMU2GuEEkQKBgFJp
4ASqlUiBidYN6OWUKI5TU8tq8l+gpjSkn+9HR5H6p8TEPSujc23/v1abtKxGy8ow
w9ceE3Me8Di6oiotHx+Y7kYKVNof1PBWoozT7inuNh+9rqa6520ze8hDq4pYyZh9
9T3tdekSES6pfgyluwAUZ46KnzAsQW4Uv6LFTGPHBB8CHQDG5d5gG1aKcou9UPzT
AT7DqRRrdESGHMtsTxWL
-----END PRIVATE KEY-----
]]
file.k160 = [[
-----BEGIN EC PRIVATE KEY-----
MFECAQEEFQCgltr5jl+08hPEEyBKGuGsP2uSgqAHBgUrgQQACKEsAyoABNbBnoT5
fG88ZmIdlFSi0g9QP0bkM9CcS+Hj+k8Am8Aiz7FHAWVG4u0=
-----END EC PRIVATE KEY-----
]]
file.explicit = [[
-----BEGIN EC PRIVATE KEY-----
MIIBaAIBAQQguo+7FulcOEg5AYrpVy8q5QLgFjG/69dpWHoQLtwsgX2ggfowgfcC
AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////
MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr
vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE
axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W
K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8
YyVRAgEBoUQDQgAE1XeMzwJsDOo1Dxt7H0Kb/bnKmgOD+mQo9SjceIjuVdDuEflf
5VD1q4K5cfGtchD4ak+ZomZwpWyS37Dn8aExpg==
-----END EC PRIVATE KEY-----
]]

-- RSA: all forms are the same key
local rsa = crypto.key(file.rsa1)
assert(rsa.type == "RSA" and rsa.bits == 1024 and rsa.private and rsa.curve == nil)
assert(tostring(rsa) == "private key: RSA, 1024 bits" and getmetatable(rsa) == false and rsa.nothing == nil)
local der = rsa:der()
for _, name in ipairs { "rsa8", "enc", "old" } do
  local key = crypto.key(file[name], "secret")
  assert(key:der() == der and key.private)
end
assert(rsa:pem() == file.rsa8 and rsa:pem("private") == file.rsa8 and rsa:pem("public") == file.pub)
for _, name in ipairs { "pub", "pub1" } do
  local key = crypto.key(file[name])
  assert(not key.private and key:pem() == file.pub and key:der() == rsa:der("public"))
  assert(tostring(key) == "public key: RSA, 1024 bits")
end
assert(crypto.key(der):pem() == file.rsa8 and crypto.key(rsa:der("public")):pem() == file.pub)
assert(rsa:public():pem() == file.pub and not rsa:public().private)

-- curves
local ec = crypto.key(file.sec1)
assert(ec.type == "EC" and ec.curve == "P-256" and ec.bits == 256 and tostring(ec) == "private key: P-256")
assert(ec:pem() == file.ec8 and crypto.key(file.pbe1, "secret"):pem() == file.ec8)
assert(crypto.key(file.ecpub):parts().point == ec:parts().point and #ec:parts().point == 65)
local ed = crypto.key(file.ed)
assert(ed.type == "EC" and ed.curve == "Ed25519" and ed:pem() == file.ed)
assert(crypto.key(ed:der()):der() == ed:der() and not ed:public().private)

-- what is no key, or not for us
local no_key = "not a key: expected PEM or DER"
fails("wrong password", crypto.key, file.enc, "Secret")
fails("wrong password", crypto.key, file.old, "Secret")
fails("wrong password", crypto.key, file.pbe1, "")
for _, name in ipairs { "enc", "old", "pbe1" } do
  fails("the key is encrypted, and needs a password", crypto.key, file[name])
end
fails("the password's key takes more than 300000 iterations", crypto.key, file.iter, "secret")
fails("the password's key is derived by a function that is not supported", crypto.key, file.scrypt, "secret")
fails("the key is neither RSA nor on a known curve", crypto.key, file.dsa:match("%-%-%-%-%-BEGIN PRIVATE.*"))
fails("the key is on a curve that is not supported", crypto.key, file.k160)
-- a DSA key whose public part would take minutes to compute
local function tlv(tag, s) return string.pack(">BBs2", tag, 0x82, s) end
local function number(length) return tlv(2, ("\x7F"):rep(length)) end
local dsa = tlv(0x30, hex "020100" .. tlv(0x30, hex "06072A8648CE380401" .. tlv(0x30, number(20000) .. number(20000) ..
  number(20000))) .. tlv(4, number(4000)))
fails("the key is neither RSA nor on a known curve", crypto.key, dsa)
fails("not a key: its PEM has no block of a key", crypto.key,
  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
fails("not a key: its PEM has no block of a key", crypto.key, file.rsa8:sub(1, 300))
fails(no_key, crypto.key, "")
fails(no_key, crypto.key, "hello")
for length = 1, #der - 1, 17 do fails("", crypto.key, der:sub(1, length)) end
fails(no_key, crypto.key, der .. "x")
for i = 1, #der, 13 do -- a bit of it is wrong: an error, or a key
  pcall(crypto.key, der:sub(1, i - 1) .. string.char(der:byte(i) ~ 1) .. der:sub(i + 1))
end
fails("expected at most 65536", crypto.key, ("x"):rep(65537))
fails("the key has no private part", rsa:public().pem, rsa:public(), "private")
fails("invalid option 'both'", rsa.pem, rsa, "both")
fails("key expected, got table", rsa.pem, {})
return { atr = "3B 00" }
