/* Sends a byte from a generic netlink socket to the port given, and prints the errno that comes of it. */
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int count, char **arguments) {
  if (count != 2) return 2;
  struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = (unsigned)strtoul(arguments[1], NULL, 10)};
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
  if (fd < 0) return 1;
  printf("%d\n", sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to) < 0 ? errno : 0);
  return 0;
}
