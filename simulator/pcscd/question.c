/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcscd/question.h"

#include "base/unix_socket.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

/* SCardEstablishContext, as libpcsclite sends it (pcsc-lite, winscard_msg.h: rxHeader, establish_struct).
 * pcscd releases the context when the connection closes. */
struct establish {
    uint32_t size, command;
    struct {
        uint32_t scope, context, result;
    } body;
};

#define ESTABLISH_CONTEXT 1

void question_ask(struct question *question, const char *path)
{
    struct sockaddr_un address;
    const struct establish request = {.size = sizeof request.body, .command = ESTABLISH_CONTEXT};
    question->state = QUESTION_OPEN;
    question->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (question->fd >= 0 && unix_address(&address, path) &&
        connect(question->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(question->fd, &request, sizeof request, MSG_NOSIGNAL) == sizeof request)
        return;
    question->state = QUESTION_REFUSED; /* pcscd may have died already */
    question_end(question);
}

void question_step(struct question *question)
{
    struct establish answer;
    ssize_t got = recv(question->fd, &answer.body, sizeof answer.body, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    question->state = got > 0 ? QUESTION_ANSWERED : QUESTION_REFUSED;
    question_end(question);
}

void question_end(struct question *question)
{
    if (question->fd >= 0)
        close(question->fd);
    question->fd = -1;
}
