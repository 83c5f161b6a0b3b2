/* A thread in a network namespace of its own, while the main thread stays where it was. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static void *elsewhere(void *ready) {
  if (unshare(CLONE_NEWNET) == 0) printf("%d\n", gettid()), fflush(stdout);
  pause();
  return ready;
}

int main(void) {
  pthread_t thread;
  char byte;
  pthread_create(&thread, NULL, elsewhere, NULL);
  return read(0, &byte, 1) < 0; /* until the test ends */
}
