/* The kernel's own price for one connection per message: accept4, read, write, close, in one blocking
 * thread. No log, no framing, no short read or write seen: not a server, a baseline.
 *
 * With any argument the echo waits for the close, and both go out in one packet. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void check(int result, const char *call) {
    if (result < 0) {
        perror(call);
        exit(1);
    }
}

static int setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set\n", name);
        exit(2);
    }
    return atoi(value);
}

int main(int count_of_arguments, char **arguments) {
    (void)arguments;
    int flags = MSG_NOSIGNAL | (count_of_arguments > 1 ? MSG_MORE : 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(setting("SERVER_PORT")),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(listener, "socket");
    check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), "setsockopt");
    check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listener, setting("SERVER_LISTEN_BACKLOG")), "listen");
    for (;;) {
        static char buffer[64 * 1024];
        int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0)
            continue;
        ssize_t count = read(peer, buffer, sizeof buffer);
        /* A peer that has gone already is not our concern. */
        if (count > 0 && send(peer, buffer, count, flags) < 0) {
        }
        close(peer);
    }
}
