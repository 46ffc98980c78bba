/* The kernel's own price for one message: socket, connect, write, read, close, each of them blocking.
 * No log, no short read or write, no second try: not a client, a baseline. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    const char *amount = getenv("CLI_LOOP_AMOUNT"), *server = getenv("CLI_SERVER_ADDRESS");
    const char *colon = server ? strrchr(server, ':') : NULL;
    if (amount == NULL || colon == NULL) {
        fputs("CLI_LOOP_AMOUNT and CLI_SERVER_ADDRESS are needed\n", stderr);
        return 2;
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(atoi(colon + 1)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    for (int number = 1; number <= atoi(amount); number++) {
        char message[64], echo[64];
        int length = snprintf(message, sizeof message, "[CLIENT 1] Message N°%d\n", number);
        int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(stream, (struct sockaddr *)&address, sizeof address) < 0 ||
            write(stream, message, length) != length || read(stream, echo, sizeof echo) != length ||
            memcmp(message, echo, length) != 0) {
            perror("message");
            return 1;
        }
        close(stream);
    }
}
