/* How many connections a second so many threads can accept, when they do nothing else:
 *
 *     accept one|each CONNECTIONS PROCESSOR...
 *
 * from one queue that they share, or from a queue each (SO_REUSEPORT), which hold the connections before
 * the first thread begins: a thread on each PROCESSOR, 1 to 64 of them. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define MOST 64

static struct worker {
    pthread_t thread;
    int listener, cpu, accepted;
    double begin, end;
} workers[MOST];

static pthread_barrier_t start;

static void check(int result, const char *call) {
    if (result < 0) {
        perror(call);
        exit(1);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void *accept_all(void *argument) {
    struct worker *worker = argument;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(worker->cpu, &cpus);
    check(sched_setaffinity(0, sizeof cpus, &cpus), "sched_setaffinity");
    pthread_barrier_wait(&start);
    worker->begin = now();
    while (accept4(worker->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) >= 0)
        worker->accepted++;
    if (errno != EAGAIN)
        check(-1, "accept4");
    worker->end = now();
    return NULL;
}

int main(int words, char **word) {
    int threads = words - 3, connections = words > 2 ? atoi(word[2]) : 0;
    if (threads < 1 || threads > MOST || connections < 1) {
        fputs("usage: accept one|each CONNECTIONS PROCESSOR...\n", stderr);
        return 2;
    }
    int each = strcmp(word[1], "each") == 0;
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    /* The table of descriptors grows now and not while it is measured. */
    int highest = fcntl(0, F_DUPFD, 2 * connections + 2 * MOST);
    check(highest, "descriptors");

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    for (int number = 0; number < threads; number++) {
        struct worker *worker = &workers[number];
        worker->cpu = atoi(word[3 + number]);
        worker->listener = workers[0].listener;
        if (number > 0 && !each)
            continue;
        worker->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        check(worker->listener, "socket");
        check(setsockopt(worker->listener, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)), "setsockopt");
        check(bind(worker->listener, (struct sockaddr *)&address, sizeof address), "bind");
        check(listen(worker->listener, connections), "listen");
        check(getsockname(worker->listener, (struct sockaddr *)&address, &length), "getsockname");
    }
    for (int number = 0; number < connections; number++) {
        int stream = socket(AF_INET, SOCK_STREAM, 0);
        check(stream, "socket");
        check(connect(stream, (struct sockaddr *)&address, sizeof address), "connect");
    }

    pthread_barrier_init(&start, NULL, threads);
    for (int number = 0; number < threads; number++)
        if (pthread_create(&workers[number].thread, NULL, accept_all, &workers[number]) != 0)
            check(-1, "pthread_create");
    double begin = 0, end = 0;
    int accepted = 0;
    for (int number = 0; number < threads; number++) {
        struct worker *worker = &workers[number];
        pthread_join(worker->thread, NULL);
        accepted += worker->accepted;
        if (number == 0 || worker->begin < begin)
            begin = worker->begin;
        if (worker->end > end)
            end = worker->end;
    }
    if (accepted != connections) {
        fprintf(stderr, "accepted %d of %d\n", accepted, connections);
        return 1;
    }
    printf("%.1f\n", connections / (end - begin));
}
