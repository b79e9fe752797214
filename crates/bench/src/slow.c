/* Has each sync of a process take longer, by the microseconds in SYNC_LONGER_US. Loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

int fdatasync(int fd) {
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    const char *text = getenv("SYNC_LONGER_US");
    struct timespec longer = {0, (text ? atoi(text) : 0) * 1000L};
    /* Otherwise the kernel may wake it some 50 microseconds later than it asks for. */
    static __thread int is_exact;
    if (!is_exact) is_exact = prctl(PR_SET_TIMERSLACK, 1000) == 0;
    int outcome = sync(fd);
    nanosleep(&longer, NULL);
    return outcome;
}
