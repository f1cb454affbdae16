/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/script_card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "icc/builtin.h"
#include "icc/card_name.h"
#include "icc/chain.h"
#include "icc/globals.h"
#include "icc/handler.h"
#include "icc/response.h"
#include "icc/sandbox.h"
#include "icc/script.h"
#include "icc/selection.h"
#include "icc/source.h"

struct script_card {
    struct card card;
    struct sandbox *sandbox;
    struct script script;
    struct chain *chain; /* NULL: the script does not ask for joined commands */
    struct selection selection;
    uint8_t *basic;            /* room for a command with the class of the basic channel; NULL: no channels */
    struct response response;  /* the rest of the last response */
    unsigned response_channel; /* the logical channel of that command */
};

/* Loading */

static const struct card_kind script_kind;

static struct script_card *script_of(struct card *card)
{
    return (struct script_card *)card;
}

static const struct script_card *const_script_of(const struct card *card)
{
    return (const struct script_card *)card;
}

/* Gives the card what `given` says, NULL for nothing: the files in its folder, and what a card of this name has kept
 * in this slot. */
static bool prepare(struct script_card *card, const struct card_name *given, const struct card_host *host,
                    struct error *error)
{
    struct sandbox *sandbox = card->sandbox;

    if (!given)
        return true;
    if (given->file && !sandbox_set_folder(sandbox, given->file))
        return error_set(error, "out of memory");
    if (!host->keep_store)
        return true;
    char short_name[CARD_NAME_SHORT_MAX + 1];
    card_name_shorten(given, short_name);
    sandbox->keep = keep_open(host->keep_store, host->arg, given->whole, short_name, given->state, error);
    return sandbox->keep;
}

static struct card *load_source(const struct source *source, const struct card_name *given,
                                const struct card_host *host, struct error *error)
{
    struct script_card *card = calloc(1, sizeof *card);
    bool ok = false;

    if (!card) {
        error_set(error, "%s:1: out of memory", source->name);
        return NULL;
    }
    card->card.kind = &script_kind;
    card->sandbox = sandbox_new(host, &card->card.faults, globals_open, source->name, error);
    ok = card->sandbox && prepare(card, given, host, error) &&
         script_load(&card->script, card->sandbox, source, given, error);
    if (ok && ((card->script.chaining && !(card->chain = calloc(1, sizeof *card->chain))) ||
               (card->script.channels > 0 && !(card->basic = malloc(APDU_COMMAND_MAX)))))
        ok = error_set(error, "%s:1: out of memory", source->name);
    if (ok) {
        selection_reset(&card->selection, &card->script);
        return &card->card;
    }
    card_free(&card->card);
    return NULL;
}

static struct card *load_ready(const struct card_name *name, const struct card_host *host,
                               struct error *error)
{
    const struct library_text *ready = name->ready;
    char chunk[100];

    snprintf(chunk, sizeof chunk, "%s.lua", ready->name);
    struct source source = {.name = chunk, .text = ready->text, .length = ready->length};
    return load_source(&source, name, host, error);
}

static struct card *load_file(const struct card_name *name, const struct card_host *host, struct error *error)
{
    struct source source;
    struct card *card;

    if (!source_read(&source, name->file, error))
        return NULL;
    card = load_source(&source, name, host, error);
    source_free(&source);
    return card;
}

struct card *card_load(const char *text, const struct card_host *host, struct error *error)
{
    struct card_name name;
    struct card *card;

    if (!card_name_parse(&name, text, error))
        return NULL;
    card = name.ready ? load_ready(&name, host, error) : load_file(&name, host, error);
    card_name_free(&name);
    return card;
}

struct card *card_load_text(const char *chunk_name, const char *text, size_t length,
                            const struct card_host *host, struct error *error)
{
    struct source source = {.name = chunk_name, .text = text, .length = length};

    return load_source(&source, NULL, host, error);
}

struct card *card_load_builtin(const struct card_host *host, struct error *error)
{
    return card_load_text("builtin.lua", builtin_lua, builtin_lua_length, host, error);
}

const char *card_builtin_text(size_t *length)
{
    *length = builtin_lua_length;
    return builtin_lua;
}

static void free_script(struct card *card)
{
    struct sandbox *sandbox = script_of(card)->sandbox;

    if (sandbox && sandbox->keep)
        keep_close(sandbox->keep);
    sandbox_free(sandbox);
    free(script_of(card)->chain);
    free(script_of(card)->basic);
    free(card);
}

/* What the script declares */

static const char *name(const struct card *card)
{
    return const_script_of(card)->script.head.name;
}

static const uint8_t *atr(const struct card *card, enum card_power how, size_t *length)
{
    const struct script *script = &const_script_of(card)->script;
    const struct script_atr *atr = card->interface == CARD_ANTENNA ? &script->at_antenna
                                   : how == CARD_WARM              ? &script->warm
                                                                   : &script->cold;

    *length = how == CARD_OFF ? 0 : atr->length;
    return atr->bytes;
}

static const struct antenna *antenna(const struct card *card)
{
    const struct script *script = &const_script_of(card)->script;

    return script->at_antenna.length > 0 ? &script->antenna : NULL;
}

static bool has_contacts(const struct card *card)
{
    return const_script_of(card)->script.has_contacts;
}

static uint8_t t1_ifsc(const struct card *card)
{
    return const_script_of(card)->script.t1_ifsc;
}

const struct script *card_script(const struct card *card)
{
    return &const_script_of(card)->script;
}

bool card_dead(const struct card *card)
{
    return sandbox_dead(const_script_of(card)->sandbox);
}

static void interrupt(struct card *card)
{
    sandbox_interrupt(script_of(card)->sandbox);
}

/* What the card does */

static void log_failure(struct script_card *card, const char *error)
{
    char line[SANDBOX_LINE_MAX + 64];

    snprintf(line, sizeof line, "%s%s", error,
             card_dead(&card->card) ? "; the card is dead and answers no more until it is loaded again" : "");
    sandbox_log(card->sandbox, line, strlen(line));
}

static void power(struct card *card, enum card_power how, uint8_t answer[ATR_MAX], size_t *length)
{
    struct script_card *self = script_of(card);
    struct error error;
    const uint8_t *bytes;

    *length = 0;
    response_drop(&self->response);
    if (self->chain)
        chain_drop(self->chain);
    if (card_dead(card))
        return;
    selection_reset(&self->selection, &self->script);
    if (!handler_power(self->sandbox, &self->script.on_power, how, &error))
        log_failure(self, error.text);
    if (card_dead(card))
        return;
    bytes = atr(card, how, length);
    memcpy(answer, bytes, *length);
}

static void answer_status(uint16_t sw, uint8_t *resp, size_t *resp_length)
{
    resp[0] = (uint8_t)(sw >> 8);
    resp[1] = (uint8_t)sw;
    *resp_length = 2;
}

static void answer_constant(struct script_card *card, const struct script_command *entry, uint8_t *resp,
                            size_t resp_capacity, size_t *resp_length)
{
    struct error error;

    if (entry->answer_length > resp_capacity) {
        error_set(&error, "%s: the answer of commands[%d] has %zu bytes, more than the %zu that fit",
                  card->script.head.name, entry->number, entry->answer_length, resp_capacity);
        log_failure(card, error.text);
        answer_status(0x6F00, resp, resp_length);
        return;
    }
    memcpy(resp, entry->answer, entry->answer_length);
    *resp_length = entry->answer_length;
}

/* Answers by this entry, or, if its handler passes the command on, by a later one of the index. Returns false if all
 * have passed it on. */
static bool answer_entry(struct script_card *card, const struct script_command *entry,
                         const struct match_index *index, const uint8_t *matched,
                         const struct handler_command *command, uint8_t *resp, size_t resp_capacity,
                         size_t *resp_length)
{
    const struct script_command *next = entry;
    struct error error;

    if (!entry->answer) {
        switch (handler_answer(card->sandbox, entry, index, matched, command, resp, resp_capacity,
                               resp_length, &next, &error)) {
        case HANDLER_ANSWERED:
            return true;
        case HANDLER_PASSED:
            break;
        case HANDLER_FAILED:
            log_failure(card, error.text);
            if (card_dead(&card->card))
                *resp_length = 0;
            else
                answer_status(0x6F00, resp, resp_length);
            return true;
        }
    }
    if (next)
        answer_constant(card, next, resp, resp_capacity, resp_length);
    return next;
}

static bool answer_by_list(struct script_card *card, const struct script_list *list, const uint8_t *matched,
                           const struct handler_command *command, uint8_t *resp, size_t resp_capacity,
                           size_t *resp_length)
{
    const struct script_command *entry = match_command(&list->index, matched, command->length, 0);

    return entry &&
           answer_entry(card, entry, &list->index, matched, command, resp, resp_capacity, resp_length);
}

/* Returns whether the status word means that the application was selected. */
static bool is_success(const uint8_t *resp, size_t length)
{
    uint8_t sw1 = length >= 2 ? resp[length - 2] : 0;

    return sw1 == 0x90 || sw1 == 0x61 || sw1 == 0x62 || sw1 == 0x63;
}

/* SELECT by AID. Returns false if there is no such application, or it leaves the command to the card. */
static bool answer_select(struct script_card *card, const struct handler_command *command, uint8_t *resp,
                          size_t resp_capacity, size_t *resp_length)
{
    const struct script_application **selected =
        &card->selection.selected[card->basic ? command->channel : 0];
    const struct script_application *found = selection_find(&card->script, *selected, &command->decoded);

    if (!found || !answer_entry(card, &found->select, NULL, NULL, command, resp, resp_capacity, resp_length))
        return false;
    if (is_success(resp, *resp_length))
        *selected = found;
    return true;
}

static void answer_by_script(struct script_card *card, const struct handler_command *command, uint8_t *resp,
                             size_t resp_capacity, size_t *resp_length)
{
    const struct script *script = &card->script;
    const uint8_t *matched = command->raw;
    bool selects = script->application_count > 0 && selection_is_by_aid(&command->decoded);

    if (command->channel > 0 && card->basic) { /* patterns are written for the basic channel */
        memcpy(card->basic, command->raw, command->length);
        card->basic[0] = selection_basic_class(command->decoded.cla);
        matched = card->basic;
    }
    if (selects && answer_select(card, command, resp, resp_capacity, resp_length))
        return;
    if (!selects && command->application &&
        answer_by_list(card, &command->application->list, matched, command, resp, resp_capacity, resp_length))
        return;
    if (answer_by_list(card, &script->list, matched, command, resp, resp_capacity, resp_length))
        return;
    answer_status(selects ? 0x6A82 : 0x6D00, resp, resp_length);
}

#define INS_MANAGE_CHANNEL 0x70

/* Finds the channel of the command. Returns false, and answers 68 81, if it is not open. */
static bool take_channel(struct script_card *card, struct handler_command *command, uint8_t *resp,
                         size_t *resp_length)
{
    uint8_t cla = command->decoded.cla;
    bool has_channels = card->script.channels > 0;

    command->is_secure = selection_is_secure(cla);
    command->channel = has_channels || (cla & 0x80) == 0 ? selection_channel(cla) : 0;
    if (has_channels && !card->selection.is_open[command->channel]) {
        answer_status(0x6881, resp, resp_length);
        return false;
    }
    command->application = card->selection.selected[has_channels ? command->channel : 0];
    return true;
}

/* Returns false if the command is not MANAGE CHANNEL, or the card has no channels. */
static bool manage_channel(struct script_card *card, const struct apdu_command *command, uint8_t *resp,
                           size_t resp_capacity, size_t *resp_length)
{
    int opened;

    if (card->script.channels == 0 || command->ins != INS_MANAGE_CHANNEL || (command->cla & 0x90) != 0 ||
        resp_capacity < 3)
        return false;
    uint16_t sw = selection_manage_channel(&card->selection, &card->script, command, &opened);
    resp[0] = (uint8_t)opened;
    answer_status(sw, resp + (opened >= 0), resp_length);
    *resp_length += opened >= 0;
    return true;
}

/* Replaces the last command of a chain by the joined command. Returns false if that is answered already. */
static bool take_chained(struct script_card *card, struct handler_command *command, uint8_t *resp,
                         size_t *resp_length)
{
    switch (chain_take(card->chain, &command->decoded, &command->length)) {
    case CHAIN_NOT_PART:
        return true;
    case CHAIN_PART:
        answer_status(0x9000, resp, resp_length);
        return false;
    case CHAIN_COMPLETE:
        command->raw = card->chain->command;
        return apdu_decode(command->raw, command->length, &command->decoded, NULL) == APDU_OK;
    case CHAIN_TOO_LONG:
        break;
    }
    answer_status(0x6700, resp, resp_length);
    return false;
}

static uint32_t ne_of(const struct script_card *card, const struct apdu_command *command)
{
    return command->ne > 0 ? command->ne : card->script.ne_without_le;
}

/* Answers a command that is not GET RESPONSE for the rest of another one. */
static void answer(struct script_card *card, struct handler_command *command, uint8_t *resp,
                   size_t resp_capacity, size_t *resp_length)
{
    if (manage_channel(card, &command->decoded, resp, resp_capacity, resp_length)) {
        if (card->chain)
            chain_drop(card->chain);
    } else if (!card->chain || take_chained(card, command, resp, resp_length)) {
        command->decoded.ne = ne_of(card, &command->decoded);
        answer_by_script(card, command, resp, resp_capacity, resp_length);
    }
    if (*resp_length > 0)
        response_cut_to_ne(&card->response, command->decoded.ne, resp, resp_length);
    card->response_channel = command->channel;
}

/* Answers a frame. */
static void answer_frame(struct script_card *card, const uint8_t *frame, size_t length, uint8_t *resp,
                         size_t resp_capacity, size_t *resp_length)
{
    struct error error;

    if (!handler_frame(card->sandbox, &card->script.frame, frame, length, resp, resp_capacity, resp_length,
                       &error))
        log_failure(card, error.text);
}

static void command(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                    size_t *resp_length)
{
    struct script_card *self = script_of(card);
    struct handler_command command = {.raw = cmd, .length = length};

    *resp_length = 0;
    if (card_dead(card))
        return;
    self->sandbox->work_ms = 0;
    if (card->interface == CARD_ANTENNA && *self->script.antenna.storage) {
        answer_frame(self, cmd, length, resp, resp_capacity, resp_length);
        return;
    }
    bool is_valid = apdu_decode(cmd, length, &command.decoded, NULL) == APDU_OK;
    if (!is_valid)
        answer_status(0x6700, resp, resp_length);
    if (!is_valid || !take_channel(self, &command, resp, resp_length)) {
        response_drop(&self->response);
        if (self->chain)
            chain_drop(self->chain);
        return;
    }
    bool is_its_channel = self->script.channels == 0 || command.channel == self->response_channel;
    if (is_its_channel && response_continue(&self->response, &command.decoded, ne_of(self, &command.decoded),
                                            resp, resp_capacity, resp_length))
        return;
    response_drop(&self->response);
    answer(self, &command, resp, resp_capacity, resp_length);
}

static uint32_t work_ms(const struct card *card)
{
    return const_script_of(card)->sandbox->work_ms;
}

static const struct card_kind script_kind = {
    .free = free_script,
    .name = name,
    .atr = atr,
    .antenna = antenna,
    .has_contacts = has_contacts,
    .t1_ifsc = t1_ifsc,
    .power = power,
    .command = command,
    .work_ms = work_ms,
    .interrupt = interrupt,
};
