/* Keeps copies of the files of a daemon's database as they were at their last sync: the state of a
 * disk that loses everything that was not synced. It is loaded with LD_PRELOAD; SHADOW is the
 * directory of the copies. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void keep(int fd) {
    const char *directory = getenv("SHADOW");
    char link[64], path[4096], part[4200], whole[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!directory || length <= 0) return;
    path[length] = 0;
    const char *name = strrchr(path, '/') + 1;
    if (!strstr(name, ".db")) return;
    snprintf(whole, sizeof whole, "%s/%s", directory, name);
    snprintf(part, sizeof part, "%s.part", whole);
    pthread_mutex_lock(&one_at_a_time);
    int copy = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (copy >= 0) {
        static char bytes[1 << 20];
        off_t at = 0;
        ssize_t read;
        while ((read = pread(fd, bytes, sizeof bytes, at)) > 0) {
            if (write(copy, bytes, read) != read) abort();
            at += read;
        }
        close(copy);
        rename(part, whole);
    }
    pthread_mutex_unlock(&one_at_a_time);
}

#define SYNC(name)                                                      \
    int name(int fd) {                                                  \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name);       \
        int result = real(fd);                                          \
        if (result == 0) keep(fd);                                      \
        return result;                                                  \
    }

SYNC(fsync)
SYNC(fdatasync)
