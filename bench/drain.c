/*
 * The physical limit: the library's own request bytes on a socket like the library's, every answer received into one
 * reused buffer, and nothing decoded. It reads message headers only, to know where an answer ends.
 *
 *   drain NETNS REPEATS WARMUP REQUEST
 *
 * NETNS is a namespace's file, REQUEST a netlink message in hexadecimal. Prints the nanoseconds of each repeat on a
 * line of its own; those of the warm-up, which come first, are not printed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 64 * 1024, LONGEST_REQUEST = 4096 };

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void enter(const char *netns) {
  int fd = open(netns, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) err(1, "%s", netns);
  close(fd);
}

/* With the options that bpf/sock.c sets: they change what the kernel does for a request. */
static int open_socket(void) {
  static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}, on = 1;
  static const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) err(1, "socket");
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)&any, sizeof any) != 0) err(1, "bind");
  return fd;
}

static size_t read_hex(const char *text, uint8_t *to) {
  size_t length = 0;
  for (; text[2 * length]; length++)
    if (length == LONGEST_REQUEST || sscanf(text + 2 * length, "%2hhx", &to[length]) != 1) errx(2, "bad REQUEST");
  if (length < sizeof(struct nlmsghdr)) errx(2, "REQUEST is shorter than a struct nlmsghdr");
  return length;
}

/* Whether the datagram ends the answer: a dump by NLMSG_DONE, which may share its datagram with links; else it does. */
static int is_last(const void *datagram, size_t length) {
  for (const struct nlmsghdr *message = datagram; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
    if (message->nlmsg_type == NLMSG_ERROR) errx(1, "the kernel refused the request");
    if (message->nlmsg_type == NLMSG_DONE || !(message->nlmsg_flags & NLM_F_MULTI)) return 1;
  }
  return 0;
}

static void exchange(int fd, const void *request, size_t length) {
  static uint8_t buffer[ROOM] __attribute__((aligned(8)));
  static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (sendto(fd, request, length, 0, (const struct sockaddr *)&kernel, sizeof kernel) < 0) err(1, "sendto");
  for (;;) {
    ssize_t got = recv(fd, buffer, sizeof buffer, MSG_TRUNC);
    if (got < 0) err(1, "recv");
    if ((size_t)got > sizeof buffer) errx(1, "a datagram of %zd bytes", got);
    if (is_last(buffer, (size_t)got)) return;
  }
}

int main(int count, char **arguments) {
  static uint8_t request[LONGEST_REQUEST] __attribute__((aligned(8)));
  if (count != 5) errx(2, "usage: drain NETNS REPEATS WARMUP REQUEST");
  int repeats = atoi(arguments[2]), warmup = atoi(arguments[3]);
  size_t length = read_hex(arguments[4], request);
  enter(arguments[1]);
  int fd = open_socket();
  for (int i = -warmup; i < repeats; i++) {
    int64_t begun = now_ns();
    exchange(fd, request, length);
    int64_t taken = now_ns() - begun;
    if (i >= 0) printf("%lld\n", (long long)taken);
  }
  return 0;
}
