/*
 * A command from its beginning to its end, its output read through a pipe as a program would that wants it:
 * `whole-process WARMUP REPEATS COMMAND [ARGUMENT ...]`. Several commands are parted by an argument '--then'; all of
 * them together are one repeat. Prints the nanoseconds of each repeat on a line of its own, without the warm-up's.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void once(char **command) {
  static char output[64 * 1024];
  int ends[2], status;
  if (pipe2(ends, O_CLOEXEC) != 0) err(1, "pipe2");
  pid_t child = vfork();
  if (child < 0) err(1, "vfork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    execvp(command[0], command);
    _exit(127);
  }
  close(ends[1]);
  while (read(ends[0], output, sizeof output) > 0) continue;
  close(ends[0]);
  if (waitpid(child, &status, 0) != child || status != 0) errx(1, "%s: status %d", command[0], status);
}

int main(int count, char **arguments) {
  if (count < 4) errx(2, "usage: whole-process WARMUP REPEATS COMMAND [ARGUMENT ...] [--then COMMAND ...]");
  int warmup = atoi(arguments[1]), repeats = atoi(arguments[2]);
  for (int i = 3; i < count; i++)
    if (strcmp(arguments[i], "--then") == 0) arguments[i] = NULL;
  for (int i = -warmup; i < repeats; i++) {
    int64_t begun = now_ns();
    for (int at = 3; at < count; at++)
      if (at == 3 || arguments[at - 1] == NULL) once(&arguments[at]);
    int64_t taken = now_ns() - begun;
    if (i >= 0) printf("%lld\n", (long long)taken);
  }
  return 0;
}
