/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands for files of records: ISO/IEC 7816-4:2013, 11.3. */
#include "file_access.h"

#define INS_READ   0xB2
#define BY_NUMBER  0x04u /* P2: P1 is the number of the record */
#define NUMBER_MAX 254u  /* FF is reserved */

static const uint8_t change_ins[] = {
    [FILE_UPDATE] = 0xDC, [FILE_WRITE] = 0xD2, [FILE_ERASE] = 0x0C, [FILE_APPEND] = 0xE2};

size_t file_record_room(const struct file_call *c)
{
    return c->f->options.read_max > FILE_SHORT_MAX ? c->f->options.read_max : FILE_SHORT_MAX;
}

/* P1-P2. */
static unsigned reference(struct file_call *c, const struct open_file *file, uint32_t number)
{
    return (number + 1) << 8 | file_record_p2(c, file) | BY_NUMBER;
}

/* The length to ask for. In T=0, a card that was asked for another one answers 6CXX. */
static size_t expected_length(const struct file_call *c, const struct open_file *file)
{
    size_t room = file_record_room(c), record = file->fcp.record_max;
    bool has_one_length = file->fcp.structure == FCP_FIXED || file->fcp.structure == FCP_CYCLIC;
    return has_one_length && record > 0 && record <= room ? record : room;
}

scardmanage_result file_read_record(struct file_call *c, const struct open_file *file, uint32_t number,
                                    uint8_t *out, size_t *length)
{
    struct file_answer answer = {.data = out};
    *length = 0;
    if (number >= NUMBER_MAX)
        return SCARDMANAGE_W_EOF;
    struct command command =
        file_command(c, INS_READ, reference(c, file, number), NULL, 0, expected_length(c, file));
    scardmanage_result result = file_send(c, &command, &answer);
    if (result != SCARDMANAGE_S_OK)
        return result;
    *length = answer.length;
    if (answer.status_word == 0x6282) /* the record ends before Ne bytes */
        return SCARDMANAGE_S_OK;
    return status_word_result(answer.status_word, STATUS_OF_READ);
}

scardmanage_result file_change_record(struct file_call *c, enum file_change change,
                                      const struct open_file *file, uint32_t number, const uint8_t *data,
                                      size_t length)
{
    if (change != FILE_APPEND && number >= NUMBER_MAX)
        return SCARDMANAGE_E_BAD_SEEK;
    unsigned p1p2 = change == FILE_APPEND ? file_record_p2(c, file) : reference(c, file, number);
    struct command command = file_command(c, change_ins[change], p1p2, data, length, 0);
    return file_send_change(c, &command);
}
