/* SPDX-License-Identifier: MIT */
#include "postgres_mock.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

size_t postgres_mock_message(char *buffer, size_t length, char type, const void *body, size_t body_length) {
    uint32_t size = htonl((uint32_t)body_length + 4);
    buffer[length] = type;
    memcpy(buffer + length + 1, &size, 4);
    memcpy(buffer + length + 5, body, body_length);
    return length + 5 + body_length;
}

static size_t parameter(char *buffer, size_t length, const char *name, const char *value) {
    char body[64];
    int size = snprintf(body, sizeof body, "%s%c%s", name, 0, value);
    return postgres_mock_message(buffer, length, 'S', body, (size_t)size + 1);
}

static size_t login(const postgres_mock *mock, char *buffer) {
    char fatal[64];
    if (mock->refusal) {
        int size = snprintf(fatal, sizeof fatal, "SFATAL%cVFATAL%cC%s%cMno%c", 0, 0, mock->refusal, 0, 0);
        return postgres_mock_message(buffer, 0, 'E', fatal, (size_t)size + 1);
    }
    size_t length = postgres_mock_message(buffer, 0, 'R', "\0\0\0\0", 4);
    length = parameter(buffer, length, "server_version", "15.0");
    length = parameter(buffer, length, "in_hot_standby", mock->standby ? "on" : "off");
    length = parameter(buffer, length, "default_transaction_read_only", "off");
    length = postgres_mock_message(buffer, length, 'K', "\0\0\0\1\0\0\0\2", 8);
    return postgres_mock_message(buffer, length, 'Z', "I", 1);
}

/* Whether `fd` can be read before the test wants the mock to end. */
static bool readable(const postgres_mock *mock, int fd) {
    struct pollfd wait[2] = {
        {.fd = fd,            .events = POLLIN},
        {.fd = mock->stop[0], .events = POLLIN}
    };
    while (poll(wait, 2, -1) < 0)
        continue;
    return wait[1].revents == 0;
}

static bool writable(const postgres_mock *mock, int fd) {
    struct pollfd wait[2] = {
        {.fd = fd,            .events = POLLOUT},
        {.fd = mock->stop[0], .events = POLLIN }
    };
    while (poll(wait, 2, -1) < 0)
        continue;
    return wait[1].revents == 0;
}

static void serve(const postgres_mock *mock, int client) {
    char buffer[512];
    if (!readable(mock, client) || recv(client, buffer, sizeof buffer, 0) <= 0)
        return;
    size_t length = login(mock, buffer);
    if (send(client, buffer, length, MSG_NOSIGNAL) < 0 || mock->refusal)
        return;
    bool again = mock->said_length > 0 && readable(mock, client) && recv(client, buffer, sizeof buffer, 0) > 0;
    while (again && writable(mock, client))
        again = send(client, mock->said, mock->said_length, MSG_NOSIGNAL) > 0 && mock->for_ever;
    while (readable(mock, client) && recv(client, buffer, sizeof buffer, 0) > 0)
        continue;
}

static void *run(void *arg) {
    const postgres_mock *mock = arg;
    while (!mock->silent && readable(mock, mock->listener)) {
        int client = accept(mock->listener, NULL, NULL);
        if (client >= 0)
            serve(mock, client);
        close(client);
    }
    return NULL;
}

bool postgres_mock_start(postgres_mock *mock) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    mock->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(mock->listener, (struct sockaddr *)&address, length) != 0 || listen(mock->listener, 8) != 0 ||
        getsockname(mock->listener, (struct sockaddr *)&address, &length) != 0 || pipe(mock->stop) != 0)
        return false;
    snprintf(mock->port, sizeof mock->port, "%u", ntohs(address.sin_port));
    return pthread_create(&mock->thread, NULL, run, mock) == 0;
}

void postgres_mock_stop(postgres_mock *mock) {
    close(mock->stop[1]);
    pthread_join(mock->thread, NULL);
    close(mock->stop[0]);
    close(mock->listener);
}
