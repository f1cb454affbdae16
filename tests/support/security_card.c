/* SPDX-License-Identifier: BSD-3-Clause */
#include "security_card.h"

#include "attachment.h"
#include "in_rig.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Cards
 */

static void copy_script(FILE *out)
{
    char buffer[4096];
    FILE *script = fopen(SECURITY_LUA, "r");
    ck_assert_ptr_nonnull(script);
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, script)) > 0;)
        ck_assert_uint_eq(fwrite(buffer, 1, got, out), got);
    fclose(script);
}

void put_security_card(int serial, const char *style)
{
    char path[] = "/tmp/security-XXXXXX.lua";
    int fd = mkstemps(path, 4);
    ck_assert_int_ge(fd, 0);
    FILE *out = fdopen(fd, "w");
    fprintf(out, "SERIAL, STYLE = %d, \"%s\"\n", serial, style ? style : "modern");
    copy_script(out);
    ck_assert_int_eq(fclose(out), 0);
    put(path);
    unlink(path);
}

static LONG ask_card(SCARDHANDLE with, uint8_t *answer, DWORD *length)
{
    static const uint8_t command[] = {0x80, 0xF0, 0x00, 0x00, 0x08};
    SCARD_IO_REQUEST pci = *SCARD_PCI_T1;
    return SCardTransmit(with, &pci, command, sizeof command, NULL, answer, length);
}

struct tally get_tally(void)
{
    uint8_t answer[10];
    DWORD length = sizeof answer, protocol;
    SCARDHANDLE asking;
    ck_assert_int_eq(SCardConnect(other_context, reader, SCARD_SHARE_SHARED, ANY, &asking, &protocol),
                     SCARD_S_SUCCESS);
    ck_assert_uint_eq(protocol, SCARD_PROTOCOL_T1);
    ck_assert_int_eq(ask_card(asking, answer, &length), SCARD_S_SUCCESS);
    ck_assert_uint_eq(length, 10);
    ck_assert_int_eq(SCardDisconnect(asking, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    return (struct tally){answer[0], answer[1], answer[2], answer[3],
                          answer[4], answer[5], answer[6], answer[7]};
}

void reinsert_card(void)
{
    put_security_card(CARD, NULL);
}

void swap_for_stranger(void)
{
    put_security_card(STRANGER, NULL);
}

void remove_card(void)
{
    pull();
}

static const uint8_t serial_command[] = {0x80, 0xF2, 0x00, 0x00, 0x01};

static scardmanage_result identify(scardmanage *object, uint8_t *identity, size_t *length, void *nothing)
{
    uint8_t response[258];
    size_t response_length = sizeof response;
    (void)nothing;
    scardmanage_result result =
        scardmanage_transmit(object, serial_command, sizeof serial_command, response, &response_length);
    *identity = response[0];
    *length = 1;
    return result;
}

scardmanage_options identifying_options(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.identify = identify;
    return options;
}

void identify_cards(void)
{
    scardmanage_options options = identifying_options();
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
}

/*
 * Commands: this SCardTransmit() stands before that of libpcsclite.
 */

static unsigned sent, event_at;
static void (*due)(void);

void before_command(unsigned n, void (*event)(void))
{
    sent = 0;
    event_at = n;
    due = event;
}

unsigned commands_sent(void)
{
    event_at = 0;
    return sent;
}

#pragma GCC visibility push(default)

LONG SCardTransmit(SCARDHANDLE with, const SCARD_IO_REQUEST *send_pci, LPCBYTE send, DWORD send_length,
                   SCARD_IO_REQUEST *receive_pci, LPBYTE receive, LPDWORD receive_length)
{
    __typeof__(&SCardTransmit) real = (__typeof__(&SCardTransmit))dlsym(RTLD_NEXT, "SCardTransmit");
    bool counts = send_length < 2 || memcmp(send, serial_command, 2) != 0;
    if (counts && ++sent == event_at)
        due();
    return real(with, send_pci, send, send_length, receive_pci, receive, receive_length);
}

#pragma GCC visibility pop

/*
 * Memory
 */

static unsigned asked, failing;
static const char *secret = "";
long watched_blocks;

void fail_allocation(unsigned n)
{
    failing = n;
    asked = 0;
}

unsigned allocations(void)
{
    failing = 0;
    return asked;
}

void watch_for(const char *text)
{
    secret = text;
}

static bool fails(void)
{
    return ++asked == failing;
}

static void *allocate(void *nothing, size_t size)
{
    (void)nothing;
    if (fails())
        return NULL;
    __atomic_add_fetch(&watched_blocks, 1, __ATOMIC_SEQ_CST);
    void *block = malloc(size);
    memset(block, 0xA5, malloc_usable_size(block));
    return block;
}

static void check_block(const void *block)
{
    size_t length = strlen(secret);
    ck_assert(length == 0 || !memmem(block, malloc_usable_size((void *)block), secret, length));
}

static void release(void *nothing, void *block)
{
    (void)nothing;
    check_block(block);
    __atomic_sub_fetch(&watched_blocks, 1, __ATOMIC_SEQ_CST);
    free(block);
}

static void *reallocate(void *nothing, void *block, size_t size)
{
    (void)nothing;
    if (fails())
        return NULL;
    check_block(block);
    return realloc(block, size);
}

const scardmanage_allocator watching_allocator = {sizeof watching_allocator, NULL, allocate, reallocate,
                                                  release};
