/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IFD handler as pcscd calls it, against a simulator that this test plays: what a good one answers, and what
 * a bad one does.
 */
#include "played_simulator.h"
#include "run_suite.h"

#include <check.h>
#include <reader.h>

#include <string.h>

START_TEST(without_a_simulator_the_slot_is_empty)
{
    end_simulator();
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, played.device), IFD_SUCCESS);
    ck_assert_int_eq(IFDHICCPresence(LUN), ABSENT);
    UCHAR buffer[300];
    DWORD length = MAX_ATR_SIZE;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, buffer, &length), IFD_ERROR_POWER_ACTION);
    ck_assert_uint_eq(length, 0);
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\244\0\0", 4, buffer, &length), IFD_COMMUNICATION_ERROR);
    ck_assert_uint_eq(length, 0);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    ck_assert_int_ge(wait_ms(30), 29);
    raise_simulator(); /* for tear_down */
}
END_TEST

START_TEST(a_lun_that_is_not_open)
{
    UCHAR buffer[300];
    DWORD length = sizeof buffer;
    ck_assert_int_eq(IFDHICCPresence(LUN), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, buffer, &length), IFD_NO_SUCH_DEVICE);
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\244\0\0", 4, buffer, &length), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCloseChannel(LUN), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCreateChannel(LUN, 0), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, (LPSTR) "no such"), IFD_COMMUNICATION_ERROR);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN, (LPSTR) "usb:1234"), IFD_NO_SUCH_DEVICE);
    ck_assert_int_eq(IFDHCreateChannelByName(LUN + 2, played.device),
                     IFD_NO_SUCH_DEVICE); /* of two slots the third */
}
END_TEST

START_TEST(capabilities)
{
    open_channel();
    static const struct {
        DWORD tag;
        UCHAR value;
    } bytes[] = {{TAG_IFD_THREAD_SAFE, 1},
                 {TAG_IFD_SLOT_THREAD_SAFE, 1},
                 {TAG_IFD_SIMULTANEOUS_ACCESS, 255},
                 {TAG_IFD_SLOTS_NUMBER, 2},
                 {TAG_IFD_POLLING_THREAD_KILLABLE, 0}};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        UCHAR value = 99;
        DWORD length = 1;
        ck_assert_int_eq(IFDHGetCapabilities(LUN, bytes[i].tag, &length, &value), IFD_SUCCESS);
        ck_assert_uint_eq(length, 1);
        ck_assert_uint_eq(value, bytes[i].value);
        length = 0;
        ck_assert_int_eq(IFDHGetCapabilities(LUN, bytes[i].tag, &length, &value),
                         IFD_ERROR_INSUFFICIENT_BUFFER);
    }
    ck_assert_int_eq(IFDHSetCapabilities(LUN, TAG_IFD_SLOTNUM, 0, NULL), IFD_ERROR_TAG);
    /* all else is asked of the simulator */
    start_playing(ANSWER);
    played.answer.data = (const uint8_t *)"cardrig";
    played.answer.length = 7;
    UCHAR value[16];
    DWORD length = sizeof value;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, SCARD_ATTR_VENDOR_NAME, &length, value), IFD_SUCCESS);
    ck_assert_uint_eq(length, 7);
    ck_assert_mem_eq(value, "cardrig", 7);
    ck_assert_uint_eq(played.last.type, LINK_ATTRIBUTE);
    ck_assert_uint_eq(played.last.value, SCARD_ATTR_VENDOR_NAME);
    length = 3;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, TAG_IFD_ATR, &length, value), IFD_ERROR_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, 7);
    ck_assert_uint_eq(played.last.value, SCARD_ATTR_ATR_STRING);
    played.answer = (struct link_message){.arg = LINK_UNSUPPORTED};
    length = sizeof value;
    ck_assert_int_eq(IFDHGetCapabilities(LUN, 0x4711, &length, value), IFD_ERROR_TAG);
}
END_TEST

START_TEST(a_protocol_that_is_ready_is_not_asked_for)
{
    open_channel();
    start_playing(ANSWER);
    UCHAR atr[MAX_ATR_SIZE];
    DWORD length = sizeof atr;
    played.answer.data = (const uint8_t *)"\x3B\x00";
    played.answer.length = 2;
    played.answer.flags = LINK_READY_T1;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, atr, &length), IFD_SUCCESS);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_SUCCESS);
    ck_assert_uint_eq(played.last.type, LINK_POWER);
    /* all that is not plainly the protocol that is ready is asked for, and may be refused */
    played.answer.arg = LINK_PPS_FAILED;
    played.answer.length = 0;
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T0, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    ck_assert_uint_eq(played.last.type, LINK_PARAMETERS);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, IFD_NEGOTIATE_PTS1, 0x11, 0, 0),
                     IFD_ERROR_PTS_FAILURE);
    /* and after another one has been asked for that one may be in use */
    played.answer.arg = LINK_OK;
    played.answer.flags = LINK_READY_T1;
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, atr, &length), IFD_SUCCESS);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T0, 0, 0, 0, 0), IFD_SUCCESS);
    played.answer.arg = LINK_GARBLED;
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    played.answer.flags = 0;
    played.answer.arg = LINK_OK;
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, atr, &length), IFD_SUCCESS);
    played.answer.arg = LINK_PPS_FAILED;
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
}
END_TEST

START_TEST(requests_carry_the_event_that_pcscd_knows)
{
    played.event_counter = 3;
    open_channel();
    start_playing(ANSWER);
    UCHAR atr[MAX_ATR_SIZE];
    DWORD length = sizeof atr;
    played.answer.data = (const uint8_t *)"\x3B\x00";
    played.answer.length = 2;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 2);
    ck_assert_mem_eq(atr, "\x3B\x00", 2);
    ck_assert_uint_eq(played.last.type, LINK_POWER);
    ck_assert_uint_eq(played.last.arg, LINK_POWER_COLD);
    ck_assert_uint_eq(played.last.event, 3);
    report_event(5);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_RESET, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(played.last.arg, LINK_POWER_WARM);
    ck_assert_uint_eq(played.last.event, 3); /* 5 has come, but pcscd has not waited for it */
    wait_ms(5000);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_DOWN, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 0);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, atr, &length), IFD_SUCCESS);
    ck_assert_uint_eq(played.last.arg, LINK_POWER_COLD);
    ck_assert_uint_eq(played.last_power_off.type, LINK_POWER); /* it came before */
    ck_assert_uint_eq(played.last_power_off.arg, LINK_POWER_OFF);
    ck_assert_uint_eq(played.last_power_off.event, 4);
    length = sizeof atr;
    ck_assert_int_eq(IFDHPowerICC(LUN, 4711, atr, &length), IFD_NOT_SUPPORTED);
}
END_TEST

START_TEST(transmit_goes_through)
{
    played.event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    played.answer.data = (const uint8_t *)"\x90\x00";
    played.answer.length = 2;
    UCHAR response[10];
    DWORD length = sizeof response;
    ck_assert_int_eq(transmit("\0\244\4\0", 4, response, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 2);
    ck_assert_mem_eq(response, "\x90\x00", 2);
    ck_assert_uint_eq(played.last.type, LINK_TRANSMIT);
    ck_assert_uint_eq(played.last.arg, 1);
    ck_assert_mem_eq(played.last_data, "\0\244\4\0", 4);
    /* longer than the client's buffer: pcscd gets the true length, and nothing is written behind the end
     */
    static const uint8_t eleven[11] = "0123456789";
    played.answer.data = eleven;
    played.answer.length = sizeof eleven;
    length = sizeof response;
    ck_assert_int_eq(transmit("\0\244\4\0", 4, response, &length), IFD_SUCCESS);
    ck_assert_uint_eq(length, 11);
    static UCHAR huge[LINK_MAX_COMMAND + 1];
    length = sizeof response;
    ck_assert_int_eq(transmit((const char *)huge, sizeof huge, response, &length), IFD_COMMUNICATION_ERROR);
}
END_TEST

static const struct {
    uint8_t status;
    RESPONSECODE power, parameters, transmit;
} codes[] = {
    {LINK_REMOVED, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
    {LINK_UNPOWERED, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
    {LINK_MUTE, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_RESPONSE_TIMEOUT},
    {LINK_GARBLED, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
    {LINK_PROTOCOL_UNAVAILABLE, IFD_PROTOCOL_NOT_SUPPORTED, IFD_PROTOCOL_NOT_SUPPORTED,
     IFD_PROTOCOL_NOT_SUPPORTED},
    {LINK_PPS_FAILED, IFD_ERROR_PTS_FAILURE, IFD_ERROR_PTS_FAILURE, IFD_ERROR_PTS_FAILURE},
    {LINK_UNPLUGGED, IFD_NO_SUCH_DEVICE, IFD_NO_SUCH_DEVICE, IFD_NO_SUCH_DEVICE},
    {LINK_BAD_REQUEST, IFD_ERROR_POWER_ACTION, IFD_ERROR_PTS_FAILURE, IFD_COMMUNICATION_ERROR},
};

START_TEST(statuses_become_response_codes)
{
    played.event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    played.answer.arg = codes[_i].status;
    UCHAR buffer[300];
    DWORD length = MAX_ATR_SIZE;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, buffer, &length), codes[_i].power);
    ck_assert_uint_eq(length, 0);
    ck_assert_int_eq(IFDHSetProtocolParameters(LUN, SCARD_PROTOCOL_T1, 0, 0, 0, 0), codes[_i].parameters);
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\244\0\0", 4, buffer, &length), codes[_i].transmit);
    ck_assert_uint_eq(length, 0);
}
END_TEST

START_TEST(an_answer_that_takes_longer_is_waited_for)
{
    open_channel();
    start_playing(EXTEND);
    ck_assert_int_eq(IFDHControl(LUN, 1, NULL, 0, NULL, 0, &(DWORD){0}), IFD_SUCCESS);
}
END_TEST

START_TEST(bad_simulators_are_a_communication_error)
{
    played.event_counter = 1;
    open_channel();
    start_playing((enum behaviour)_i);
    UCHAR buffer[300];
    DWORD length = MAX_ATR_SIZE;
    ck_assert_int_eq(IFDHPowerICC(LUN, IFD_POWER_UP, buffer, &length),
                     _i == TOO_MUCH ? IFD_ERROR_INSUFFICIENT_BUFFER : IFD_ERROR_POWER_ACTION);
    ck_assert_uint_eq(length, 0);
    played.behaviour = HANG_UP;
}
END_TEST

START_TEST(a_late_answer_is_not_taken_for_the_next)
{
    played.event_counter = 1;
    open_channel();
    start_playing(SILENT);
    UCHAR buffer[300];
    DWORD length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\1\0\0", 4, buffer, &length), IFD_COMMUNICATION_ERROR);
    pthread_join(played.player, NULL); /* the driver has hung up */
    start_playing(ANSWER);
    played.answer.data = (const uint8_t *)"\x90\x00";
    played.answer.length = 2;
    length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\2\0\0", 4, buffer, &length), IFD_SUCCESS);
    ck_assert_uint_eq(played.last_data[1], 2);
}
END_TEST

START_TEST(a_status_that_is_not_one_ends_the_connection)
{
    played.event_counter = 1;
    open_channel();
    start_playing(ANSWER);
    played.answer.arg = LINK_UNPLUGGED + 1;
    UCHAR buffer[300];
    DWORD length = sizeof buffer;
    ck_assert_int_eq(transmit("\0\1\0\0", 4, buffer, &length), IFD_COMMUNICATION_ERROR);
    ck_assert_uint_eq(length, 0);
    pthread_join(played.player, NULL); /* the driver has hung up */
    played.playing = false;
}
END_TEST

START_TEST(many_luns_at_once)
{
    end_simulator();
    for (DWORD number = 0; number < LINK_MAX_SLOTS; number++)
        ck_assert_int_eq(IFDHCreateChannelByName(number / 2 << 16 | number % 2, played.device), IFD_SUCCESS);
    ck_assert_int_eq(IFDHCreateChannelByName(0x00050001, played.device), IFD_COMMUNICATION_ERROR); /* taken */
    ck_assert_int_eq(IFDHCreateChannelByName(199 << 16, played.device),
                     IFD_COMMUNICATION_ERROR); /* no room */
    ck_assert_int_eq(IFDHCloseChannel(0x00050001), IFD_SUCCESS);
    ck_assert_int_eq(IFDHCreateChannelByName(199 << 16, played.device), IFD_SUCCESS);
    ck_assert_int_eq(IFDHCloseChannel(199 << 16), IFD_SUCCESS);
    for (DWORD number = 0; number < LINK_MAX_SLOTS; number++)
        ck_assert_int_eq(IFDHCloseChannel(number / 2 << 16 | number % 2),
                         number == 11 ? IFD_NO_SUCH_DEVICE : IFD_SUCCESS);
    raise_simulator();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("driver");
    TCase *tests = tcase_create("driver");
    tcase_add_checked_fixture(tests, set_up_simulator, tear_down_simulator);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, without_a_simulator_the_slot_is_empty);
    tcase_add_test(tests, a_lun_that_is_not_open);
    tcase_add_test(tests, capabilities);
    tcase_add_test(tests, a_protocol_that_is_ready_is_not_asked_for);
    tcase_add_test(tests, requests_carry_the_event_that_pcscd_knows);
    tcase_add_test(tests, transmit_goes_through);
    tcase_add_loop_test(tests, statuses_become_response_codes, 0, sizeof codes / sizeof codes[0]);
    tcase_add_test(tests, a_status_that_is_not_one_ends_the_connection);
    tcase_add_loop_test(tests, bad_simulators_are_a_communication_error, SILENT, TOO_MUCH + 1);
    tcase_add_test(tests, an_answer_that_takes_longer_is_waited_for);
    tcase_add_test(tests, a_late_answer_is_not_taken_for_the_next);
    tcase_add_test(tests, many_luns_at_once);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
