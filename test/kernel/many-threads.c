/* Hundreds of threads that do nothing. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *idle(void *nothing) {
  pause();
  return nothing;
}

int main(void) {
  pthread_attr_t small;
  pthread_t thread;
  char byte;
  int threads = 0;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  while (threads < 640 && pthread_create(&thread, &small, idle, NULL) == 0) threads++;
  printf("%d\n", threads), fflush(stdout);
  return read(0, &byte, 1) < 0; /* until the test ends */
}
