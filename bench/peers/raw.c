/*
 * The physical limit: the library's own request bytes on sockets like the library's, every answer received into one
 * reused buffer, and nothing decoded. It reads message headers only, to know where an answer ends.
 *
 *   raw WARMUP REPEATS NETNS:PROTOCOL:REQUEST ...
 *
 * NETNS is the descriptor of a namespace's file, PROTOCOL a netlink protocol's number, REQUEST a netlink message in
 * hexadecimal. All requests, one after the other, are one repeat. Prints the nanoseconds of each repeat on a line of its
 * own; those of the warm-up, which come first, are not printed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { ROOM = 64 * 1024, LONGEST_REQUEST = 4096, MOST_REQUESTS = 32, MOST_NETNS = 16, MOST_PROTOCOLS = 32 };

struct step {
  int fd;
  size_t length;
  uint8_t request[LONGEST_REQUEST] __attribute__((aligned(8)));
};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* With the options that bpf/sock.c sets: they change what the kernel does for a request. */
static int open_socket(int netns, int protocol) {
  static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}, on = 1;
  static const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
  if (setns(netns, CLONE_NEWNET) != 0) err(1, "setns(%d)", netns);
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) err(1, "socket");
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)&any, sizeof any) != 0) err(1, "bind");
  return fd;
}

/* One socket per namespace and protocol, as the library has. */
static int socket_for(unsigned netns, unsigned protocol) {
  static int opened[MOST_NETNS][MOST_PROTOCOLS];
  if (netns >= MOST_NETNS || protocol >= MOST_PROTOCOLS) errx(2, "bad NETNS or PROTOCOL");
  int *fd = &opened[netns][protocol];
  if (*fd == 0) *fd = open_socket((int)netns, (int)protocol);
  return *fd;
}

static void read_step(const char *text, struct step *to) {
  unsigned netns, protocol;
  int begin = 0;
  if (sscanf(text, "%u:%u:%n", &netns, &protocol, &begin) != 2 || begin == 0) errx(2, "bad request %s", text);
  to->fd = socket_for(netns, protocol);
  for (text += begin; text[2 * to->length]; to->length++)
    if (to->length == LONGEST_REQUEST || sscanf(text + 2 * to->length, "%2hhx", &to->request[to->length]) != 1)
      errx(2, "bad REQUEST");
  if (to->length < sizeof(struct nlmsghdr)) errx(2, "REQUEST is shorter than a struct nlmsghdr");
}

/*
 * Whether the datagram ends the answer: a dump by NLMSG_DONE, which may share its datagram with links; else it does.
 * A refusal is an error except as the acknowledgement 0.
 */
static int is_last(const void *datagram, size_t length) {
  for (const struct nlmsghdr *message = datagram; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
    const int *code = NLMSG_DATA(message);
    if (message->nlmsg_type == NLMSG_ERROR && *code != 0) errx(1, "the kernel refused the request: %s", strerror(-*code));
    if (message->nlmsg_type == NLMSG_DONE || !(message->nlmsg_flags & NLM_F_MULTI)) return 1;
  }
  return 0;
}

static void exchange(const struct step *step) {
  static uint8_t buffer[ROOM] __attribute__((aligned(8)));
  static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (sendto(step->fd, step->request, step->length, 0, (const struct sockaddr *)&kernel, sizeof kernel) < 0)
    err(1, "sendto");
  for (;;) {
    ssize_t got = recv(step->fd, buffer, sizeof buffer, MSG_TRUNC);
    if (got < 0) err(1, "recv");
    if ((size_t)got > sizeof buffer) errx(1, "a datagram of %zd bytes", got);
    if (is_last(buffer, (size_t)got)) return;
  }
}

int main(int count, char **arguments) {
  static struct step steps[MOST_REQUESTS];
  if (count < 4 || count - 3 > MOST_REQUESTS) errx(2, "usage: raw WARMUP REPEATS NETNS:PROTOCOL:REQUEST ...");
  int warmup = atoi(arguments[1]), repeats = atoi(arguments[2]), requests = count - 3;
  for (int i = 0; i < requests; i++) read_step(arguments[3 + i], &steps[i]);
  for (int i = -warmup; i < repeats; i++) {
    int64_t begun = now_ns();
    for (int at = 0; at < requests; at++) exchange(&steps[at]);
    int64_t taken = now_ns() - begun;
    if (i >= 0) printf("%lld\n", (long long)taken);
  }
  return 0;
}
