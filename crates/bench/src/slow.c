/* Delays each fdatasync of a process by the microseconds in SYNC_DELAY_US. It is loaded with
 * LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

int fdatasync(int fd) {
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    const char *text = getenv("SYNC_DELAY_US");
    struct timespec delay = {0, (text ? atoi(text) : 0) * 1000L};
    /* With the default timer slack the kernel may end the delay some 50 microseconds late. */
    static __thread int has_exact_timer;
    if (!has_exact_timer) has_exact_timer = prctl(PR_SET_TIMERSLACK, 1000) == 0;
    int outcome = sync(fd);
    nanosleep(&delay, NULL);
    return outcome;
}
