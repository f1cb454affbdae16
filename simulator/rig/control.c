#include "rig/control.h"

#include "iso7816/hex.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *slot; /* NULL: not given */
    const char *file;
};

/* Each command returns its answer's object, or NULL with error. */
typedef json_t *command_function(struct rig *rig, const struct arguments *arguments, char *error,
                                 size_t error_size);

static json_t *card_status(const struct slot *slot)
{
    const struct ifd *ifd = &slot->ifd;
    char atr[3 * ATR_MAX + 1] = "";
    hex_encode(ifd->atr.raw, ifd->atr.len, atr, sizeof atr, ' ');
    json_t *card = json_pack("{s:s, s:b, s:s?, s:s?, s:I, s:{s:I, s:I, s:I}, s:I}", /**/
                             "name", card_name(slot->card),                         /**/
                             "powered", ifd->powered,                               /**/
                             "atr", ifd->powered ? atr : NULL,                      /**/
                             "file", slot->file,                                    /**/
                             "commands", (json_int_t)ifd->counters.commands,        /**/
                             "resets", "cold", (json_int_t)ifd->counters.cold,      /**/
                             "warm", (json_int_t)ifd->counters.warm,                /**/
                             "off", (json_int_t)ifd->counters.off,                  /**/
                             "protocols_set", (json_int_t)ifd->counters.parameters);
    if (card)
        json_object_set_new(card, "protocol",
                            ifd->protocol == IFD_NO_PROTOCOL ? json_null()
                                                             : json_sprintf("T=%u", ifd->protocol));
    return card;
}

static json_t *slot_status(struct rig *rig, const struct slot *slot)
{
    char text[160], pcsc_name[160];
    return json_pack("{s:i, s:s, s:s, s:b, s:o}",                                    /**/
                     "number", slot_index(rig_slots_of(rig), slot),                  /**/
                     "slot", slot_text(slot, text, sizeof text),                     /**/
                     "pcsc_name", slot_pcsc_name(slot, pcsc_name, sizeof pcsc_name), /**/
                     "driver_connected", rig_driver_connected(rig, slot),            /**/
                     "card", slot->card ? card_status(slot) : json_null());
}

static json_t *status(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size)
{
    if (arguments->slot || arguments->file) {
        snprintf(error, error_size, "status takes neither slot nor file");
        return NULL;
    }
    struct slots *slots = rig_slots_of(rig);
    json_t *list = json_array();
    for (unsigned i = 0; i < slots->slot_count; i++)
        json_array_append_new(list, slot_status(rig, &slots->slot[i]));
    return json_pack("{s:I, s:o}", "seed", (json_int_t)rig_seed(rig), "slots", list);
}

/* The commands that move a card answer with the slot as it is then. */
static json_t *move(struct rig *rig, const struct arguments *arguments, char *error, size_t error_size,
                    bool (*how)(struct slots *, struct slot *, const char *, char *, size_t))
{
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

static json_t *dispatch(struct rig *rig, const char *line, size_t length, char *error, size_t error_size)
{
    static const struct {
        const char *name;
        command_function *function;
    } commands[] = {{"status", status}, {"insert", insert}, {"remove", remove_}, {"swap", swap}};

    json_error_t bad;
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &bad);
    if (!request) {
        snprintf(error, error_size, "not JSON: column %d: %s", bad.column, bad.text);
        return NULL;
    }
    json_t *result = NULL;
    const char *name;
    struct arguments arguments = {0};
    if (json_unpack_ex(request, &bad, JSON_STRICT, "{s:s, s?s, s?s}", "command", &name, "slot",
                       &arguments.slot, "file", &arguments.file) != 0) {
        snprintf(error, error_size,
                 "%s: expected {\"command\": NAME} and optionally \"slot\" and \"file\", all strings",
                 bad.text);
        goto out;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0) {
            result = commands[i].function(rig, &arguments, error, error_size);
            goto out;
        }
    snprintf(error, error_size, "unknown command '%.40s': expected status, insert, remove or swap", name);
out:
    json_decref(request);
    return result;
}

/* An error's text may hold bytes of a file that are no UTF-8, which JSON cannot. */
static void make_ascii(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7F)
            *text = '?';
}

char *control_answer(struct rig *rig, const char *line, size_t length)
{
    char error[1024] = "out of memory";
    json_t *result = dispatch(rig, line, length, error, sizeof error);
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
