/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/link_worker.h"

#include "base/error.h"
#include "link/link.h"
#include "rig/attribute.h"
#include "rig/log.h"
#include "rig/pin_pad.h"
#include "rig/reader_control.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SEND_LIMIT_MS 1000 /* how long a driver may take to read an answer */

/* A connection and its thread. */
struct worker {
    struct link_workers *workers;
    struct worker *next; /* in the list of workers with a connection; under workers->lock */
    int fd;
    struct slot *slot;
    unsigned plug_count; /* of the reader, at the hello */
    unsigned driver;     /* number of the driver, see slot.h */
    bool power_off;      /* the current request is LINK_POWER_OFF, which has no answer */
    struct slot_use use;
    uint8_t request[LINK_MAX_MESSAGE];
    uint8_t response[LINK_MAX_RESPONSE];
};

struct link_workers {
    struct threads *threads;
    pthread_mutex_t lock;
    struct worker *first;
};

void link_worker_log_bad_request(unsigned type)
{
    rig_log("rig link: a request of type %u that is not as it should be: hung up", type);
}

/*
 * Requests
 */

/* Records the card's time of an operation in the answer, and logs why it failed. Returns status. */
static uint8_t record_time_and_log(const struct slot_use *use, uint8_t status, struct link_message *answer)
{
    answer->value = use->ifd->last_us < UINT32_MAX ? (uint32_t)use->ifd->last_us : UINT32_MAX;
    if (status != LINK_OK)
        slot_use_report(use);
    return status;
}

static uint8_t power(struct worker *worker, uint8_t how, struct link_message *answer)
{
    struct ifd *ifd = worker->use.ifd;
    enum ifd_result result;
    if (how != LINK_POWER_OFF)
        worker->slot->powered_by = worker->driver;
    pin_pad_reset(&worker->use);
    switch (how) {
    case LINK_POWER_COLD:
        result = ifd_power_up(ifd, IFD_COLD);
        break;
    case LINK_POWER_WARM:
        result = ifd_power_up(ifd, IFD_WARM);
        break;
    case LINK_POWER_OFF:
        result = ifd_power_down(ifd);
        break;
    default:
        return LINK_BAD_REQUEST;
    }
    memcpy(worker->response, ifd->atr.raw, ifd->atr.length);
    answer->length = ifd->atr.length;
    uint8_t ready = ifd_ready_protocol(ifd);
    answer->flags = ready == 0 ? LINK_READY_T0 : ready == 1 ? LINK_READY_T1 : 0;
    return reader_link_status(result);
}

static uint8_t transmit(struct worker *worker, const struct link_message *request,
                        struct link_message *answer)
{
    if (request->length > LINK_MAX_COMMAND)
        return LINK_BAD_REQUEST;
    uint8_t protocol = request->arg == LINK_RAW ? IFD_RAW : request->arg;
    return reader_link_status(reader_transmit(&worker->use, protocol, request->data, request->length,
                                              worker->response, &answer->length));
}

/* Returns whether the reader has been unplugged since the driver said hello. */
static bool is_cut_off(const struct worker *worker)
{
    const struct reader *reader = worker->slot->reader;
    return !reader->plugged || reader->plug_count != worker->plug_count;
}

/* Returns whether the request must be ignored: a driver powers the card off when it closes the channel, and
 * does not wait for that. By the time that the request is served, the next driver may have powered the
 * card. */
static bool is_too_late(const struct worker *worker)
{
    return worker->power_off && (int)(worker->slot->powered_by - worker->driver) > 0;
}

/* Carries out a request with the slot's card, and returns the status of the answer. The caller has set
 * answer->data to the response buffer. */
static uint8_t serve(struct worker *worker, const struct link_message *request, struct link_message *answer)
{
    struct slot_use *use = &worker->use;
    bool concerns_card =
        request->type == LINK_POWER || request->type == LINK_PARAMETERS || request->type == LINK_TRANSMIT;
    if (is_cut_off(worker))
        return LINK_UNPLUGGED;
    if (concerns_card && request->event != use->card_event)
        return LINK_REMOVED;
    if (is_too_late(worker))
        return LINK_OK;
    switch (request->type) {
    case LINK_POWER:
        return record_time_and_log(use, power(worker, request->arg, answer), answer);
    case LINK_PARAMETERS:
        return record_time_and_log(use, reader_link_status(ifd_set_protocol(use->ifd, request->arg)), answer);
    case LINK_TRANSMIT:
        return record_time_and_log(use, transmit(worker, request, answer), answer);
    case LINK_CONTROL:
        return reader_control(use, request->event, request->value, request->data, request->length,
                              worker->response, &answer->length);
    case LINK_ATTRIBUTE:
        return attribute_get(use, request->value, worker->response, &answer->length) ? LINK_OK
                                                                                     : LINK_UNSUPPORTED;
    default:
        return LINK_BAD_REQUEST;
    }
}

/* Removes the card, or unplugs the token, because a fault has asked for it or the card has gone by itself.
 * Returns the status of the answer: the given one if nothing was removed. */
static uint8_t remove_card(struct worker *worker, uint8_t status)
{
    struct reader *reader = worker->slot->reader;
    struct error error;
    if (reader->options.token && reader_unplug(worker->slot->slots, reader, &error))
        return LINK_UNPLUGGED;
    return slot_remove_at(worker->slot, worker->use.card_event) ? LINK_REMOVED : status;
}

static bool send_answer(int fd, struct link_message *answer)
{
    if (answer->arg != LINK_OK) {
        answer->length = 0;
        answer->flags = 0;
    }
    return link_send(fd, answer) == 0;
}

/* Takes the connection away from the worker. Returns false if the worker no longer has it. */
static bool take_connection(struct worker *worker)
{
    struct link_workers *workers = worker->workers;
    bool taken = false;
    pthread_mutex_lock(&workers->lock);
    for (struct worker **at = &workers->first; *at; at = &(*at)->next)
        if (*at == worker) {
            *at = worker->next;
            taken = true;
            break;
        }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}

/* Called under the slot's lock when the card is removed during a request. Answers LINK_REMOVED, with the
 * number that the card event will have, and passes the connection to a new thread. */
static void on_removal(struct slot_use *use)
{
    struct worker *worker = (struct worker *)((char *)use - offsetof(struct worker, use));
    struct link_workers *workers = worker->workers;
    struct link_message answer = {
        .type = worker->request[0], .arg = LINK_REMOVED, .event = use->slot->card_event + 1};
    int fd = worker->fd;
    take_connection(worker);
    if (worker->power_off || send_answer(fd, &answer))
        link_workers_add(workers, fd, worker->slot, worker->plug_count, worker->driver);
    else
        close(fd);
}

/* Called under the slot's lock while the reader waits for a person. */
static bool extend(struct slot_use *use)
{
    struct worker *worker = (struct worker *)((char *)use - offsetof(struct worker, use));
    /* a driver that has not read the last ones is stopped, and still there */
    return link_send_if_room(worker->fd, &(struct link_message){.type = LINK_EXTENSION}) == 0 ||
           errno == EAGAIN;
}

/* Carries out and answers a request. Returns false if the connection must be closed, or belongs to another
 * thread now. */
static bool answer_request(struct worker *worker, const struct link_message *request)
{
    struct slot_use *use = &worker->use;
    struct link_message answer = {.type = request->type, .data = worker->response};
    worker->power_off = request->type == LINK_POWER && request->arg == LINK_POWER_OFF;
    slot_use_begin(worker->slot, use);
    answer.arg = serve(worker, request, &answer);
    bool removal = slot_use_wants_removal(use);
    if (!slot_use_end(use))
        return false;
    if (is_cut_off(worker))
        answer.arg = LINK_UNPLUGGED;
    else if (removal)
        answer.arg = remove_card(worker, answer.arg);
    answer.event = worker->slot->card_event;
    bool sent = worker->power_off || send_answer(worker->fd, &answer);
    if (answer.arg == LINK_BAD_REQUEST)
        link_worker_log_bad_request(request->type);
    return sent && answer.arg != LINK_BAD_REQUEST;
}

/*
 * Threads
 */

static void work(void *arg)
{
    struct worker *worker = arg;
    struct link_message request;
    bool more = true;
    while (more && link_await(worker->fd, worker->request, sizeof worker->request, &request) == 0)
        more = answer_request(worker, &request);
    if (more && errno == EPROTO)
        rig_log("rig link: a packet that is no message: hung up");
    if (take_connection(worker))
        close(worker->fd);
    free(worker);
}

/* Makes the socket blocking, with a limit for sending. */
static bool prepare_socket(int fd)
{
    struct timeval limit = {.tv_sec = SEND_LIMIT_MS / 1000, .tv_usec = SEND_LIMIT_MS % 1000 * 1000};
    return fcntl(fd, F_SETFL, 0) == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0;
}

void link_workers_add(struct link_workers *workers, int fd, struct slot *slot, unsigned plug_count,
                      unsigned driver)
{
    struct worker *worker = malloc(sizeof *worker); /* the unused part of its buffers takes no memory */
    if (worker) {
        worker->workers = workers;
        worker->fd = fd;
        worker->slot = slot;
        worker->plug_count = plug_count;
        worker->driver = driver;
        worker->use = (struct slot_use){.on_removal = on_removal, .extend = extend};
        pthread_mutex_lock(&workers->lock);
        worker->next = workers->first;
        workers->first = worker;
        pthread_mutex_unlock(&workers->lock);
        if (prepare_socket(fd) && threads_start(workers->threads, work, worker))
            return;
        take_connection(worker);
        free(worker);
    }
    rig_log("%s: no thread for a driver: hung up: %s", slot_text(slot), strerror(errno));
    close(fd);
}

unsigned link_workers_count(struct link_workers *workers)
{
    unsigned count = 0;
    pthread_mutex_lock(&workers->lock);
    for (const struct worker *worker = workers->first; worker; worker = worker->next)
        count++;
    pthread_mutex_unlock(&workers->lock);
    return count;
}

void link_workers_hang_up(struct link_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    for (struct worker *worker = workers->first; worker; worker = worker->next)
        shutdown(worker->fd, SHUT_RDWR);
    pthread_mutex_unlock(&workers->lock);
}

struct link_workers *link_workers_new(struct threads *threads)
{
    struct link_workers *workers = calloc(1, sizeof *workers);
    if (workers) {
        workers->threads = threads;
        pthread_mutex_init(&workers->lock, NULL);
    }
    return workers;
}

void link_workers_free(struct link_workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
