/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct service {
    struct loop *loop;
    int lifeline;
    struct service_host host;
    enum service_state state;
    char note[sizeof((struct lifeline_message *)0)->text];
    uint8_t start;        /* the number of the latest start of pcscd */
    bool reported_ready;  /* LIFELINE_READY was sent since then */
    bool reported_random; /* LIFELINE_DRAWN was sent */
    bool requested;       /* a request is not answered yet */
};

static void send_lifeline(struct service *service, enum lifeline_type type, uint8_t value)
{
    struct lifeline_message message = {.type = (uint8_t)type, .value = value, .start = service->start};
    lifeline_send(service->lifeline, &message); /* fails if the supervisor has died, which ends the loop */
}

void service_driver_ready(struct service *service)
{
    if (service->reported_ready || !service->host.ready(service->host.arg))
        return;
    service->reported_ready = true;
    send_lifeline(service, LIFELINE_READY, 0);
}

static void take_state(struct service *service, const struct lifeline_message *message)
{
    service->state = message->value <= SERVICE_DOWN ? (enum service_state)message->value : SERVICE_DOWN;
    memcpy(service->note, message->text, sizeof service->note);
    if (service->state != SERVICE_STARTING)
        return;
    service->start = message->start;
    service->reported_ready = false;
    service->host.starting(service->host.arg);
    service_driver_ready(service); /* there may be no plugged reader to wait for */
}

/* Handles one message. Returns false if there is none, or if the supervisor has died. */
static bool take_message(struct service *service)
{
    struct lifeline_message message;
    int got = lifeline_receive(service->lifeline, &message);
    if (got < 0)
        return false;
    if (got == 0 || message.type == LIFELINE_END)
        loop_stop(service->loop);
    else if (message.type == LIFELINE_STATE)
        take_state(service, &message);
    else if (message.type == LIFELINE_ANSWER && service->requested) {
        service->requested = false;
        service->host.answered(service->host.arg, message.text[0] ? message.text : NULL);
    }
    return got > 0;
}

static void on_message(void *arg, uint32_t events)
{
    (void)events;
    take_message(arg);
}

void service_driver_connecting(struct service *service)
{
    while (take_message(service))
        ;
}

struct service *service_new(struct loop *loop, int lifeline, const struct service_host *host)
{
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        return NULL;
    service->loop = loop;
    service->lifeline = lifeline;
    service->host = *host;
    if (!loop_add(loop, lifeline, EPOLLIN, on_message, service)) {
        free(service);
        return NULL;
    }
    send_lifeline(service, LIFELINE_SERVING, 0);
    return service;
}

void service_free(struct service *service)
{
    if (!service)
        return;
    loop_remove(service->loop, service->lifeline);
    free(service);
}

void service_random_drawn(struct service *service)
{
    if (!service->reported_random)
        send_lifeline(service, LIFELINE_DRAWN, 0);
    service->reported_random = true;
}

bool service_request(struct service *service, enum service_action action, struct error *error)
{
    if (service->requested)
        return error_set(error, "an earlier 'cardrig service' is not done yet");
    service->requested = true;
    send_lifeline(service, LIFELINE_REQUEST, (uint8_t)action);
    return true;
}

enum service_state service_state(const struct service *service)
{
    return service->state;
}

const char *service_note(const struct service *service)
{
    return service->note;
}
