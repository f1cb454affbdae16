#include "rig/control.h"

#include "iso7816/hex.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *slot; /* NULL: not given */
    const char *file;
    json_t *faults;
    const char *action;
    bool *later; /* set by a command that is answered later */
};

/* Each command returns its answer's object, or NULL with error, or NULL with *later. */
typedef json_t *command_function(struct rig *rig, const struct arguments *arguments, char *error,
                                 size_t error_size);

/* Bytes that are no UTF-8 become '?': JSON cannot hold them. */
static void make_ascii(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7F)
            *text = '?';
}

/* A file's name, which may be any bytes; null for NULL. */
static json_t *file_text(const char *file)
{
    if (!file)
        return json_null();
    json_t *text = json_string(file);
    char *copy = text ? NULL : strdup(file);
    if (copy) {
        make_ascii(copy);
        text = json_string(copy);
        free(copy);
    }
    return text;
}

static json_t *t1_status(const struct t1_counters *t1)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "blocks_sent", (json_int_t)t1->blocks_sent,
                     "blocks_received", (json_int_t)t1->blocks_received, "invalid", (json_int_t)t1->invalid,
                     "retransmissions", (json_int_t)t1->retransmissions, "resynchronisations",
                     (json_int_t)t1->resynchs, "wtx", (json_int_t)t1->wtx);
}

static json_t *card_status(const struct slot *slot)
{
    const struct ifd *ifd = slot->ifd;
    const struct ifd_counters *counters = &ifd->counters;
    char atr[3 * ATR_MAX + 1] = "";
    hex_encode(ifd->atr.raw, ifd->atr.len, atr, sizeof atr, ' ');
    json_t *resets = json_pack("{s:I, s:I, s:I}", "cold", (json_int_t)counters->cold, "warm",
                               (json_int_t)counters->warm, "off", (json_int_t)counters->off);
    json_t *last =
        json_pack("{s:I, s:I, s:s?}", "card_time_us", (json_int_t)ifd->last_us, "real_time_us",
                  (json_int_t)ifd->last_real_us, "error", ifd->last_error[0] ? ifd->last_error : NULL);
    json_t *protocol = ifd->protocol == IFD_NO_PROTOCOL ? json_null() : json_sprintf("T=%u", ifd->protocol);
    return json_pack("{s:s, s:b, s:s?, s:o, s:o, s:i, s:i, s:I, s:o, s:I, s:o, s:o}", "name",
                     card_name(slot->card), "powered", ifd->powered, "atr", ifd->powered ? atr : NULL, "file",
                     file_text(slot->file), "protocol", protocol, "f", ifd->f, "d", ifd->d, "commands",
                     (json_int_t)counters->commands, "resets", resets, "pps", (json_int_t)counters->pps, "t1",
                     t1_status(&counters->t1), "last", last);
}

/* Where its vpcd cards are, for a slot that has such. */
static json_t *vpcd_status(const struct slot *slot)
{
    struct address address;
    if (!slot_vpcd_address(slot, &address))
        return json_null();
    bool listens = slot->reader->options.cards == READER_VPCD_LISTEN;
    return json_pack("{s:s, s:s, s:i}", "reader", listens ? "listens" : "connects", "host", address.host,
                     "port", (int)address.port);
}

/* Where it is a vpcd card for somebody else's reader; null where the rig's slots are none. */
static json_t *vpcd_card_status(const struct rig *rig, const struct slot *slot)
{
    struct address address;
    bool listens;
    if (!rig_vpcd_card(rig, slot, &address, &listens))
        return json_null();
    return json_pack("{s:s, s:i, s:b}", "host", address.host, "port", (int)address.port, "listens", listens);
}

/* null for a reader that is not on USB. */
static json_t *usb_status(const struct reader *reader)
{
    const struct reader_options *options = &reader->options;
    if (!options->usb)
        return json_null();
    return json_pack("{s:o, s:b, s:b}", "id",
                     json_sprintf("%04x:%04x", options->vendor_id, options->product_id), "token",
                     options->token, "plugged", reader->plugged);
}

static json_t *slot_status(struct rig *rig, const struct slot *slot)
{
    char pcsc_name[160];
    bool ready, connected = rig_driver_connected(rig, slot, &ready);
    return json_pack("{s:i, s:s, s:i, s:s, s:b, s:b, s:o, s:o, s:o, s:o}", "number",
                     slot_index(rig_slots_of(rig), slot), "slot", slot_text(slot), "reader",
                     slot->reader->number, "pcsc_name", slot_pcsc_name(slot, pcsc_name, sizeof pcsc_name),
                     "driver_connected", connected, "ready", ready, "usb", usb_status(slot->reader), "vpcd",
                     vpcd_status(slot), "vpcd_card", vpcd_card_status(rig, slot), "card",
                     slot->card ? card_status(slot) : json_null());
}

/* null for a rig whose pcscd is not ours. */
static json_t *service_status(const struct rig *rig)
{
    enum service_state state;
    const char *note;
    if (!rig_has_service(rig, &state, &note))
        return json_null();
    return json_pack("{s:s, s:s?}", "state", service_state_name(state), "note", *note ? note : NULL);
}

static json_t *rig_status(struct rig *rig)
{
    struct slots *slots = rig_slots_of(rig);
    json_t *list = json_array();
    for (unsigned i = 0; i < slots->slot_count; i++)
        json_array_append_new(list, slot_status(rig, &slots->slot[i]));
    return json_pack("{s:I, s:o, s:o}", "seed", (json_int_t)rig_seed(rig), "service", service_status(rig),
                     "slots", list);
}

static json_t *status(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    if (arguments->slot || arguments->file || arguments->faults) {
        snprintf(error, error_size, "status takes no arguments");
        return NULL;
    }
    return rig_status(rig);
}

static json_t *service(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    enum service_action action;
    if (arguments->slot || arguments->file || arguments->faults || !arguments->action)
        snprintf(error, error_size, "service takes an \"action\", and nothing else");
    else if (!service_action_find(arguments->action, &action))
        snprintf(error, error_size,
                 "service: unknown action '%.40s': expected stop, continue, kill or restart",
                 arguments->action);
    else
        *arguments->later = rig_service(rig, action, error, error_size);
    return NULL;
}

/* The commands that move a card answer with the slot as it is then. */
static json_t *move(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size,
                    bool (*how)(struct slots *, struct slot *, const char *, char *, size_t))
{
    if (arguments->faults) {
        snprintf(error, error_size, "faults go with the command fault");
        return NULL;
    }
    struct slot *slot = slots_find(rig_slots_of(rig), arguments->slot, error, error_size);
    if (!slot || !how(rig_slots_of(rig), slot, arguments->file, error, error_size))
        return NULL;
    return slot_status(rig, slot);
}

static json_t *insert(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    return move(rig, arguments, error, error_size, slot_insert);
}

static json_t *swap(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    if (!arguments->file) {
        snprintf(error, error_size, "swap needs a file");
        return NULL;
    }
    return move(rig, arguments, error, error_size, slot_swap);
}

static bool remove_card(struct slots *slots, struct slot *slot, const char *file, char *error,
                        size_t error_size)
{
    if (file) {
        snprintf(error, error_size, "remove takes no file");
        return false;
    }
    return slot_remove(slots, slot, error, error_size);
}

static json_t *remove_(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    return move(rig, arguments, error, error_size, remove_card);
}

/* These two concern a reader, and answer with its first slot. */
static json_t *move_reader(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size,
                           bool (*how)(struct slots *, struct reader *, char *, size_t))
{
    if (arguments->file || arguments->faults) {
        snprintf(error, error_size, "plug and unplug take a reader as \"slot\", and nothing else");
        return NULL;
    }
    struct reader *reader = slots_find_reader(rig_slots_of(rig), arguments->slot, error, error_size);
    if (!reader || !how(rig_slots_of(rig), reader, error, error_size))
        return NULL;
    return slot_status(rig, &reader->slots[0]);
}

static json_t *plug(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    return move_reader(rig, arguments, error, error_size, reader_plug);
}

static json_t *unplug(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    return move_reader(rig, arguments, error, error_size, reader_unplug);
}

/* All of the faults are set, or, where one of them is wrong, none. */
static json_t *fault(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    struct slot *slot = slots_find(rig_slots_of(rig), arguments->slot, error, error_size);
    if (!slot)
        return NULL;
    if (arguments->file || !json_is_array(arguments->faults) || json_array_size(arguments->faults) == 0) {
        snprintf(error, error_size, "fault takes a list \"faults\" of strings, and no file");
        return NULL;
    }
    if (!slot->card) {
        snprintf(error, error_size, "the slot is empty: faults are a card's, and go with it");
        return NULL;
    }
    struct faults changed = *card_faults(slot->card);
    size_t i;
    json_t *text;
    json_array_foreach(arguments->faults, i, text)
    {
        if (!json_is_string(text)) {
            snprintf(error, error_size, "faults[%zu]: expected a string", i);
            return NULL;
        }
        if (!faults_set(&changed, json_string_value(text), error, error_size))
            return NULL;
    }
    *card_faults(slot->card) = changed;
    return slot_status(rig, slot);
}

static json_t *dispatch(struct rig *rig, const char *line, size_t length, bool *later, char *error,
                        size_t error_size)
{
    static const struct {
        const char *name;
        command_function *function;
    } commands[] = {{"status", status}, {"insert", insert}, {"remove", remove_}, {"swap", swap},
                    {"fault", fault},   {"plug", plug},     {"unplug", unplug},  {"service", service}};

    json_error_t bad;
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &bad);
    if (!request) {
        snprintf(error, error_size, "not JSON: column %d: %s", bad.column, bad.text);
        return NULL;
    }
    json_t *result = NULL;
    const char *name;
    struct arguments arguments = {.later = later};
    if (json_unpack_ex(request, &bad, JSON_STRICT, "{s:s, s?s, s?s, s?o, s?s}", "command", &name, "slot",
                       &arguments.slot, "file", &arguments.file, "faults", &arguments.faults, "action",
                       &arguments.action) != 0) {
        snprintf(
            error, error_size,
            "%s: expected {\"command\": NAME} and optionally \"slot\", \"file\", \"faults\" and \"action\"",
            bad.text);
        goto out;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0) {
            result = commands[i].function(rig, &arguments, error, error_size);
            goto out;
        }
    snprintf(error, error_size,
             "unknown command '%.40s': expected status, insert, remove, swap, fault, plug, unplug or service",
             name);
out:
    json_decref(request);
    return result;
}

/* The line of an answer, with result, which is freed, or if that is NULL with error. */
static char *answer_line(json_t *result, char *error)
{
    json_t *answer = result ? json_pack("{s:b, s:o}", "ok", 1, "result", result) : NULL;
    if (!result) {
        answer = json_pack("{s:b, s:s}", "ok", 0, "error", error);
        if (!answer) {
            make_ascii(error);
            answer = json_pack("{s:b, s:s}", "ok", 0, "error", error);
        }
    }
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    if (!text)
        return NULL;
    size_t size = strlen(text);
    char *grown = realloc(text, size + 2);
    if (!grown) {
        free(text);
        return NULL;
    }
    memcpy(grown + size, "\n", 2);
    return grown;
}

char *control_answer(struct rig *rig, const char *line, size_t length, bool *later)
{
    char error[1024] = "out of memory";
    *later = false;
    json_t *result = dispatch(rig, line, length, later, error, sizeof error);
    return *later ? NULL : answer_line(result, error);
}

char *control_late_answer(struct rig *rig, const char *error)
{
    char text[1024] = "out of memory";
    if (error)
        snprintf(text, sizeof text, "%s", error);
    return answer_line(error ? NULL : rig_status(rig), text);
}
