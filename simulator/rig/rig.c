/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/rig.h"

#include "base/threads.h"
#include "icc/pcsc_client.h"
#include "link/link.h"
#include "rig/control_server.h"
#include "rig/directory.h"
#include "rig/link_server.h"
#include "rig/log.h"
#include "rig/loop.h"
#include "rig/refusals.h"
#include "rig/service.h"
#include "rig/vpcd_card.h"
#include "rig/vpcd_reader.h"

#include <errno.h>
#include <stdatomic.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long to wait at the end for the threads whose cards have been interrupted. They end at once, except a
 * thread in a function of Lua's libraries that runs for long. */
#define THREADS_LIMIT_MS 300

struct rig {
    char directory[DIRECTORY_MAX];
    char usb_folder[DIRECTORY_MAX + 4];
    int lock; /* from directory_new, or -1 for a rig at a place */
    uint64_t seed;
    atomic_bool random_drawn;
    struct loop_call tell_of_random;
    struct loop_call pin_pad_asks; /* posted when a PIN pad asks for a PIN */
    uint64_t service_ticket;       /* of the client that has requested an action with pcscd */
    rig_service_done *service_done;
    bool stuck; /* a thread has not ended: what it may use must not be freed */
    struct slots slots;
    const struct access_list *driver_users; /* NULL: only root and our own user may connect */
    int link_fd, refusals_fd, control_fd;   /* -1 if there is none, or if another module owns it now */
    int lifeline;                           /* connection to the supervisor, not owned; -1: none */
    /* only while the rig serves, unless noted */
    struct threads threads;
    struct loop *loop;
    struct link_server *link;
    struct refusals *refusals;
    struct control_server *control;
    struct service *service;           /* NULL: pcscd is not ours */
    struct vpcd_offers *vpcd;          /* NULL: none; also before the rig serves */
    struct vpcd_readers *vpcd_readers; /* NULL: none; also before the rig serves */
};

static void log_line(void *arg, const char *line)
{
    (void)arg;
    rig_log("%s", line);
}

static void tell_service_of_random(void *arg)
{
    struct rig *rig = arg;
    if (rig->service)
        service_random_drawn(rig->service);
}

static void random_drawn(void *arg)
{
    struct rig *rig = arg;
    if (!atomic_exchange(&rig->random_drawn, true) && rig->loop)
        loop_post(rig->loop, &rig->tell_of_random);
}

static void on_card_event(void *arg, struct slot *slot)
{
    struct rig *rig = arg;
    if (rig->link)
        link_server_on_card_event(rig->link, slot);
    if (rig->vpcd)
        vpcd_offers_on_card_event(rig->vpcd, slot);
    if (rig->vpcd_readers)
        vpcd_readers_on_card_event(rig->vpcd_readers, slot);
}

/* In the loop: tries the requests again that wait for a PIN pad. */
static void try_waiting(void *arg)
{
    struct rig *rig = arg;
    if (rig->control)
        control_server_retry(rig->control);
}

static void on_pin_pad(void *arg)
{
    struct rig *rig = arg;
    if (rig->loop)
        loop_post(rig->loop, &rig->pin_pad_asks);
}

static const char *socket_path(const struct rig *rig, const char *name, char path[DIRECTORY_MAX + 16])
{
    snprintf(path, DIRECTORY_MAX + 16, "%s/%s", rig->directory, name);
    return path;
}

static int listen_at(const struct rig *rig, const char *name, int type)
{
    char path[DIRECTORY_MAX + 16];
    return link_listen(socket_path(rig, name, path), type, 0600);
}

static bool start_thread(void *arg, void (*work)(void *work_arg), void *work_arg)
{
    struct rig *rig = arg;
    return threads_start(&rig->threads, work, work_arg);
}

/* Makes a rig without a directory and sockets. Returns NULL and sets *error if there is no memory. */
static struct rig *rig_bare(uint64_t seed, struct error *error)
{
    struct rig *rig = calloc(1, sizeof *rig);
    if (!rig) {
        error_set(error, "out of memory");
        return NULL;
    }
    rig->seed = seed;
    rig->link_fd = rig->refusals_fd = rig->control_fd = rig->lifeline = rig->lock = -1;
    threads_init(&rig->threads);
    rig->pin_pad_asks = (struct loop_call){.function = try_waiting, .arg = rig};
    rig->tell_of_random = (struct loop_call){.function = tell_service_of_random, .arg = rig};
    slots_init(&rig->slots, seed);
    rig->slots.arg = rig;
    rig->slots.log = log_line;
    rig->slots.random_drawn = random_drawn;
    rig->slots.on_card_event = on_card_event;
    rig->slots.on_pin_pad = on_pin_pad;
    rig->slots.start = start_thread;
    return rig;
}

/* Lets the users of drivers open the link, and listens for reports of drivers that cannot. */
static bool open_link(struct rig *rig, struct error *error)
{
    char path[DIRECTORY_MAX + 16];
    socket_path(rig, "link", path);
    if ((rig->refusals_fd = link_listen_for_refusals(path)) < 0)
        return error_set(error, "cannot listen in %s: %s", rig->directory, strerror(errno));
    if (access_grant(rig->driver_users, path))
        return true;
    rig_log("%s: no ACL can be set (%s): every user can connect, and others are refused only then", path,
            strerror(errno));
    if (access_grant_all(path))
        return true;
    return error_set(error, "cannot change the mode of %s: %s", path, strerror(errno));
}

/* Opens the control socket and, if link is true, the link. */
static bool open_sockets(struct rig *rig, bool link, struct error *error)
{
    if (link)
        rig->link_fd = listen_at(rig, "link", SOCK_SEQPACKET);
    rig->control_fd = listen_at(rig, "control", SOCK_STREAM);
    if ((rig->link_fd >= 0 || !link) && rig->control_fd >= 0)
        return true;
    return error_set(error, "cannot listen in %s: %s", rig->directory, strerror(errno));
}

struct rig *rig_new(uint64_t seed, struct error *error)
{
    struct rig *rig = rig_bare(seed, error);
    if (!rig)
        return NULL;
    rig->lock = directory_new(rig->directory, error);
    if (rig->lock < 0) {
        rig_free(rig);
        return NULL;
    }
    snprintf(rig->usb_folder, sizeof rig->usb_folder, "%s/usb", rig->directory);
    rig->slots.usb_folder = rig->usb_folder;
    if (!open_sockets(rig, true, error)) {
        directory_remove(rig->directory);
        rig_free(rig);
        return NULL;
    }
    return rig;
}

struct rig *rig_new_at(const struct rig_place *place, uint64_t seed, struct error *error)
{
    struct rig *rig = rig_bare(seed, error);
    if (!rig)
        return NULL;
    snprintf(rig->directory, sizeof rig->directory, "%s", place->directory);
    rig->driver_users = place->driver_users;
    if (open_sockets(rig, place->link, error) && (!place->link || open_link(rig, error)))
        return rig;
    rig_free(rig);
    return NULL;
}

static void close_sockets(struct rig *rig)
{
    if (rig->link_fd >= 0)
        close(rig->link_fd);
    if (rig->control_fd >= 0)
        close(rig->control_fd);
    if (rig->refusals_fd >= 0)
        close(rig->refusals_fd);
    rig->link_fd = rig->refusals_fd = rig->control_fd = -1;
}

bool rig_free(struct rig *rig)
{
    if (!rig)
        return true;
    slots_interrupt(&rig->slots);
    rig->stuck = rig->stuck || !threads_wait(&rig->threads, THREADS_LIMIT_MS);
    vpcd_readers_free(rig->vpcd_readers);
    close_sockets(rig);
    if (rig->stuck) {
        trace_flush(rig->slots.trace);
        return false;
    }
    vpcd_offers_free(rig->vpcd);
    slots_free(&rig->slots);
    if (rig->lock >= 0)
        close(rig->lock);
    free(rig);
    return pcsc_clients_await(THREADS_LIMIT_MS);
}

void rig_leave(struct rig *rig)
{
    close_sockets(rig);
    vpcd_readers_free(rig->vpcd_readers);
    rig->vpcd_readers = NULL;
    slots_leave(&rig->slots);
}

const char *rig_directory(const struct rig *rig)
{
    return rig->directory;
}

uint64_t rig_seed(const struct rig *rig)
{
    return rig->seed;
}

struct slots *rig_slots_of(struct rig *rig)
{
    return &rig->slots;
}

bool rig_driver_connected(const struct rig *rig, const struct slot *slot, bool *ready)
{
    struct address address;
    bool listens;
    *ready = false;
    return (rig->link && link_server_is_connected(rig->link, slot, ready)) ||
           (rig->vpcd && vpcd_offers_address(rig->vpcd, slot, &address, &listens));
}

bool rig_listen_for_vpcd(struct rig *rig, struct error *error)
{
    return (rig->vpcd_readers = vpcd_readers_new(&rig->slots, error)) != NULL;
}

bool rig_set_vpcd(struct rig *rig, const struct address *address, bool listen, struct error *error)
{
    return (rig->vpcd = vpcd_offers_new(&rig->slots, address, listen, error)) != NULL;
}

bool rig_vpcd_card(const struct rig *rig, const struct slot *slot, struct address *address, bool *listens)
{
    if (rig->vpcd)
        vpcd_offers_address(rig->vpcd, slot, address, listens);
    return rig->vpcd != NULL;
}

void rig_set_lifeline(struct rig *rig, int lifeline)
{
    rig->lifeline = lifeline;
}

bool rig_has_service(const struct rig *rig, enum service_state *state, const char **note)
{
    if (rig->service) {
        *state = service_state(rig->service);
        *note = service_note(rig->service);
    }
    return rig->service != NULL;
}

bool rig_service(struct rig *rig, enum service_action action, uint64_t ticket, rig_service_done *done,
                 struct error *error)
{
    if (rig->service && service_request(rig->service, action, error)) {
        rig->service_ticket = ticket;
        rig->service_done = done;
        return true;
    }
    if (rig->service)
        return false;
    return error_set(
        error, "this rig has no pcscd of its own: 'cardrig serve' is for one that others start and stop");
}

bool rig_start(struct rig *rig, void (*work)(void *arg), void *arg)
{
    return rig->loop && start_thread(rig, work, arg);
}

void rig_post(struct rig *rig, struct loop_call *call)
{
    loop_post(rig->loop, call);
}

void rig_answer(struct rig *rig, uint64_t ticket, char *answer)
{
    control_server_answer(rig->control, ticket, answer);
}

static void service_starting(void *arg)
{
    struct rig *rig = arg;
    link_server_forget(rig->link);
}

static bool all_ready(void *arg)
{
    struct rig *rig = arg;
    return link_server_all_ready(rig->link);
}

static void service_answered(void *arg, const char *error)
{
    struct rig *rig = arg;
    rig->service_done(rig, rig->service_ticket, error);
}

static void driver_connecting(void *arg)
{
    struct rig *rig = arg;
    if (rig->service)
        service_driver_connecting(rig->service);
}

static void driver_ready(void *arg)
{
    struct rig *rig = arg;
    if (rig->service)
        service_driver_ready(rig->service);
}

static bool start_service(struct rig *rig)
{
    const struct service_host host = {rig, service_starting, all_ready, service_answered};
    if (rig->lifeline < 0)
        return true;
    rig->service = service_new(rig->loop, rig->lifeline, &host);
    if (rig->service && rig->random_drawn)
        service_random_drawn(rig->service);
    return rig->service != NULL;
}

static void on_stop(void *arg, uint32_t events)
{
    (void)events;
    loop_stop(arg);
}

/* Passes on the ownership of a listening socket. */
static int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* Limits the arenas of glibc. By default, each thread allocates from its own arena, which returns little
 * memory to the system. With a thread for each connection, and for each card that loads, that adds up. */
static void share_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 131072); /* memory that is allocated and freed with a card */
#endif
}

static void end_threads(struct rig *rig)
{
    link_server_stop(rig->link);
    if (rig->vpcd)
        vpcd_offers_stop(rig->vpcd);
    slots_interrupt(&rig->slots);
    rig->stuck = !threads_wait(&rig->threads, THREADS_LIMIT_MS);
    if (rig->loop)
        loop_make_posted_calls(rig->loop);
}

/* Frees all that serves the rig. What a stuck thread may use stays. */
static void end_service(struct rig *rig)
{
    end_threads(rig);
    service_free(rig->service);
    vpcd_readers_free(rig->vpcd_readers);
    control_server_free(rig->control);
    refusals_free(rig->refusals);
    rig->service = NULL;
    rig->vpcd_readers = NULL;
    rig->control = NULL;
    rig->refusals = NULL;
    if (rig->stuck)
        return;
    link_server_free(rig->link);
    loop_free(rig->loop);
    rig->link = NULL;
    rig->loop = NULL;
}

bool rig_serve(struct rig *rig, control_function *answer, int stop_fd)
{
    share_memory();
    const struct link_host link_host = {rig, driver_connecting, driver_ready};
    bool ok =
        (rig->loop = loop_new()) != NULL &&
        (rig->link_fd < 0 ||
         (rig->link = link_server_new(rig->loop, take_fd(&rig->link_fd), &rig->slots, rig->driver_users,
                                      &rig->threads, &link_host)) != NULL) &&
        (rig->refusals_fd < 0 ||
         (rig->refusals = refusals_new(rig->loop, take_fd(&rig->refusals_fd), rig->driver_users)) != NULL) &&
        (rig->control = control_server_new(rig->loop, take_fd(&rig->control_fd), answer, rig)) != NULL &&
        (!rig->vpcd_readers || vpcd_readers_start(rig->vpcd_readers, rig->loop)) && start_service(rig) &&
        (stop_fd < 0 || loop_add(rig->loop, stop_fd, EPOLLIN, on_stop, rig->loop));
    if (ok && rig->vpcd)
        vpcd_offers_start(rig->vpcd, &rig->threads);
    ok = ok && loop_run(rig->loop);
    if (!ok)
        rig_log("the simulator's event loop failed: %s", strerror(errno));
    end_service(rig);
    return ok;
}
