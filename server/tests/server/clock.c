/* Loaded before the C library: the wall clock of this one process goes as much apart from the machine's as the file says, in
   seconds, at this very moment. The steady clock is left alone, as it is where somebody sets the clock of a machine. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);
static const volatile int64_t *apart;

__attribute__((constructor)) static void begin(void) {
  real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const char *name = getenv("CLOCK_APART");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  void *seen = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *apart, PROT_READ, MAP_SHARED, file, 0);
  /* A test whose clock cannot be set must not pass. */
  if (!real || seen == MAP_FAILED) abort();
  close(file);
  apart = seen;
}

int clock_gettime(clockid_t which, struct timespec *at) {
  int failed = real(which, at);
  if (!failed && apart && which == CLOCK_REALTIME) at->tv_sec += *apart;
  return failed;
}
