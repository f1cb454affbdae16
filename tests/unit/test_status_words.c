/* SPDX-License-Identifier: BSD-3-Clause */
/* The status words of the ready cards, as the tables of their specifications say them. */
#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* A command, its status word, and the clause of the specification that says so. The commands of a table come
 * one after the other to a new card. */
struct row {
    const char *command, *expected, *clause;
};

#define BLOCK     "00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F"
#define PIN       "31 32 33 34 35 36 FF FF "
#define OTHER_PIN "36 35 34 33 32 31 FF FF "
#define PUK       "31 32 33 34 35 36 37 38 "
#define NO_PIN    "FF FF FF FF FF FF FF FF "
#define CHUID     "5C 03 5F C1 02 "

/* NIST SP 800-73-4, part 2 */
static const struct row piv[] = {
    {"00 CB 3F FF 05 " CHUID "00", "6D 00", "not selected"},
    {"00 A4 04 00 05 A0 00 00 06 47 00", "6A 82", "3.1.1 SELECT: application not found"},
    {"00 A4 02 00 05 A0 00 00 03 08 00", "6A 86", "3.1.1 SELECT: P1"},
    {"00 A4 04 00 09 A0 00 00 03 08 00 00 10 00 00", "90 00", "3.1.1 SELECT: without the version"},
    {"00 CB 3F FF 05 5C 03 5F C1 7F 00", "6A 82", "3.1.2 GET DATA: data object not found"},
    {"00 CB 3F FF 05 5C 03 5F C1 03 00", "69 82", "3.1.2 GET DATA: fingerprints before VERIFY"},
    {"00 CB 3F FE 05 " CHUID "00", "6A 86", "3.1.2 GET DATA: P1, P2"},
    {"00 20 00 80", "63 C3", "3.2.1 VERIFY: tries left"},
    {"00 20 00 80 08 " OTHER_PIN, "63 C2", "3.2.1 VERIFY: failed"},
    {"00 20 00 80 06 31 32 33 34 35 36", "6A 80", "3.2.1 VERIFY: length; no try is lost"},
    {"00 20 00 80", "63 C2", "3.2.1 VERIFY: tries left"},
    {"00 20 01 80 08 " PIN, "6A 86", "3.2.1 VERIFY: P1"},
    {"00 20 FF 80 08 " PIN, "6A 80", "3.2.1 VERIFY: P1 FF with data"},
    {"00 20 00 01 08 " PIN, "6A 88", "3.2.1 VERIFY: key reference not found"},
    {"00 20 00 80 08 " PIN, "90 00", "3.2.1 VERIFY"},
    {"00 20 00 80", "90 00", "3.2.1 VERIFY: verified"},
    {"00 CB 3F FF 05 5C 03 5F C1 03 00", "6A 82", "3.1.2 GET DATA: after VERIFY"},
    {"00 20 FF 80", "90 00", "3.2.1 VERIFY: P1 FF ends it"},
    {"00 20 00 80", "63 C3", "3.2.1 VERIFY: tries left"},
    {"00 24 00 80 10 " OTHER_PIN OTHER_PIN, "63 C2", "3.2.2 CHANGE REFERENCE DATA: failed"},
    {"00 24 00 80 10 " PIN NO_PIN, "6A 80", "3.2.2 CHANGE REFERENCE DATA: cannot be a PIN"},
    {"00 24 00 80 08 " PIN, "6A 80", "3.2.2 CHANGE REFERENCE DATA: length"},
    {"00 24 01 80 10 " PIN OTHER_PIN, "6A 86", "3.2.2 CHANGE REFERENCE DATA: P1"},
    {"00 24 00 82 10 " PIN OTHER_PIN, "6A 88", "3.2.2 CHANGE REFERENCE DATA: key reference not found"},
    {"00 24 00 80 10 " PIN PIN, "90 00", "3.2.2 CHANGE REFERENCE DATA"},
    {"00 2C 00 80 10 " PIN PIN, "63 C2", "3.2.3 RESET RETRY COUNTER: failed"},
    {"00 2C 00 80 10 " PUK NO_PIN, "6A 80", "3.2.3 RESET RETRY COUNTER: cannot be a PIN"},
    {"00 2C 01 80 10 " PUK PIN, "6A 86", "3.2.3 RESET RETRY COUNTER: P1"},
    {"00 2C 00 81 10 " PUK PIN, "6A 88", "3.2.3 RESET RETRY COUNTER: key reference not found"},
    {"00 2C 00 80 10 " PUK PIN, "90 00", "3.2.3 RESET RETRY COUNTER"},
    {"00 20 FF 80", "90 00", "3.2.1 VERIFY: P1 FF ends it"},
    {"00 87 11 9A 26 7C 24 82 00 81 20 " BLOCK BLOCK "00", "69 82", "3.2.4 GENERAL AUTHENTICATE: PIN"},
    {"00 87 12 9A 26 7C 24 82 00 81 20 " BLOCK BLOCK "00", "6A 86", "3.2.4 GENERAL AUTHENTICATE: P1"},
    {"00 87 11 99 26 7C 24 82 00 81 20 " BLOCK BLOCK "00", "6A 86", "3.2.4 GENERAL AUTHENTICATE: P2"},
    {"00 87 11 9E 04 7C 02 82 00 00", "6A 80", "3.2.4 GENERAL AUTHENTICATE: data"},
    {"00 87 11 9E 26 7C 24 82 00 81 20 " BLOCK BLOCK "00", "90 00", "3.2.4 GENERAL AUTHENTICATE"},
    {"00 DB 3F FF 07 " CHUID "53 00", "69 82", "3.3.1 PUT DATA: management key"},
    {"00 DB 3F FE 07 " CHUID "53 00", "6A 86", "3.3.1 PUT DATA: P1, P2"},
    {"00 47 00 9A 05 AC 03 80 01 11 00", "69 82", "3.3.2 GENERATE ASYMMETRIC KEY PAIR: management key"},
    {"00 47 00 99 05 AC 03 80 01 11 00", "6A 86", "3.3.2 GENERATE ASYMMETRIC KEY PAIR: P2"},
    {"00 20 00 80 08 " OTHER_PIN, "63 C2", "3.2.1 VERIFY: failed"},
    {"00 20 00 80 08 " OTHER_PIN, "63 C1", "3.2.1 VERIFY: failed"},
    {"00 20 00 80 08 " OTHER_PIN, "63 C0", "3.2.1 VERIFY: failed"},
    {"00 20 00 80 08 " PIN, "69 83", "3.2.1 VERIFY: blocked"},
    {"00 24 00 80 10 " PIN OTHER_PIN, "69 83", "3.2.2 CHANGE REFERENCE DATA: blocked"},
    {"0C CB 3F FF 05 " CHUID "00", "68 82", "secure messaging not supported"},
    {"00 B0 00 00 00", "6D 00", "INS"},
};

#define PW1   "31 32 33 34 35 36 "
#define PW3   "31 32 33 34 35 36 37 38 "
#define WRONG "39 39 39 39 39 39 39 39 "

/* OpenPGP application 3.4 */
static const struct row openpgp[] = {
    {"00 A4 04 00 06 D2 76 00 01 24 02", "6A 82", "7.2.1 SELECT: application not found"},
    {"00 A4 04 00 06 D2 76 00 01 24 01 00", "90 00", "7.2.1 SELECT"},
    {"00 20 00 81", "63 C3", "7.2.2 VERIFY: tries left"},
    {"00 20 00 81 06 " PW1, "90 00", "7.2.2 VERIFY"},
    {"00 20 00 81", "90 00", "7.2.2 VERIFY: verified"},
    {"00 20 FF 81", "90 00", "7.2.2 VERIFY: P1 FF ends it"},
    {"00 20 00 81 08 " WRONG, "69 82", "7.2.2 VERIFY: failed"},
    {"00 20 00 81", "63 C2", "7.2.2 VERIFY: tries left"},
    {"00 20 00 84 06 " PW1, "6B 00", "7.2.2 VERIFY: P2"},
    {"00 24 00 81 0E " WRONG PW1, "69 82", "7.2.3 CHANGE REFERENCE DATA: failed"},
    {"00 24 00 81 08 " PW1 "31 32", "6A 80", "7.2.3 CHANGE REFERENCE DATA: too short"},
    {"00 24 01 81 0C " PW1 PW1, "6B 00", "7.2.3 CHANGE REFERENCE DATA: P1"},
    {"00 2C 02 81 06 " PW1, "69 82", "7.2.4 RESET RETRY COUNTER: PW3"},
    {"00 2C 00 81 0E " PW3 PW1, "69 83", "7.2.4 RESET RETRY COUNTER: no resetting code"},
    {"00 2C 01 81 06 " PW1, "6B 00", "7.2.4 RESET RETRY COUNTER: P1"},
    {"00 A5 03 04 06 60 04 5C 02 7F 21", "6B 00", "7.2.5 SELECT DATA: P1, the occurrence"},
    {"00 A5 02 04 06 60 04 5C 02 7F 21", "90 00", "7.2.5 SELECT DATA"},
    {"00 CA 12 34 00", "6A 88", "7.2.6 GET DATA: no such object"},
    {"00 CA 01 03 00", "69 82", "7.2.6 GET DATA: private object 3"},
    {"00 CA 00 C4 00", "90 00", "7.2.6 GET DATA"},
    {"00 DA 00 5B 01 41", "69 82", "7.2.8 PUT DATA: PW3"},
    {"00 DA 00 4F 01 41", "6A 88", "7.2.8 PUT DATA: cannot be written"},
    {"00 DB 3F FF 02 4D 00", "69 82", "7.2.8 PUT DATA: key, PW3"},
    {"00 2A 9E 9A 20 " BLOCK BLOCK "00", "69 82", "7.2.10 COMPUTE DIGITAL SIGNATURE: PW1"},
    {"00 20 00 81 06 " PW1, "90 00", "7.2.2 VERIFY"},
    {"00 2A 9E 9A 20 " BLOCK BLOCK "00", "6A 88", "7.2.10 COMPUTE DIGITAL SIGNATURE: no key"},
    {"00 2A 80 86 11 00 " BLOCK "00", "69 82", "7.2.11 DECIPHER: PW1 in mode 82"},
    {"00 2A 86 80 10 " BLOCK "00", "69 82", "7.2.12 ENCIPHER: PW1 in mode 82"},
    {"00 88 00 00 10 " BLOCK "00", "69 82", "7.2.13 INTERNAL AUTHENTICATE: PW1 in mode 82"},
    {"00 20 00 82 06 " PW1, "90 00", "7.2.2 VERIFY"},
    {"00 2A 80 86 11 00 " BLOCK "00", "6A 88", "7.2.11 DECIPHER: no key"},
    {"00 2A 86 80 10 " BLOCK "00", "6A 88", "7.2.12 ENCIPHER: no key"},
    {"00 88 00 00 10 " BLOCK "00", "6A 88", "7.2.13 INTERNAL AUTHENTICATE: no key"},
    {"00 47 80 00 02 B6 00 00", "69 82", "7.2.14 GENERATE ASYMMETRIC KEY PAIR: PW3"},
    {"00 47 81 00 02 B6 00 00", "6A 88", "7.2.14 GENERATE ASYMMETRIC KEY PAIR: no public key"},
    {"00 47 82 00 02 B6 00 00", "6B 00", "7.2.14 GENERATE ASYMMETRIC KEY PAIR: P1"},
    {"00 84 00 00 08", "90 00", "7.2.15 GET CHALLENGE"},
    {"00 E6 00 00", "69 82", "7.2.16 TERMINATE DF: PW3"},
    {"00 20 00 83 08 " PW3, "90 00", "7.2.2 VERIFY"},
    {"00 DA 00 5B 28 " BLOCK BLOCK "00 00 00 00 00 00 00 00", "67 00",
     "7.2.8 PUT DATA: longer than the object"},
    {"00 DA 00 C1 03 01 02 03", "6A 80", "7.2.8 PUT DATA: no such algorithm"},
    {"00 2C 02 81 05 31 32 33 34 35", "6A 80", "7.2.4 RESET RETRY COUNTER: too short"},
    {"00 E6 00 00", "90 00", "7.2.16 TERMINATE DF"},
    {"00 CA 00 4F 00", "69 85", "7.2.16 TERMINATE DF: nothing else works"},
    {"00 A4 04 00 06 D2 76 00 01 24 01 00", "62 85", "7.2.1 SELECT: terminated"},
    {"00 44 00 00", "90 00", "7.2.17 ACTIVATE FILE"},
    {"00 20 00 83", "63 C3", "7.2.2 VERIFY: tries left"},
    {"00 20 00 83 08 " WRONG, "69 82", "7.2.2 VERIFY: failed"},
    {"00 20 00 83 08 " WRONG, "69 82", "7.2.2 VERIFY: failed"},
    {"00 20 00 83 08 " WRONG, "69 82", "7.2.2 VERIFY: failed"},
    {"00 20 00 83 08 " PW3, "69 83", "7.2.2 VERIFY: blocked"},
    {"0C CA 00 4F 00", "68 82", "secure messaging not supported"},
    {"00 B0 00 00 00", "6D 00", "INS"},
};

#define CHV1     "31 32 33 34 FF FF FF FF "
#define CHV2     "35 36 37 38 FF FF FF FF "
#define NO_CHV   "39 39 39 39 FF FF FF FF "
#define UNBLOCK1 "31 32 33 34 35 36 37 38 "
#define USIM     "00 A4 04 04 07 A0 00 00 00 87 10 02 00"

/* ETSI TS 102 221, and 3GPP TS 31.102 for AUTHENTICATE */
static const struct row usim[] = {
    {"00 A4 00 04 02 FF FF 00", "6A 82", "11.1.1 SELECT: file not found"},
    {"00 A4 05 04 02 3F 00 00", "6A 86", "11.1.1 SELECT: P1"},
    {"00 A4 00 04 01 3F 00", "6A 87", "11.1.1 SELECT: Lc does not go with P1"},
    {"00 B0 00 00 01", "69 86", "11.1.3 READ BINARY: no EF selected"},
    {"00 B2 01 04 01", "69 86", "11.1.5 READ RECORD: no EF selected"},
    {"00 88 00 81 22 10 " BLOCK "10 " BLOCK "00", "69 85", "11.1.16 AUTHENTICATE: no USIM selected"},
    {USIM, "90 00", "11.1.1 SELECT"},
    {"00 88 00 81 22 10 " BLOCK "10 " BLOCK "00", "69 82", "11.1.16 AUTHENTICATE: PIN"},
    {"80 F2 03 00 00", "6A 86", "11.1.2 STATUS: P1"},
    {"00 A4 00 04 02 6F 07 00", "90 00", "11.1.1 SELECT"},
    {"00 B0 00 00 09", "69 82", "11.1.3 READ BINARY: PIN"},
    {"00 20 00 01", "63 C3", "11.1.9 VERIFY PIN: tries left"},
    {"00 20 00 01 08 " NO_CHV, "63 C2", "11.1.9 VERIFY PIN: failed"},
    {"00 20 00 01 04 31 32 33 34", "67 00", "11.1.9 VERIFY PIN: length"},
    {"00 20 00 02 08 " CHV1, "6A 88", "11.1.9 VERIFY PIN: no such PIN"},
    {"00 20 01 01 08 " CHV1, "6A 86", "11.1.9 VERIFY PIN: P1"},
    {"00 20 00 01 08 " CHV1, "90 00", "11.1.9 VERIFY PIN"},
    {"00 B0 00 00 09", "90 00", "11.1.3 READ BINARY"},
    {"00 B0 00 00 0A", "6C 09", "11.1.3 READ BINARY: Le"},
    {"00 B0 00 09 01", "6B 00", "11.1.3 READ BINARY: offset"},
    {"00 B0 9A 00 01", "6A 82", "11.1.3 READ BINARY: short identifier"},
    {"00 D6 00 00 01 08", "69 82", "11.1.4 UPDATE BINARY: ADM"},
    {"00 B2 01 04 09", "69 81", "11.1.5 READ RECORD: structure"},
    {"00 DC 01 04 01 00", "69 81", "11.1.6 UPDATE RECORD: structure"},
    {"80 32 00 00 01 01 00", "69 81", "11.1.8 INCREASE: structure"},
    {"00 A4 00 04 02 6F 3C 00", "90 00", "11.1.1 SELECT"},
    {"00 B0 00 00 01", "69 81", "11.1.3 READ BINARY: structure"},
    {"00 B2 0B 04 B0", "6A 83", "11.1.5 READ RECORD: record not found"},
    {"00 B2 01 01 B0", "6A 86", "11.1.5 READ RECORD: P2"},
    {"00 DC 01 04 01 00", "67 00", "11.1.6 UPDATE RECORD: length"},
    {"00 A2 01 04 02 55 AA 00", "62 82", "11.1.7 SEARCH RECORD: not found"},
    {"00 A4 00 04 02 6F 39 00", "90 00", "11.1.1 SELECT"},
    {"80 32 00 00 03 FF FF FF 00", "90 00", "11.1.8 INCREASE"},
    {"80 32 00 00 01 01 00", "98 50", "11.1.8 INCREASE: maximum"},
    {"00 24 00 01 10 " NO_CHV CHV1, "63 C2", "11.1.10 CHANGE PIN: failed"},
    {"00 24 00 01 10 " CHV1 CHV1, "90 00", "11.1.10 CHANGE PIN"},
    {"00 28 00 01 08 " CHV1, "69 84", "11.1.12 ENABLE PIN: enabled"},
    {"00 26 00 01 08 " NO_CHV, "63 C2", "11.1.11 DISABLE PIN: failed"},
    {"00 26 00 01 08 " CHV1, "90 00", "11.1.11 DISABLE PIN"},
    {"00 20 00 01 08 " CHV1, "69 84", "11.1.9 VERIFY PIN: disabled"},
    {"00 24 00 01 10 " CHV1 CHV1, "69 84", "11.1.10 CHANGE PIN: disabled"},
    {"00 28 00 01 08 " CHV1, "90 00", "11.1.12 ENABLE PIN"},
    {"00 20 00 0A 08 " UNBLOCK1, "90 00", "11.1.9 VERIFY PIN: ADM"},
    {"00 A4 00 04 02 6F 07 00", "90 00", "11.1.1 SELECT"},
    {"00 04 00 00", "90 00", "11.1.14 DEACTIVATE FILE"},
    {"00 B0 00 00 09", "69 85", "11.1.3 READ BINARY: deactivated"},
    {"00 A4 00 04 02 6F 07 00", "62 83", "11.1.1 SELECT: deactivated"},
    {"00 44 00 00", "90 00", "11.1.15 ACTIVATE FILE"},
    {"00 88 00 81 22 10 " BLOCK "10 " BLOCK "00", "98 62", "11.1.16 AUTHENTICATE: MAC"},
    {"00 88 00 81 11 10 " BLOCK "00", "67 00", "11.1.16 AUTHENTICATE: length"},
    {"00 88 00 82 22 10 " BLOCK "10 " BLOCK "00", "6A 86", "11.1.16 AUTHENTICATE: P2"},
    {"00 70 00 00 01", "68 81", "11.1.17 MANAGE CHANNEL: not supported"},
    {"00 20 00 01 08 " NO_CHV, "63 C2", "11.1.9 VERIFY PIN: failed"},
    {"00 20 00 01 08 " NO_CHV, "63 C1", "11.1.9 VERIFY PIN: failed"},
    {"00 20 00 01 08 " NO_CHV, "63 C0", "11.1.9 VERIFY PIN: failed"},
    {"00 20 00 01 08 " CHV1, "69 83", "11.1.9 VERIFY PIN: blocked"},
    {"00 2C 00 01", "63 CA", "11.1.13 UNBLOCK PIN: tries left"},
    {"00 2C 00 01 10 " NO_CHV CHV1, "63 C9", "11.1.13 UNBLOCK PIN: failed"},
    {"00 2C 00 01 10 " UNBLOCK1 CHV1, "90 00", "11.1.13 UNBLOCK PIN"},
    {"00 CA 00 00 00", "6D 00", "10.2.1.5: INS"},
    {"0C A4 00 04 02 3F 00 00", "68 82", "10.2.1.5.1: secure messaging"},
    {"E0 A4 00 04 02 3F 00 00", "6E 00", "10.2.1.5: class"},
};

/* 3GPP TS 51.011, 9.4 */
static const struct row sim[] = {
    {"A0 A4 00 00 02 3F 00", "9F 16", "9.4.1: length of the response"},
    {"A0 A4 00 00 02 FF FF", "94 04", "9.4.4: file ID not found"},
    {"A0 A4 00 00 01 3F", "67 00", "9.4.6: P3"},
    {"A0 A4 01 00 02 3F 00", "6B 00", "9.4.6: P1"},
    {"A0 B0 00 00 01", "94 00", "9.4.4: no EF selected"},
    {"A0 A4 00 00 02 7F 20", "9F 16", "9.4.1: length of the response"},
    {"A0 A4 00 00 02 6F 07", "9F 0F", "9.4.1: length of the response"},
    {"A0 B0 00 00 09", "98 04", "9.4.5: access condition not fulfilled"},
    {"A0 B2 01 04 09", "94 08", "9.4.4: inconsistent with the command"},
    {"A0 20 00 01 08 " NO_CHV, "98 04", "9.4.5: unsuccessful CHV verification"},
    {"A0 20 00 03 08 " CHV1, "98 02", "9.4.5: no CHV initialized"},
    {"A0 20 00 01 04 31 32 33 34", "67 00", "9.4.6: P3"},
    {"A0 20 00 01 08 " CHV1, "90 00", "9.4.1"},
    {"A0 B0 00 00 0A", "67 09", "9.4.6: P3, and the right one"},
    {"A0 B0 00 09 01", "6B 00", "9.4.6: offset"},
    {"A0 28 00 01 08 " CHV1, "98 08", "9.4.5: in contradiction with CHV status"},
    {"A0 20 00 02 08 " CHV2, "90 00", "9.4.1"},
    {"A0 A4 00 00 02 7F 10", "9F 16", "9.4.1: length of the response"},
    {"A0 A4 00 00 02 6F 3C", "9F 0F", "9.4.1: length of the response"},
    {"A0 B2 0B 04 B0", "94 02", "9.4.4: out of range"},
    {"A0 A2 00 00 01 55", "94 04", "9.4.4: pattern not found"},
    {"A0 32 00 00 03 00 00 01", "94 08", "9.4.4: inconsistent with the command"},
    {"A0 88 00 00 10 " BLOCK, "98 04", "9.4.5: RUN GSM ALGORITHM outside of DF GSM"},
    {"A0 20 00 0A 08 " UNBLOCK1, "90 00", "9.4.1"},
    {"A0 A4 00 00 02 7F 20", "9F 16", "9.4.1: length of the response"},
    {"A0 A4 00 00 02 6F 07", "9F 0F", "9.4.1: length of the response"},
    {"A0 04 00 00 00", "90 00", "9.4.1"},
    {"A0 B0 00 00 09", "98 10", "9.4.5: in contradiction with invalidation status"},
    {"A0 44 00 00 00", "90 00", "9.4.1"},
    {"A0 20 00 01 08 " NO_CHV, "98 04", "9.4.5: unsuccessful CHV verification"},
    {"A0 20 00 01 08 " NO_CHV, "98 04", "9.4.5: unsuccessful CHV verification"},
    {"A0 20 00 01 08 " NO_CHV, "98 40", "9.4.5: unsuccessful, and no attempt left"},
    {"A0 20 00 01 08 " CHV1, "98 40", "9.4.5: blocked"},
    {"A0 2C 00 00 10 " NO_CHV CHV1, "98 04", "9.4.5: unsuccessful UNBLOCK CHV"},
    {"A0 2C 00 00 10 " UNBLOCK1 CHV1, "90 00", "9.4.1"},
    {"A0 CA 00 00 00", "6D 00", "9.4.6: INS"},
};

#define USER "31 32 33 34 FF FF FF FF "
#define SO   "31 32 33 34 35 36 37 38 "

/* ISO/IEC 7816-4:2013, and 7816-8 and 7816-9 where it says so. What is created: a transparent file that
 * everybody may read and PIN 1 may change, and an EC key that PIN 1 may use. */
static const struct row pkcs15[] = {
    {"00 DA 01 E0 08 FF FF 00 0F FF 00 0F FF", "90 00", "11.5.3 PUT DATA"},
    {"00 DA 01 01 13 " USER SO "03 05 00", "90 00", "11.5.3 PUT DATA"},
    {"00 44 04 00 0C A0 00 00 00 63 50 4B 43 53 2D 31 35", "90 00", "MyEID: access rules count from now on"},
    {"00 A4 00 0C 02 12 34", "6A 82", "11.2.2 SELECT: file not found"},
    {"00 A4 05 0C 02 3F 00", "6A 86", "11.2.2 SELECT: P1"},
    {"00 A4 00 0C 01 3F", "6A 87", "11.2.2 SELECT: Lc does not go with P1"},
    {"00 B0 00 00 01", "69 86", "11.3.3 READ BINARY: no current EF"},
    {"00 A4 08 0C 02 50 15", "90 00", "11.2.2 SELECT"},
    {"00 E0 00 00 19 62 17 81 02 00 08 82 01 01 83 02 4B 01 86 03 01 11 FF 85 02 00 00 8A 01 00", "90 00",
     "7816-9, 6.1 CREATE FILE"},
    {"00 E0 00 00 19 62 17 81 02 00 08 82 01 01 83 02 4B 01 86 03 01 11 FF 85 02 00 00 8A 01 00", "6A 89",
     "7816-9, 6.1 CREATE FILE: file exists"},
    {"00 E0 00 00 04 62 02 82 00", "6A 80", "7816-9, 6.1 CREATE FILE: data"},
    {"00 B0 00 00 08", "90 00", "11.3.3 READ BINARY"},
    {"00 B0 00 09 01", "6B 00", "11.3.3 READ BINARY: offset"},
    {"00 B2 01 04 01", "69 81", "11.4.3 READ RECORD: structure"},
    {"00 D6 00 00 01 00", "69 82", "11.3.5 UPDATE BINARY: PIN"},
    {"00 20 00 01", "63 C3", "11.6.6 VERIFY: tries left"},
    {"00 20 00 01 08 " SO, "63 C2", "11.6.6 VERIFY: failed"},
    {"00 20 00 02 08 " USER, "6A 88", "11.6.6 VERIFY: no such reference data"},
    {"00 20 00 01 08 " USER, "90 00", "11.6.6 VERIFY"},
    {"00 D6 00 07 02 00 00", "6A 84", "11.3.5 UPDATE BINARY: longer than the file"},
    {"00 D6 00 00 01 00", "90 00", "11.3.5 UPDATE BINARY"},
    {"00 24 00 01 10 " SO USER, "63 C2", "11.6.7 CHANGE REFERENCE DATA: failed"},
    {"00 24 00 01 10 " USER USER, "90 00", "11.6.7 CHANGE REFERENCE DATA"},
    {"00 2C 00 01 10 " USER USER, "63 C4", "11.6.10 RESET RETRY COUNTER: failed"},
    {"00 2C 00 01 10 " SO USER, "90 00", "11.6.10 RESET RETRY COUNTER"},
    {"00 2A 9E 9A 20 " BLOCK BLOCK "00", "69 85", "7816-8, 11.9 COMPUTE DIGITAL SIGNATURE: no environment"},
    {"00 E0 00 00 19 62 17 81 02 01 00 82 01 22 83 02 4B 02 86 03 11 11 FF 85 02 00 00 8A 01 00", "90 00",
     "7816-9, 6.1 CREATE FILE"},
    {"00 22 41 B7 0A 80 01 04 81 02 4B 02 84 01 00", "6A 86", "11.6.11 MANAGE SECURITY ENVIRONMENT: P2"},
    {"00 22 41 B6 0A 80 01 04 81 02 4B 02 84 01 00", "90 00", "11.6.11 MANAGE SECURITY ENVIRONMENT"},
    {"00 2A 9E 9A 20 " BLOCK BLOCK "00", "69 85", "7816-8, 11.9 COMPUTE DIGITAL SIGNATURE: no key"},
    {"00 2E 00 00", "90 00", "MyEID: PINs are not verified"},
    {"00 E4 00 00 02 4B 01", "69 82", "7816-9, 6.2 DELETE FILE: PIN"},
    {"00 20 00 01 08 " SO, "63 C2", "11.6.6 VERIFY: failed"},
    {"00 20 00 01 08 " SO, "63 C1", "11.6.6 VERIFY: failed"},
    {"00 20 00 01 08 " SO, "63 C0", "11.6.6 VERIFY: failed"},
    {"00 20 00 01 08 " USER, "69 83", "11.6.6 VERIFY: blocked"},
    {"00 C2 00 00 00", "6D 00", "INS"},
};

static const struct table {
    const char *card;
    const struct row *rows;
    size_t count;
} tables[] = {{"piv", piv, COUNT(piv)},
              {"openpgp", openpgp, COUNT(openpgp)},
              {"usim", usim, COUNT(usim)},
              {"usim,gsm", sim, COUNT(sim)},
              {"pkcs15", pkcs15, COUNT(pkcs15)}};

START_TEST(test_table)
{
    const struct table *table = &tables[_i];
    struct card *card = load_named(table->card);
    uint8_t atr[33];
    size_t length;
    card_power(card, CARD_COLD, atr, &length);
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        char found[8] = "";
        send_command(card, row->command);
        if (answer_length >= 2)
            snprintf(found, sizeof found, "%02X %02X", answer[answer_length - 2], answer[answer_length - 1]);
        ck_assert_msg(strcmp(found, row->expected) == 0, "%s: %s, %s: %s instead of %s", table->card,
                      row->clause, row->command, found, row->expected);
    }
    ck_assert_msg(card_log.lines == 0, "%s", card_log.first);
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status words");
    TCase *tc = add_card_case(suite, "tables");

    tcase_add_loop_test(tc, test_table, 0, COUNT(tables));
    return run_suite(suite);
}
